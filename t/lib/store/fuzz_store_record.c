/*
 * Records made of hostile operations: the input is cut into operations lists (u16 length each),
 * each is put into a whole record and applied to a tree and to the rows of mailbox 1; the raw input
 * is parsed as a record too.
 */
#include "store/index.h"
#include "store/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	struct tree tree;
	struct index index;
	uint64_t at, sequence;
	uint32_t chain;
};

static void apply(struct state *s, struct span ops)
{
	struct str bytes = STR_INIT;
	struct record made = {.at = s->at,
			      .sequence = ++s->sequence,
			      .chain = s->chain,
			      .class = RECORD_FIRM},
		      r;
	record_start(&bytes, "fuzz", NULL);
	str_add_span(&bytes, ops);
	record_finish(&bytes, 7, &made);
	if (record_parse(str_span(&bytes), 7, s->at, &r) != 1)
		__builtin_trap();
	tree_apply(&s->tree, &r);
	index_apply(&s->index, &r, 0);
	s->at += r.length;
	s->chain = r.crc;
	str_fini(&bytes);
}

static void check(const struct state *s)
{
	const struct index *x = &s->index;
	for (size_t i = 1; i < x->n; i++)
		if (index_row(x, i)->uid <= index_row(x, i - 1)->uid)
			__builtin_trap();
	for (size_t i = 1; i < x->gone.n; i++)
		if (x->gone.v[i] <= x->gone.v[i - 1] || x->gone.v[i] >= x->n)
			__builtin_trap();
}

/* What a tree can hold it can store and read again. */
static void round_trip(const struct tree *t)
{
	struct str bytes = STR_INIT;
	struct tree again;
	tree_init(&again, true);
	tree_put(t, t->seen, "a1", &bytes);
	if (tree_parse(&again, "a1", str_span(&bytes)) < 0 || again.boxes.n != t->boxes.n)
		__builtin_trap();
	tree_fini(&again);
	str_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s = {.at = LOG_FIRST};
	struct reader in = reader_of(span_make(data, size));
	struct record r;
	record_parse(span_make(data, size), size >= 4 ? 7 : 1, LOG_FIRST, &r);
	tree_init(&s.tree, true);
	index_init(&s.index, 1);
	while (reader_left(&in) > 2) {
		size_t n = get_u16(&in);
		apply(&s, get_bytes(&in, n < reader_left(&in) ? n : reader_left(&in)));
	}
	check(&s);
	round_trip(&s.tree);
	index_fini(&s.index);
	tree_fini(&s.tree);
	return 0;
}
