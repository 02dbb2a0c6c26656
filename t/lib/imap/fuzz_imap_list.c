#include <stdint.h>

#include "imap/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct imap_parse c;
	struct imap_list l;

	imap_parse_init(&c, span_make(data, size), pool);
	if (imap_parse_list(&c, false, &l))
		for (size_t i = 0; i < l.npatterns; i++)
			pattern_match(pattern_new(pool, l.patterns[i]), "INBOX/some/name");
	pool_free(&pool);
	return 0;
}
