#include <stdint.h>

#include "imap/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct imap_parse c;
	struct fetch f;

	imap_parse_init(&c, span_make(data, size), pool);
	imap_parse_fetch(&c, &f);
	pool_free(&pool);
	return 0;
}
