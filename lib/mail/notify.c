/* The NOTIFY parameter of RCPT (RFC 3461 4.1). */
#include "base/array.h"
#include "mail/envelope.h"

static const struct {
	const char *name;
	unsigned bit;
} notify_rows[] = {
	{"NEVER", NOTIFY_NEVER},
	{"SUCCESS", NOTIFY_SUCCESS},
	{"FAILURE", NOTIFY_FAILURE},
	{"DELAY", NOTIFY_DELAY},
};

static unsigned bit_of(struct span word)
{
	for (size_t i = 0; i < COUNT_OF(notify_rows); i++)
		if (span_iis(word, notify_rows[i].name))
			return notify_rows[i].bit;
	return 0;
}

int notify_parse(struct span text, unsigned *notify_r)
{
	unsigned all = 0;
	struct span rest = text, word;
	if (!text.n)
		return -1;
	while (span_split(&rest, ',', &word)) {
		unsigned bit = bit_of(word);
		if (!bit)
			return -1;
		all |= bit;
	}
	if ((all & NOTIFY_NEVER) && all != NOTIFY_NEVER)
		return -1;
	*notify_r = all;
	return 0;
}

void notify_put(struct str *out, unsigned notify)
{
	bool first = true;
	for (size_t i = 0; i < COUNT_OF(notify_rows); i++) {
		if (!(notify & notify_rows[i].bit))
			continue;
		if (!first)
			str_putc(out, ',');
		str_puts(out, notify_rows[i].name);
		first = false;
	}
}
