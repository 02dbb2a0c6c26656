#include <stdint.h>

#include "imap/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct imap_parse c;
	struct imap_flag_list list;

	imap_parse_init(&c, span_make(data, size), pool);
	struct span s;
	int64_t v;
	int zone;
	imap_parse_store_flags(&c, &list);
	imap_parse_init(&c, span_make(data, size), pool);
	imap_parse_astring(&c, &s);
	imap_parse_init(&c, span_make(data, size), pool);
	imap_parse_date(&c, &v);
	imap_parse_init(&c, span_make(data, size), pool);
	imap_parse_date_time(&c, &v, &zone);
	pool_free(&pool);
	return 0;
}
