#include "imap/search.h"

#include "base/num.h"

struct word;
struct search_parse {
	struct imap_parse *c;
	struct search *search;
	unsigned keys, depth;
};
typedef bool (*key_fn)(struct search_parse *p, const struct word *word, struct search_key *key);

/* A row of the table of keys, last in this file. */
struct word {
	const char *name;
	key_fn parse;
	enum search_op op;
	unsigned flags;
	bool negate;
	const char *field;
};
static const struct word words[];

static struct search_key *new_key(struct search_parse *p)
{
	if (++p->keys > IMAP_SEARCH_KEYS_MAX) {
		imap_parse_fail(p->c, "Too many search keys.");
		return NULL;
	}
	return pool_new_of(p->c->pool, struct search_key);
}

static struct search_key *parse_key(struct search_parse *p);

/* How dear a key is to evaluate: from the row, from the summary, from the message. */
static int cost(const struct search_key *key)
{
	int most = 0;

	switch (key->op) {
	case SEARCH_AND:
	case SEARCH_OR:
		for (const struct search_key *k = key->child; k; k = k->next) {
			int n = cost(k);
			most = n > most ? n : most;
		}
		return most;
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
		return 1;
	case SEARCH_HEADER:
	case SEARCH_ADDRESS:
		return 2;
	case SEARCH_TEXT:
	case SEARCH_BODY:
		return 3;
	default:
		return 0;
	}
}

struct costed {
	struct search_key *first[4], **end[4];
};

/* Stable: equals keep the client's order. */
static void add_costed(struct costed *list, struct search_key *key)
{
	int at = cost(key);

	if (!list->end[at])
		list->end[at] = &list->first[at];
	*list->end[at] = key;
	list->end[at] = &key->next;
}

static struct search_key *join_costed(struct costed *list)
{
	struct search_key *first = NULL, **end = &first;

	for (int i = 0; i < 4; i++)
		if (list->first[i]) {
			*end = list->first[i];
			end = list->end[i];
		}
	*end = NULL;
	return first;
}

/* Keys separated by single blanks up to ")" or the end. */
static bool parse_keys(struct search_parse *p, struct search_key *and)
{
	struct costed list = {0};

	and->op = SEARCH_AND;
	do {
		struct search_key *key = parse_key(p);
		if (!key)
			return false;
		add_costed(&list, key);
	} while (imap_parse_skip(p->c, ' '));
	and->child = join_costed(&list);
	return true;
}

static bool parse_flags(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)p;
	key->flags = word->flags;
	return true;
}

/* NEW is RECENT UNSEEN. */
static bool parse_new(struct search_parse *p, const struct word *word, struct search_key *key)
{
	struct search_key *recent = new_key(p), *unseen = new_key(p);

	(void)word;
	if (!recent || !unseen)
		return false;
	recent->op = unseen->op = SEARCH_FLAG;
	recent->flags = IMAP_RECENT;
	unseen->flags = IMAP_SEEN;
	unseen->negate = true;
	recent->next = unseen;
	key->child = recent;
	p->search->needs |= 1u << SEARCH_FLAG;
	return true;
}

static bool parse_text(struct search_parse *p, const struct word *word, struct search_key *key)
{
	key->name = word->field;
	return imap_parse_space(p->c) && imap_parse_astring(p->c, &key->text);
}

static bool parse_header(struct search_parse *p, const struct word *word, struct search_key *key)
{
	struct span name;

	(void)word;
	if (!imap_parse_space(p->c) || !imap_parse_astring(p->c, &name) ||
		!imap_parse_space(p->c) || !imap_parse_astring(p->c, &key->text))
		return false;
	key->name = pool_span(p->c->pool, name);
	return true;
}

static bool parse_keyword(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)word;
	return imap_parse_space(p->c) && imap_parse_atom(p->c, &key->text);
}

static bool parse_number(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)word;
	return imap_parse_space(p->c) && imap_parse_number(p->c, UINT64_MAX, &key->number);
}

static bool parse_day(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)word;
	return imap_parse_space(p->c) && imap_parse_date(p->c, &key->day);
}

static bool parse_uid(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)word;
	return imap_parse_space(p->c) && imap_parse_seqset(p->c, &key->set);
}

static bool parse_not(struct search_parse *p, const struct word *word, struct search_key *key)
{
	(void)word;
	return imap_parse_space(p->c) && (key->child = parse_key(p)) != NULL;
}

static bool parse_or(struct search_parse *p, const struct word *word, struct search_key *key)
{
	struct costed list = {0};

	(void)word;
	for (int i = 0; i < 2; i++) {
		struct search_key *k;
		if (!imap_parse_space(p->c) || !(k = parse_key(p)))
			return false;
		/* OR a OR b c: one list, whatever the nesting. */
		if (k->op == SEARCH_OR && !k->negate) {
			for (struct search_key *next, *m = k->child; m; m = next) {
				next = m->next;
				add_costed(&list, m);
			}
		} else {
			add_costed(&list, k);
		}
	}
	key->child = join_costed(&list);
	return true;
}

static bool parse_word(struct search_parse *p, struct search_key *key)
{
	struct span name;

	if (!imap_parse_atom(p->c, &name))
		return false;
	for (const struct word *w = words; w->name; w++)
		if (span_iis(name, w->name)) {
			key->op = w->op;
			key->negate = w->negate;
			return w->parse(p, w, key);
		}
	return imap_parse_fail(p->c, "Unknown search key.");
}

static bool parse_one(struct search_parse *p, struct search_key *key)
{
	struct imap_parse *c = p->c;

	if (imap_parse_skip(c, '('))
		return parse_keys(p, key) && imap_parse_char(c, ')');
	if (c->p < c->end && (ascii_is_digit(*c->p) || *c->p == '*')) {
		key->op = SEARCH_SEQ;
		return imap_parse_seqset(c, &key->set);
	}
	return parse_word(p, key);
}

static struct search_key *parse_key(struct search_parse *p)
{
	struct search_key *key = new_key(p);

	if (!key)
		return NULL;
	if (++p->depth > IMAP_DEPTH_MAX) {
		imap_parse_fail(p->c, "The search is nested too deeply.");
		return NULL;
	}
	if (!parse_one(p, key))
		return NULL;
	p->depth--;
	p->search->needs |= 1u << key->op;
	return key;
}

bool imap_parse_search(struct imap_parse *c, struct search *search_r)
{
	struct search_parse p = {.c = c, .search = search_r};

	*search_r = (struct search){.charset = SPAN_LIT("")};
	if (imap_parse_skip_word(c, "CHARSET") &&
		!(imap_parse_space(c) && imap_parse_astring(c, &search_r->charset) &&
			imap_parse_space(c)))
		return false;
	search_r->root = new_key(&p);
	return parse_keys(&p, search_r->root) && imap_parse_end(c);
}

static const struct word words[] = {
	{"ALL", parse_flags, SEARCH_AND, 0, false, NULL},
	{"ANSWERED", parse_flags, SEARCH_FLAG, IMAP_ANSWERED, false, NULL},
	{"BCC", parse_text, SEARCH_ADDRESS, 0, false, "Bcc"},
	{"BEFORE", parse_day, SEARCH_BEFORE, 0, false, NULL},
	{"BODY", parse_text, SEARCH_BODY, 0, false, NULL},
	{"CC", parse_text, SEARCH_ADDRESS, 0, false, "Cc"},
	{"DELETED", parse_flags, SEARCH_FLAG, IMAP_DELETED, false, NULL},
	{"DRAFT", parse_flags, SEARCH_FLAG, IMAP_DRAFT, false, NULL},
	{"FLAGGED", parse_flags, SEARCH_FLAG, IMAP_FLAGGED, false, NULL},
	{"FROM", parse_text, SEARCH_ADDRESS, 0, false, "From"},
	{"HEADER", parse_header, SEARCH_HEADER, 0, false, NULL},
	{"KEYWORD", parse_keyword, SEARCH_KEYWORD, 0, false, NULL},
	{"LARGER", parse_number, SEARCH_LARGER, 0, false, NULL},
	{"NEW", parse_new, SEARCH_AND, 0, false, NULL},
	{"NOT", parse_not, SEARCH_AND, 0, true, NULL},
	{"OLD", parse_flags, SEARCH_FLAG, IMAP_RECENT, true, NULL},
	{"ON", parse_day, SEARCH_ON, 0, false, NULL},
	{"OR", parse_or, SEARCH_OR, 0, false, NULL},
	{"RECENT", parse_flags, SEARCH_FLAG, IMAP_RECENT, false, NULL},
	{"SEEN", parse_flags, SEARCH_FLAG, IMAP_SEEN, false, NULL},
	{"SENTBEFORE", parse_day, SEARCH_SENT_BEFORE, 0, false, NULL},
	{"SENTON", parse_day, SEARCH_SENT_ON, 0, false, NULL},
	{"SENTSINCE", parse_day, SEARCH_SENT_SINCE, 0, false, NULL},
	{"SINCE", parse_day, SEARCH_SINCE, 0, false, NULL},
	{"SMALLER", parse_number, SEARCH_SMALLER, 0, false, NULL},
	{"SUBJECT", parse_text, SEARCH_HEADER, 0, false, "Subject"},
	{"TEXT", parse_text, SEARCH_TEXT, 0, false, NULL},
	{"TO", parse_text, SEARCH_ADDRESS, 0, false, "To"},
	{"UID", parse_uid, SEARCH_UID, 0, false, NULL},
	{"UNANSWERED", parse_flags, SEARCH_FLAG, IMAP_ANSWERED, true, NULL},
	{"UNDELETED", parse_flags, SEARCH_FLAG, IMAP_DELETED, true, NULL},
	{"UNDRAFT", parse_flags, SEARCH_FLAG, IMAP_DRAFT, true, NULL},
	{"UNFLAGGED", parse_flags, SEARCH_FLAG, IMAP_FLAGGED, true, NULL},
	{"UNKEYWORD", parse_keyword, SEARCH_KEYWORD, 0, true, NULL},
	{"UNSEEN", parse_flags, SEARCH_FLAG, IMAP_SEEN, true, NULL},
	{.name = NULL},
};
