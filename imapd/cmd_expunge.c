#include "imapd/command.h"

#include "imap/seqset.h"

/* EXPUNGE, and UID EXPUNGE of a set (RFC 4315 2.1). The removed ones are told with the updates
 * after it. */
void cmd_expunge(struct session *s, struct cmd *cmd)
{
	struct seqset seqs = {&(struct seq_range){1, view_count(s->view)}, view_count(s->view) > 0};
	enum store_status status = STORE_OK;
	uint32_t *uids;

	if (cmd->uid) {
		if (!cmd_parse_messages(s, cmd, &seqs))
			return;
		if (!imap_parse_end(&cmd->args)) {
			cmd_bad_args(cmd);
			return;
		}
	}
	size_t n = view_uids(s->view, &seqs, MSG_DELETED, cmd->pool, &uids);
	if (n)
		status = view_expunge(s->view, uids, n, true);
	if (status == STORE_OK)
		cmd_ok(cmd, NULL);
	else
		cmd_fail(cmd, status);
}
