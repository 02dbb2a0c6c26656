/* COPY and MOVE (RFC 6851), with COPYUID (RFC 4315). */
#include "imapd/command.h"

#include "imap/seqset.h"
#include "imapd/update.h"

struct copy {
	struct seqset seqs;
	const char *name;
	uint32_t to;
	struct uid_pair *pairs;
	size_t n;
	bool gone; /* nothing was copied, as some were expunged by another session */
	uint32_t uidvalidity;
};

static bool parse(struct session *s, struct cmd *cmd, struct copy *c)
{
	if (!cmd_parse_messages(s, cmd, &c->seqs))
		return false;
	if (imap_parse_space(&cmd->args) && imap_parse_mailbox(&cmd->args, &c->name) &&
		imap_parse_end(&cmd->args))
		return true;
	cmd_bad_args(cmd);
	return false;
}

/* All or nothing (RFC 3501 6.4.7), but for UIDs, of which those that are no more are ignored (6.4.8). */
static enum store_status copy(struct session *s, struct cmd *cmd, struct copy *c, unsigned flags)
{
	struct mailbox_info info;
	uint32_t *uids;
	size_t n = view_uids(s->view, &c->seqs, 0, cmd->pool, &uids);
	enum store_status status = mailbox_find(s->account, cmd->pool, c->name, false, &info);

	if (status == STORE_OK && info.flags & MAILBOX_NOSELECT)
		status = STORE_NOT_FOUND;
	if (status != STORE_OK || n == 0)
		return status;
	if (!cmd->uid)
		flags |= COPY_ALL;
	status = view_copy(
		s->view, uids, n, info.id, flags, cmd->pool, &c->pairs, &c->n, &c->uidvalidity);
	c->gone = status == STORE_OK && c->n == 0 && !cmd->uid;
	return status;
}

/* False: it failed, which is answered. */
static bool succeeded(struct cmd *cmd, const struct copy *c, enum store_status status)
{
	if (status != STORE_OK)
		cmd_fail_target(cmd, status);
	else if (c->gone)
		cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages no longer exist; nothing was done.");
	return cmd->status == CMD_NONE;
}

/* "COPYUID 38505 304,319:320 3956:3958", or NULL. */
static const char *copyuid(struct cmd *cmd, const struct copy *c)
{
	struct str code = STR_IN(cmd->pool);

	if (c->n == 0)
		return NULL;
	str_printf(&code, "COPYUID %u ", c->uidvalidity);
	imap_put_numbers(&code, &c->pairs->from, c->n, sizeof(*c->pairs));
	str_putc(&code, ' ');
	imap_put_numbers(&code, &c->pairs->to, c->n, sizeof(*c->pairs));
	return str_c(&code);
}

void cmd_copy(struct session *s, struct cmd *cmd)
{
	struct copy c = {0};

	if (!parse(s, cmd, &c))
		return;
	if (succeeded(cmd, &c, copy(s, cmd, &c, 0)))
		cmd_ok(cmd, copyuid(cmd, &c));
}

/* COPYUID comes before the EXPUNGE lines, which the updates after the command bring (RFC 6851
 * 4.3). */
void cmd_move(struct session *s, struct cmd *cmd)
{
	struct copy c = {0};

	if (!parse(s, cmd, &c))
		return;
	if (!succeeded(cmd, &c, copy(s, cmd, &c, COPY_MOVE)))
		return;
	if (c.n)
		str_printf(&s->out, "* OK [%s] Moved.\r\n", copyuid(cmd, &c));
	cmd_ok(cmd, NULL);
}
