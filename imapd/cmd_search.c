#include "imapd/command.h"

#include "imap/fold.h"
#include "imap/seqset.h"
#include "imapd/search.h"
#include "mail/charset.h"

/* --- making the program ready --- */

/* The needle: UTF-8, folded. */
static void compile_text(struct cmd *cmd, struct span charset, struct search_key *key)
{
	struct str utf8 = STR_IN(cmd->pool), folded = STR_IN(cmd->pool), joined = STR_IN(cmd->pool);
	struct needle *needle = pool_new_of(cmd->pool, struct needle);

	if (charset.n)
		charset_put_utf8(&utf8, charset, key->text);
	else
		str_add_span(&utf8, key->text);
	fold_put(&folded, str_span(&utf8));
	needle->text = str_span(&folded);
	str_add_span(&joined, needle->text);
	search_join_blanks(&joined);
	needle->joined = str_span(&joined);
	key->data = needle;
}

static void compile_keyword(const struct view *view, struct search_key *key)
{
	size_t n;
	const char *const *names = view_keywords(view, &n);

	key->number = 0;
	for (size_t i = 0; i < n; i++)
		if (span_iis(key->text, names[i]))
			key->number |= (uint64_t)1 << i;
}

/* Depth is limited by the parser. */
static void compile(struct session *s, struct cmd *cmd, struct span charset, struct search_key *key)
{
	switch (key->op) {
	case SEARCH_AND:
	case SEARCH_OR:
		for (struct search_key *k = key->child; k; k = k->next)
			compile(s, cmd, charset, k);
		break;
	case SEARCH_SEQ:
		seqset_resolve(&key->set, view_count(s->view));
		break;
	case SEARCH_UID:
		view_resolve_uids(s->view, &key->set);
		break;
	case SEARCH_KEYWORD:
		compile_keyword(s->view, key);
		break;
	case SEARCH_HEADER:
	case SEARCH_ADDRESS:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		compile_text(cmd, charset, key);
		break;
	default:
		break;
	}
}

static bool charset_is_good(struct cmd *cmd, struct span charset)
{
	if (charset.n == 0 || charset_is_known(charset))
		return true;
	cmd_no(cmd, "BADCHARSET (US-ASCII UTF-8)", "That charset is not known here.");
	return false;
}

/* Where to look: all, or what a set among the program's outermost keys leaves. */
static struct seqset candidates(
	const struct session *s, struct cmd *cmd, const struct search *search)
{
	for (const struct search_key *k = search->root->child; k; k = k->next)
		if ((k->op == SEARCH_SEQ || k->op == SEARCH_UID) && !k->negate)
			return k->set;
	struct seq_range *all = pool_new_of(cmd->pool, struct seq_range);
	*all = (struct seq_range){1, view_count(s->view)};
	return (struct seqset){all, all->to > 0};
}

/* --- running it --- */

static bool search_one(
	struct search_run *r, struct cmd *cmd, const struct search *search, uint32_t seq)
{
	r->seq = seq;
	r->row = view_row(r->s->view, seq);
	if (search_match(r, search->root)) {
		str_putc(&r->s->out, ' ');
		str_put_u64(&r->s->out, cmd->uid ? r->row->uid : seq);
	}
	search_forget(r);
	return seq % 32 ? true : session_flow(r->s);
}

static void search_all(struct session *s, struct cmd *cmd, const struct search *search)
{
	struct search_run *r = pool_new_of(cmd->pool, struct search_run);
	struct seqset seqs = candidates(s, cmd, search);
	uint32_t count = view_count(s->view);
	bool go_on = true;

	r->s = s;
	r->row_pool = pool_new("search row");
	str_puts(&s->out, "* SEARCH");
	for (size_t i = 0; i < seqs.n && go_on; i++)
		for (uint32_t seq = seqs.v[i].from; seq <= seqs.v[i].to && seq <= count && go_on;
			seq++)
			go_on = search_one(r, cmd, search, seq);
	str_puts(&s->out, "\r\n");
	str_fini(&r->decoded);
	str_fini(&r->folded);
	pool_free(&r->row_pool);
}

void cmd_search(struct session *s, struct cmd *cmd)
{
	struct search search;

	if (!imap_parse_search(&cmd->args, &search)) {
		cmd_bad_args(cmd);
		return;
	}
	if (!charset_is_good(cmd, search.charset))
		return;
	compile(s, cmd, search.charset, search.root);
	search_all(s, cmd, &search);
	cmd_ok(cmd, NULL);
}
