#include <stdint.h>
#include <stdlib.h>

#include "imap/seqset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct imap_parse c;
	struct seqset set;

	imap_parse_init(&c, span_make(data, size), pool);
	if (imap_parse_seqset(&c, &set)) {
		seqset_resolve(&set, 1000);
		for (size_t i = 0; i < set.n; i++)
			if (set.v[i].from > set.v[i].to || !set.v[i].from ||
				(i && set.v[i].from <= set.v[i - 1].to + 1) ||
				!seqset_has(&set, set.v[i].to))
				abort();
	}
	pool_free(&pool);
	return 0;
}
