#include "service/shared.h"

#include "base/array.h"
#include "base/log.h"

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
};

int service_log_open(const char *tag, const struct common_conf *common, const char **err_r)
{
	enum log_level level = LOG_LEVEL_INFO;

	for (size_t i = 0; i < COUNT_OF(level_names); i++)
		if (strcmp(level_names[i], common->log_level) == 0)
			level = (enum log_level)i;
	return log_open(tag, common->log, level, err_r);
}

int service_listen_address(struct pool *pool, const struct common_conf *common, struct span word,
	const char **address_r, const char **err_r)
{
	struct span unix_prefix = SPAN_LIT("unix:"), name;

	if (!span_has_prefix(word, unix_prefix)) {
		*address_r = pool_span(pool, word);
		return 0;
	}
	name = span_make(word.p + unix_prefix.n, word.n - unix_prefix.n);
	if (!name.n || name.p[0] == '.' || memchr(name.p, '/', name.n) || span_is(name, "master")) {
		*err_r = pool_printf(pool, "\"%.*s\" is no name for a socket in run_dir.",
			(int)name.n, name.p);
		return -1;
	}
	*address_r = pool_printf(pool, "unix:%s/%.*s", common->run_dir, (int)name.n, name.p);
	return 0;
}
