/* A server's replies, read and spelled again. */
#include <stdlib.h>

#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct smtp_reply r = {.text = STR_IN(pool)}, again = {.text = STR_IN(pool)};
	struct span rest = span_make(data, size), line;
	while (rest.p && span_split(&rest, '\n', &line)) {
		int rc = smtp_reply_add(&r, line);
		if (rc < 0)
			break;
		if (r.text.len > SMTP_REPLY_KEEP_MAX + 1 || r.code < 100 || r.code > 599)
			abort();
		if (rc == 0)
			continue;
		struct smtp_capabilities caps;
		struct str out = STR_IN(pool);
		smtp_capabilities_parse(&r, &caps);
		smtp_reply_put(&out, r.code, NULL, str_span(&r.text));
		struct span wire = str_span(&out);
		smtp_reply_reset(&again);
		while (wire.p && span_split(&wire, '\n', &line) && line.n)
			rc = smtp_reply_add(&again, span_make(line.p, line.n - 1));
		if (rc != 1 || again.code != r.code || strchr(smtp_reply_line(pool, &r), '\n'))
			abort();
		smtp_reply_reset(&r);
	}
	pool_free(&pool);
	return 0;
}
