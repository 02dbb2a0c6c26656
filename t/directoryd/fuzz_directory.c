/*
 * Names of strangers as keys, and tickets that the process before has left. A key is in lower case, has one form, and is an
 * address of one domain; tickets come back as they were kept.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/wire.h"
#include "master/directoryd/directoryd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIFE_MS 60000

static void check_name(const struct directoryd *d, struct pool *pool, const char *text)
{
	const char *key = name_parse(d, pool, text);
	if (!key)
		return;
	const char *at = strrchr(key, '@'), *again = name_parse(d, pool, key);
	if (!at || at == key || strlen(key) > NAME_OCTETS_MAX || !utf8_is_valid(span_of(key)))
		log_panic("%s is no key", log_q(key));
	for (const char *p = key; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127 || ascii_lower((unsigned char)*p) != (unsigned char)*p)
			log_panic("%s is no key", log_q(key));
	if (!again || strcmp(again, key) != 0 || !name_is_in(span_of(key), at + 1))
		log_panic("%s has two forms", log_q(key));
}

static void check_tickets(struct pool *pool, struct span kept)
{
	struct tickets *one = tickets_new(LIFE_MS), *two = tickets_new(LIFE_MS);
	struct str all = STR_INIT, again = STR_INIT;
	const char *user, *account;
	tickets_get(one, kept);
	tickets_put(one, &all);
	tickets_get(two, str_span(&all));
	tickets_put(two, &again);
	if (again.len > all.len)
		log_panic("there are more tickets than were kept");
	if (all.len >= 32 && tickets_redeem(one, pool, span_make(all.s + 8, 16), "imap", &user, &account) &&
		tickets_redeem(one, pool, span_make(all.s + 8, 16), "imap", &user, &account))
		log_panic("a ticket was good twice");
	str_fini(&all);
	str_fini(&again);
	tickets_free(&one);
	tickets_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct directoryd d = {.default_domain = "sandbox.test"};
	struct pool *pool = pool_new("fuzz");
	struct str kept = STR_IN(pool);
	check_name(&d, pool, pool_span(pool, span_make(data, size)));
	/* The clock has not gone on since. */
	put_u64(&kept, (uint64_t)clock_wall_ms());
	str_add(&kept, data, size);
	check_tickets(pool, str_span(&kept));
	check_tickets(pool, span_make(data, size));
	pool_free(&pool);
	return 0;
}
