#include "imapd/command.h"

#include "imap/seqset.h"
#include "imapd/update.h"

struct store_args {
	struct seqset seqs;
	struct flag_change change;
	bool silent;
	uint32_t *gone; /* UIDs of those that another session has expunged */
	size_t ngone;
};

/* "+FLAGS.SILENT (...)". */
static bool parse_item(struct imap_parse *c, struct store_args *a)
{
	static const struct {
		const char *name;
		bool silent;
	} items[] = {{"FLAGS", false}, {"FLAGS.SILENT", true}};
	struct imap_flag_list list;
	struct span word;

	if (imap_parse_skip(c, '+'))
		a->change.op = FLAGS_ADD;
	else
		a->change.op = imap_parse_skip(c, '-') ? FLAGS_REMOVE : FLAGS_SET;
	if (!imap_parse_atom(c, &word))
		return false;
	size_t i = 0;
	while (i < COUNT_OF(items) && !span_iis(word, items[i].name))
		i++;
	if (i == COUNT_OF(items))
		return imap_parse_fail(c, "Unknown STORE item.");
	a->silent = items[i].silent;
	if (!imap_parse_space(c) || !imap_parse_store_flags(c, &list))
		return false;
	a->change.flags = list.flags & MSG_SYSTEM_FLAGS; /* \Recent is nobody's to set */
	a->change.keywords = list.keywords;
	a->change.nkeywords = list.nkeywords;
	a->change.unchanged_since = UINT64_MAX;
	return true;
}

/* First what changed behind our back, keywords among it, then every message of the set as it is
 * now, but for those that are no more (RFC 2180 4.2.3). */
static void tell(struct session *s, struct cmd *cmd, const struct store_args *a)
{
	update_tell(s, &(struct update){.uid = cmd->uid, .skip = a->silent ? NULL : &a->seqs});
	if (a->silent || s->over)
		return;
	size_t gone = 0;
	for (size_t i = 0; i < a->seqs.n; i++)
		for (uint32_t seq = a->seqs.v[i].from; seq <= a->seqs.v[i].to; seq++) {
			if (!session_flow(s))
				return;
			if (gone < a->ngone && a->gone[gone] == view_row(s->view, seq)->uid)
				gone++;
			else
				put_fetch_flags(s, seq, cmd->uid);
		}
}

/* A message that is no more has no flags to set: said unless it was not asked for, or asked for by
 * its UID (RFC 2180 4.2, RFC 3501 6.4.8). */
static void answer(struct cmd *cmd, const struct store_args *a)
{
	if (a->ngone && !a->silent && !cmd->uid)
		cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages have been deleted.");
	else
		cmd_ok(cmd, NULL);
}

void cmd_store(struct session *s, struct cmd *cmd)
{
	struct store_args a = {0};
	uint32_t *uids;

	if (!cmd_parse_messages(s, cmd, &a.seqs))
		return;
	if (!imap_parse_space(&cmd->args) || !parse_item(&cmd->args, &a)) {
		cmd_bad_args(cmd);
		return;
	}
	size_t n = view_uids(s->view, &a.seqs, 0, cmd->pool, &uids);
	enum store_status status =
		n ? view_store(s->view, uids, n, &a.change, cmd->pool, &a.gone, &a.ngone)
		  : STORE_OK;
	if (status == STORE_OK) {
		tell(s, cmd, &a);
		answer(cmd, &a);
	} else if (status == STORE_TOO_MANY) {
		cmd_no(cmd, "LIMIT", "The mailbox holds as many keywords as it can.");
	} else {
		cmd_fail(cmd, status);
	}
}
