/* A file of the drop folder is as hostile as mail: any bytes are a message or an error, and what is written is read
 * as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "queue/drop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct drop_message m, again;
	const char *err;
	if (drop_parse(pool, span_make(data, size), &m, &err) == 0) {
		struct str out = STR_IN(pool);
		if (drop_put_header(&out, &m) < 0)
			abort();
		str_add_span(&out, m.body);
		if (drop_parse(pool, str_span(&out), &again, &err) < 0 || again.uid != m.uid ||
			strcmp(again.sender, m.sender) != 0 ||
			again.recipients.n != m.recipients.n || !span_eq(again.body, m.body))
			abort();
	}
	pool_free(&pool);
	return 0;
}
