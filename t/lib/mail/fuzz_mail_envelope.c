/* Queue envelopes: any bytes, and what is taken comes back from its own bytes. */
#include "mail/envelope.h"

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct str one = STR_INIT, two = STR_INIT;
	struct envelope e, back;
	if (envelope_parse(span_make(data, size), pool, &e) == 0) {
		envelope_put(&one, &e);
		if (envelope_parse(str_span(&one), pool, &back) < 0)
			log_panic("an envelope is not read as it was written");
		envelope_put(&two, &back);
		if (!span_eq(str_span(&one), str_span(&two)))
			log_panic("an envelope changed");
	}
	str_fini(&one);
	str_fini(&two);
	pool_free(&pool);
	return 0;
}
