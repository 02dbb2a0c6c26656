/*
 * Address lists of header fields. One element is read as glued runs of words: "John Public <jq@x>"
 * has two runs before the bracket, all of the display name; in "jq@x" the run before '@' is the
 * local part. An opening quote or bracket that is never closed counts as a plain character
 * from then on, which also keeps the reader linear.
 */
#include "mail/address.h"

/* Text put together from pieces: a span into the source as long as the pieces are neighbours. */
struct piece {
	struct span s;
	struct str buf;
};

struct element {
	struct address_reader *r;
	struct piece phrase; /* all words so far */
	struct span before;  /* the phrase before the last run began */
	struct piece run;    /* the last run */
	struct span comment;
	bool spaced; /* white space since the last word */
};

enum { OPEN_QUOTE = 1, OPEN_COMMENT = 2 };

static struct piece piece_in(struct pool *pool)
{
	return (struct piece){.buf = STR_IN(pool)};
}

static void piece_add(struct piece *t, struct span more, bool space)
{
	if (!t->s.p) {
		t->s = more;
		return;
	}
	if (!t->buf.s) {
		const char *next = t->s.p + t->s.n + space;
		if (next == more.p && (!space || next[-1] == ' ')) {
			t->s.n += space + more.n;
			return;
		}
		str_add_span(&t->buf, t->s);
	}
	if (space)
		str_putc(&t->buf, ' ');
	str_add_span(&t->buf, more);
	t->s = str_span(&t->buf);
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The text inside, without the backslashes of quoted pairs and without line ends. */
static struct span clean(struct pool *pool, struct span in)
{
	bool dirty = false;
	for (size_t i = 0; i < in.n && !dirty; i++)
		dirty = in.p[i] == '\\' || in.p[i] == '\r' || in.p[i] == '\n' || !in.p[i];
	if (!dirty)
		return in;
	char *copy = pool_alloc(pool, in.n);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\\' && i + 1 < in.n)
			i++;
		if (in.p[i] != '\r' && in.p[i] != '\n' && in.p[i])
			copy[n++] = in.p[i];
	}
	return span_make(copy, n);
}

/* At an opening quote: 1 and past the closing one, or 0 when it is never closed. */
static int take_quoted(struct address_reader *r, struct span *inside_r)
{
	const char *p = r->p + 1;
	while (p < r->end && *p != '"')
		p += *p == '\\' && p + 1 < r->end ? 2 : 1;
	if (p >= r->end) {
		r->unclosed |= OPEN_QUOTE;
		return 0;
	}
	*inside_r = clean(r->pool, span_make(r->p + 1, (size_t)(p - r->p - 1)));
	r->p = p + 1;
	return 1;
}

static int take_comment(struct address_reader *r, struct span *inside_r)
{
	const char *p = r->p + 1;
	for (unsigned long depth = 1; p < r->end; p++) {
		if (*p == '\\' && p + 1 < r->end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			break;
	}
	if (p >= r->end) {
		r->unclosed |= OPEN_COMMENT;
		return 0;
	}
	*inside_r = span_make(r->p + 1, (size_t)(p - r->p - 1));
	r->p = p + 1;
	return 1;
}

static void skip_space(struct element *e)
{
	struct address_reader *r = e->r;
	while (r->p < r->end) {
		if (is_space(*r->p))
			r->p++;
		else if (*r->p != '(' || (r->unclosed & OPEN_COMMENT) ||
			 !take_comment(r, &e->comment))
			return;
		e->spaced = true;
	}
}

static bool ends_word(const struct address_reader *r, int c)
{
	return is_space(c) || c == ',' || c == ';' || c == '<' || c == '>' || c == '@' ||
	       (c == ':' && !r->in_group) || (c == '"' && !(r->unclosed & OPEN_QUOTE)) ||
	       (c == '(' && !(r->unclosed & OPEN_COMMENT));
}

/* A word: quoted text or a run of other octets. Takes at least one octet. */
static struct span take_word(struct address_reader *r)
{
	struct span word;
	if (*r->p == '"' && !(r->unclosed & OPEN_QUOTE) && take_quoted(r, &word))
		return word;
	const char *start = r->p++;
	while (r->p < r->end && !ends_word(r, *r->p))
		r->p++;
	return span_make(start, (size_t)(r->p - start));
}

/* In a phrase white space counts as written, in a run none stands around dots. */
static void add_word(struct element *e, struct span word)
{
	struct span run = e->run.s;
	bool glued = run.p && (!e->spaced || (run.n && run.p[run.n - 1] == '.') ||
				      (word.n && word.p[0] == '.'));
	if (!glued) {
		e->before = e->phrase.s;
		e->run = piece_in(e->r->pool);
	}
	piece_add(&e->run, word, false);
	piece_add(&e->phrase, word, e->spaced && e->phrase.s.p);
	e->spaced = false;
}

/* White space around dots means nothing; elsewhere it has no place, and is kept as one space so
 * that the address stays the wrong one that it is. */
static void add_atom(struct element *e, struct piece *t, struct span atom)
{
	bool after_dot = t->s.n && t->s.p[t->s.n - 1] == '.';
	bool dot = atom.n && atom.p[0] == '.';
	piece_add(t, atom, e->spaced && t->s.p && !after_dot && !dot);
	e->spaced = false;
}

/* Words up to one of stop, or to what ends an element. */
static struct span take_run(struct element *e, const char *stop)
{
	struct address_reader *r = e->r;
	struct piece t = piece_in(r->pool);
	e->spaced = false;
	for (;;) {
		skip_space(e);
		if (r->p >= r->end || strchr(stop, *r->p) || !*r->p)
			return t.s;
		if (*r->p == '"' && !(r->unclosed & OPEN_QUOTE)) {
			add_atom(e, &t, take_word(r));
			continue;
		}
		const char *start = r->p;
		if (*r->p == '[')
			while (r->p < r->end && *r->p != ']' && !strchr(",>", *r->p))
				r->p++;
		else
			while (r->p + 1 < r->end && !ends_word(r, r->p[1]) &&
				!strchr(stop, r->p[1]))
				r->p++;
		r->p += r->p < r->end;
		add_atom(e, &t, span_make(start, (size_t)(r->p - start)));
	}
}

/* Behind '<': [route ':'] local '@' domain '>'. */
static void take_angle(struct element *e, struct address_item *item)
{
	struct address_reader *r = e->r;
	skip_space(e);
	if (r->p < r->end && *r->p == '@') {
		const char *start = r->p;
		while (r->p < r->end && !strchr(":>", *r->p))
			r->p++;
		item->route = clean(r->pool, span_make(start, (size_t)(r->p - start)));
		r->p += r->p < r->end && *r->p == ':';
	}
	item->local = take_run(e, "@>,<");
	if (r->p < r->end && *r->p == '@') {
		r->p++;
		item->domain = take_run(e, ">,<@");
	}
	while (r->p < r->end && *r->p != '>' && *r->p != ',')
		r->p++;
	r->p += r->p < r->end && *r->p == '>';
	skip_space(e);
	while (r->p < r->end && *r->p != ',' && *r->p != ';') {
		r->p++;
		skip_space(e);
	}
}

static void take_plain(struct element *e, struct address_item *item)
{
	struct address_reader *r = e->r;
	if (r->p == r->end || *r->p != '@') {
		item->local = e->phrase.s;
	} else {
		item->local = e->run.s;
		item->name = e->before;
		r->p++;
		item->domain = take_run(e, ",;<>@");
	}
	skip_space(e);
	while (r->p < r->end && *r->p != ',' && *r->p != ';') {
		r->p++;
		skip_space(e);
	}
}

/* Reads up to the separator. False when nothing but white space stood there. */
static bool take_element(struct address_reader *r, struct address_item *item)
{
	struct element e = {.r = r, .phrase = piece_in(r->pool), .run = piece_in(r->pool)};
	for (;;) {
		skip_space(&e);
		int c = r->p < r->end ? *r->p : ',';
		if (c == '<') {
			r->p++;
			item->name = e.phrase.s;
			take_angle(&e, item);
			break;
		}
		if (c == ':' && !r->in_group && r->p < r->end) {
			r->p++;
			r->in_group = true;
			item->kind = ADDRESS_GROUP_START;
			item->name = e.phrase.s;
			return true;
		}
		if (c == '@' || c == ',' || c == ';') {
			if (c != '@' && !e.run.s.p)
				return false;
			take_plain(&e, item);
			break;
		}
		add_word(&e, take_word(r));
	}
	if (!item->name.n)
		item->name = e.comment.n ? clean(r->pool, e.comment) : (struct span){0};
	return item->local.n || item->domain.n || item->name.n;
}

void address_reader_init(struct address_reader *r, struct span text, struct pool *pool)
{
	const char *p = text.n ? text.p : "";
	*r = (struct address_reader){.p = p, .end = p + text.n, .pool = pool};
}

bool address_read(struct address_reader *r, struct address_item *item_r)
{
	while (r->p < r->end && r->count < ADDRESS_LIST_MAX) {
		*item_r = (struct address_item){.kind = ADDRESS_MAILBOX};
		if (*r->p == ',') {
			r->p++;
			continue;
		}
		if (*r->p == ';') {
			r->p++;
			if (!r->in_group)
				continue;
			r->in_group = false;
			item_r->kind = ADDRESS_GROUP_END;
			r->count++;
			return true;
		}
		if (take_element(r, item_r)) {
			r->count++;
			return true;
		}
	}
	if (!r->in_group)
		return false;
	r->in_group = false;
	*item_r = (struct address_item){.kind = ADDRESS_GROUP_END};
	return true;
}
