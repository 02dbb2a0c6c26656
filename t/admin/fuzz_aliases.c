/* Files of aliases: any bytes are entries or a reason, and what was taken is taken again as it is spelled. */
#include "admin/sendmail/aliases.h"

#include "base/log.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_targets(struct pool *pool, const char *text)
{
	struct address_reader reader;
	struct address_item item;
	unsigned n = 0;
	if (strpbrk(text, "\r\n"))
		log_panic("a target has a line's end");
	address_reader_init(&reader, span_of(text), pool);
	while (address_read(&reader, &item))
		n += item.kind == ADDRESS_MAILBOX && item.local.n;
	if (!n)
		log_panic("an alias has no target");
}

static void check_again(struct pool *pool, const struct dir_aliases *all)
{
	const struct dir_entry *v = all->entries.v;
	struct str text = STR_IN(pool);
	struct dir_aliases again;
	const char *err = NULL;
	for (size_t i = 0; i < all->entries.n; i++)
		str_printf(&text, "\"%s\": %s\n", v[i].name, v[i].text);
	if (aliases_parse(pool, "again", str_span(&text), &again, &err) < 0 || again.entries.n != all->entries.n)
		log_panic("aliases are not read as they were spelled: %s", err ? err : "");
	const struct dir_entry *w = again.entries.v;
	for (size_t i = 0; i < all->entries.n; i++)
		if (strcmp(v[i].name, w[i].name) != 0 || strcmp(v[i].text, w[i].text) != 0)
			log_panic("an alias changed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct dir_aliases all;
	const char *err = NULL;
	if (aliases_parse(pool, "fuzz", span_make(data, size), &all, &err) < 0) {
		if (!err || strncmp(err, "fuzz:", 5) != 0)
			log_panic("refused without a reason");
	} else {
		const struct dir_entry *v = all.entries.v;
		for (size_t i = 0; i < all.entries.n; i++)
			check_targets(pool, v[i].text);
		check_again(pool, &all);
	}
	pool_free(&pool);
	return 0;
}
