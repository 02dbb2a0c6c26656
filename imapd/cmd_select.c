/* SELECT, EXAMINE, CLOSE, UNSELECT. */
#include "imapd/command.h"

#include "imap/seqset.h"
#include "imapd/update.h"

static void put_codes(struct session *s)
{
	struct mailbox_info info;
	uint32_t unseen = view_first_unseen(s->view);

	view_info(s->view, &info);
	if (unseen)
		str_printf(&s->out, "* OK [UNSEEN %u] First unseen.\r\n", unseen);
	str_printf(&s->out, "* OK [UIDVALIDITY %u] UIDs are valid.\r\n", info.uidvalidity);
	str_printf(&s->out, "* OK [UIDNEXT %u] Next UID.\r\n", info.uidnext);
}

static void open_mailbox(struct session *s, struct cmd *cmd, bool read_only)
{
	struct mailbox_info info;
	const char *name;

	bool parsed = imap_parse_mailbox(&cmd->args, &name) && imap_parse_end(&cmd->args);
	/* Whatever comes of it, the old one is closed (RFC 3501 6.3.1), and nothing in it
	 * expunged. */
	if (parsed || cmd->args.bad_name)
		session_unselect(s);
	if (!parsed) {
		cmd_bad_args(cmd);
		return;
	}
	enum store_status status = mailbox_find(s->account, cmd->pool, name, false, &info);
	if (status == STORE_OK && info.flags & MAILBOX_NOSELECT)
		status = STORE_NOT_FOUND;
	if (status == STORE_OK)
		status = view_open(s->account, info.id, read_only, &s->view);
	if (status != STORE_OK) {
		cmd_fail(cmd, status);
		return;
	}
	s->mailbox = info.id;
	s->read_only = read_only;
	update_put_flags(s);
	update_start(s);
	put_codes(s);
	cmd_ok(cmd, read_only ? "READ-ONLY" : "READ-WRITE");
}

void cmd_select(struct session *s, struct cmd *cmd)
{
	open_mailbox(s, cmd, false);
}

void cmd_examine(struct session *s, struct cmd *cmd)
{
	open_mailbox(s, cmd, true);
}

void cmd_close(struct session *s, struct cmd *cmd)
{
	struct seqset all = {&(struct seq_range){1, view_count(s->view)}, view_count(s->view) > 0};
	enum store_status status = STORE_OK;
	uint32_t *uids;

	if (!s->read_only) {
		size_t n = view_uids(s->view, &all, MSG_DELETED, cmd->pool, &uids);
		if (n)
			status = view_expunge(s->view, uids, n, true);
	}
	if (status != STORE_OK) {
		cmd_fail(cmd, status);
		return;
	}
	session_unselect(s);
	cmd_ok(cmd, NULL);
}

void cmd_unselect(struct session *s, struct cmd *cmd)
{
	session_unselect(s);
	cmd_ok(cmd, NULL);
}
