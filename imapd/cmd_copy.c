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

static enum store_status copy(struct session *s, struct cmd *cmd, struct copy *c, bool move)
{
	struct mailbox_info info;
	uint32_t *uids;
	size_t n = view_uids(s->view, &c->seqs, 0, cmd->pool, &uids);
	enum store_status status = mailbox_find(s->account, cmd->pool, c->name, false, &info);

	if (status == STORE_OK && info.flags & MAILBOX_NOSELECT)
		status = STORE_NOT_FOUND;
	if (status != STORE_OK || n == 0)
		return status;
	return view_copy(
		s->view, uids, n, info.id, move, cmd->pool, &c->pairs, &c->n, &c->uidvalidity);
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
	enum store_status status = copy(s, cmd, &c, false);
	if (status != STORE_OK)
		cmd_fail_target(cmd, status);
	else
		cmd_ok(cmd, copyuid(cmd, &c));
}

/* COPYUID comes before the EXPUNGE lines, which the updates after the command bring (RFC 6851
 * 4.3). */
void cmd_move(struct session *s, struct cmd *cmd)
{
	struct copy c = {0};

	if (!parse(s, cmd, &c))
		return;
	enum store_status status = copy(s, cmd, &c, true);
	if (status != STORE_OK) {
		cmd_fail_target(cmd, status);
		return;
	}
	if (c.n)
		str_printf(&s->out, "* OK [%s] Moved.\r\n", copyuid(cmd, &c));
	cmd_ok(cmd, NULL);
}
