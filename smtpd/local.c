#include "smtpd/local.h"

#include <pwd.h>

#include "base/num.h"

#define ENTRY_MAX 16384

struct question {
	uid_t uid;
	char entry[ENTRY_MAX];
	struct passwd pw, *found;
};

/* NSS may ask the network: on a helper thread. */
static int ask(void *arg)
{
	struct question *q = arg;
	return getpwuid_r(q->uid, &q->pw, q->entry, sizeof(q->entry), &q->found);
}

const char *local_user(struct pool *pool, uid_t uid)
{
	struct question *q = mem_new(struct question);
	q->uid = uid;
	io_call(ask, q);
	const char *name = q->found && *q->pw.pw_name ? pool_strdup(pool, q->pw.pw_name)
						      : pool_printf(pool, "uid%u", (unsigned)uid);
	mem_free(&q);
	return name;
}

bool local_is_messenger(const struct conn *conn)
{
	const char *user = service_uid_user(conn->svc, conn->peer_uid);
	return user && (strcmp(user, "drop") == 0 || strcmp(user, "root") == 0);
}

int local_parse_uid(const char *auth, uid_t *uid_r)
{
	struct span rest = span_of(auth), name;
	uint64_t uid;
	if (!span_split(&rest, '@', &name) || !span_has_prefix(name, SPAN_LIT("uid")) ||
		!num_parse_u64(span_make(name.p + 3, name.n - 3), UINT32_MAX - 1, &uid))
		return -1;
	*uid_r = (uid_t)uid;
	return 0;
}
