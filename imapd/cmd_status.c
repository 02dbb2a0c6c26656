#include "imapd/command.h"

#include "imap/list.h"
#include "imap/put.h"
#include "imapd/status.h"

void status_put(struct session *s, const struct mailbox_info *info, unsigned items)
{
	const struct {
		enum status_item item;
		const char *name;
		uint64_t value;
	} rows[] = {
		{STATUS_MESSAGES, "MESSAGES", info->messages},
		{STATUS_RECENT, "RECENT", info->recent},
		{STATUS_UIDNEXT, "UIDNEXT", info->uidnext},
		{STATUS_UIDVALIDITY, "UIDVALIDITY", info->uidvalidity},
		{STATUS_UNSEEN, "UNSEEN", info->unseen},
	};
	bool any = false;

	str_puts(&s->out, "* STATUS ");
	imap_put_mailbox(&s->out, info->name, s->separator);
	str_puts(&s->out, " (");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (items & rows[i].item) {
			str_printf(&s->out, "%s%s ", any ? " " : "", rows[i].name);
			str_put_u64(&s->out, rows[i].value);
			any = true;
		}
	str_puts(&s->out, ")\r\n");
}

void cmd_status(struct session *s, struct cmd *cmd)
{
	struct mailbox_info info;
	const char *name;
	unsigned items;

	if (!imap_parse_mailbox(&cmd->args, &name) || !imap_parse_space(&cmd->args) ||
		!imap_parse_status_items(&cmd->args, &items) || !imap_parse_end(&cmd->args)) {
		cmd_bad_args(cmd);
		return;
	}
	enum store_status status = mailbox_find(s->account, cmd->pool, name, true, &info);
	if (status == STORE_OK && info.flags & MAILBOX_NOSELECT)
		status = STORE_NOT_FOUND;
	if (status != STORE_OK) {
		cmd_fail(cmd, status);
		return;
	}
	status_put(s, &info, items);
	cmd_ok(cmd, NULL);
}
