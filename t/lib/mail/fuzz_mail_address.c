/* Paths and address lists: any bytes, and what is taken spells the same when read again. */
#include "mail/address.h"

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct span text, struct pool *pool)
{
	struct address a, b;
	size_t used = 0;
	const char *err = NULL;
	unsigned flags = ADDRESS_NULL_OK | ADDRESS_UTF8_OK | ADDRESS_BARE_OK | ADDRESS_NO_DOMAIN_OK;
	if (address_parse_path(text, flags, pool, &a, &used, &err) < 0) {
		if (!err)
			log_panic("refused without a reason");
		return;
	}
	if (used > text.n)
		log_panic("took more than there is");
	char *again = address_text(pool, &a);
	if (address_parse(span_of(again), flags, pool, &b, &err) < 0 || !address_eq(&a, &b))
		log_panic("\"%s\" is not read as it was written", log_q(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct span text = span_make(data, size);
	struct address_reader r;
	struct address_item item;
	struct str out = STR_INIT;
	check_path(text, pool);
	address_reader_init(&r, text, pool);
	while (address_read(&r, &item)) {
		str_add_span(&out, item.name);
		str_add_span(&out, item.route);
		str_add_span(&out, item.local);
		str_add_span(&out, item.domain);
	}
	str_fini(&out);
	pool_free(&pool);
	return 0;
}
