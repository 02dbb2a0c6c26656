#include "imap/capability.h"

#include "base/array.h"

#define BEFORE (IMAP_PHASE_PLAIN | IMAP_PHASE_TLS)
#define AUTH   IMAP_PHASE_AUTH

static const struct capability {
	const char *name;
	unsigned phases;
} capabilities[] = {
	{"IMAP4rev1", BEFORE | AUTH},
	{"LITERAL+", BEFORE | AUTH},
	{"SASL-IR", BEFORE},
	{"ID", BEFORE | AUTH},
	{"ENABLE", BEFORE | AUTH},
	{"IDLE", BEFORE | AUTH},
	{"CHILDREN", AUTH},
	{"CREATE-SPECIAL-USE", AUTH},
	{"LIST-EXTENDED", AUTH},
	{"LIST-STATUS", AUTH},
	{"MOVE", AUTH},
	{"MULTIAPPEND", AUTH},
	{"NAMESPACE", AUTH},
	{"SPECIAL-USE", AUTH},
	{"UIDPLUS", AUTH},
	{"UNSELECT", AUTH},
};

static void put_word(struct str *out, const char *prefix, struct span word)
{
	if (out->len && out->s[out->len - 1] != ' ')
		str_putc(out, ' ');
	str_puts(out, prefix);
	str_add_span(out, word);
}

void imap_put_capabilities(
	struct str *out, enum imap_phase phase, const char *mechanisms, bool starttls, bool login)
{
	struct span rest = span_of(mechanisms ? mechanisms : ""), word;

	for (size_t i = 0; i < COUNT_OF(capabilities); i++)
		if (capabilities[i].phases & phase)
			put_word(out, "", span_of(capabilities[i].name));
	if (phase == IMAP_PHASE_AUTH)
		return;
	if (starttls)
		put_word(out, "", SPAN_LIT("STARTTLS"));
	if (!login)
		put_word(out, "", SPAN_LIT("LOGINDISABLED"));
	while (span_split(&rest, ' ', &word))
		if (word.n)
			put_word(out, "AUTH=", word);
}
