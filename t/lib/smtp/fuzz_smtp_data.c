/* Message text: every cut of the stream reads the same, and what is written reads back whole. */
#include <stdlib.h>

#include "base/str.h"
#include "smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_in_pieces(
	struct span wire, size_t piece, bool raw, struct str *out, struct smtp_data *d)
{
	struct span run;
	if (raw)
		smtp_data_init_raw(d);
	else
		smtp_data_init(d);
	for (size_t at = 0; at < wire.n; at += piece) {
		struct span chunk =
			span_make(wire.p + at, wire.n - at < piece ? wire.n - at : piece);
		enum smtp_data_step step;
		while ((step = smtp_data_next(d, &chunk, &run)) == SMTP_DATA_RUN)
			str_add_span(out, run);
		if (step == SMTP_DATA_END)
			return true;
		if (chunk.n)
			abort();
	}
	if (raw && smtp_data_finish_raw(d, &run))
		str_add_span(out, run);
	return false;
}

static void same_for_every_piece(struct span wire, bool raw)
{
	struct str whole = STR_INIT, cut = STR_INIT;
	struct smtp_data a, b;
	bool ended = read_in_pieces(wire, wire.n + 1, raw, &whole, &a);
	for (size_t piece = 1; piece < 5; piece++) {
		str_reset(&cut);
		if (read_in_pieces(wire, piece, raw, &cut, &b) != ended || a.size != b.size ||
			!span_eq(str_span(&whole), str_span(&cut)) || b.size != cut.len)
			abort();
		if (a.seen != b.seen)
			abort();
	}
	str_fini(&whole);
	str_fini(&cut);
}

static void comes_back(struct span text)
{
	struct str wire = STR_INIT, back = STR_INIT;
	struct smtp_stuff s;
	struct smtp_data d;
	struct span run;
	smtp_stuff_init(&s);
	while (smtp_stuff_next(&s, &text, &run))
		str_add_span(&wire, run);
	str_add_span(&wire, smtp_stuff_end(&s));
	if (!read_in_pieces(str_span(&wire), wire.len, false, &back, &d) ||
		(d.seen & (SMTP_SEEN_BARE_CR | SMTP_SEEN_BARE_LF)))
		abort();
	str_fini(&wire);
	str_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span wire = span_make(data, size);
	if (!size)
		return 0;
	same_for_every_piece(wire, false);
	same_for_every_piece(wire, true);
	comes_back(wire);
	return 0;
}
