/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
#include "imapd/command.h"

#include "base/str.h"

/* A separator at the end only says that children are to come (RFC 3501 6.3.3). */
static const char *without_end(struct pool *pool, const char *name)
{
	size_t n = strlen(name);

	return n > 1 && name[n - 1] == '/' ? pool_strndup(pool, name, n - 1) : name;
}

static bool parse_one(struct cmd *cmd, const char **name_r)
{
	if (imap_parse_mailbox(&cmd->args, name_r) && imap_parse_end(&cmd->args))
		return true;
	cmd_bad_args(cmd);
	return false;
}

static void answer(struct cmd *cmd, enum store_status status)
{
	if (status == STORE_OK)
		cmd_ok(cmd, NULL);
	else
		cmd_fail(cmd, status);
}

struct uses {
	enum special_use use;
	unsigned known, unknown; /* how many are asked for */
};

static bool parse_use(struct imap_parse *c, struct uses *uses)
{
	struct span name;

	if (!imap_parse_char(c, '\\') || !imap_parse_atom(c, &name))
		return false;
	for (unsigned use = USE_NONE + 1; use < USE_COUNT_; use++)
		if (span_iis(name, special_use_names[use] + 1)) {
			uses->known += uses->use != use;
			uses->use = (enum special_use)use;
			return true;
		}
	uses->unknown++;
	return true;
}

/* RFC 6154 section 6: "(USE (\Drafts))", with any number of them. */
static bool parse_uses(struct imap_parse *c, struct uses *uses)
{
	*uses = (struct uses){.use = USE_NONE};
	if (!imap_parse_skip(c, ' '))
		return true;
	if (!imap_parse_char(c, '('))
		return false;
	if (!imap_parse_skip_word(c, "USE"))
		return imap_parse_fail(c, "Unknown CREATE parameter.");
	if (!imap_parse_space(c) || !imap_parse_char(c, '('))
		return false;
	if (!imap_parse_skip(c, ')')) {
		do
			if (!parse_use(c, uses))
				return false;
		while (imap_parse_skip(c, ' '));
		if (!imap_parse_char(c, ')'))
			return false;
	}
	return imap_parse_char(c, ')');
}

void cmd_create(struct session *s, struct cmd *cmd)
{
	struct imap_parse *c = &cmd->args;
	struct uses uses;
	const char *name;
	uint32_t id;

	if (!imap_parse_mailbox(c, &name) || !parse_uses(c, &uses) || !imap_parse_end(c))
		cmd_bad_args(cmd);
	else if (uses.unknown)
		cmd_no(cmd, "USEATTR", "That special use is not known here.");
	else if (uses.known > 1)
		cmd_no(cmd, "USEATTR", "A mailbox has one special use here.");
	else
		answer(cmd, mailbox_create(s->account, without_end(cmd->pool, name), uses.use, &id));
}

void cmd_delete(struct session *s, struct cmd *cmd)
{
	struct mailbox_info info;
	const char *name;

	if (!parse_one(cmd, &name))
		return;
	bool selected = s->view &&
			mailbox_find(s->account, cmd->pool, name, false, &info) == STORE_OK &&
			info.id == s->mailbox;
	enum store_status status = mailbox_delete(s->account, name);
	if (status == STORE_DENIED) {
		cmd_no(cmd, "CANNOT", "This mailbox can not be deleted.");
		return;
	}
	/* One's own decision ends no session, as somebody else's would. */
	if (status == STORE_OK && selected)
		session_unselect(s);
	answer(cmd, status);
}

void cmd_rename(struct session *s, struct cmd *cmd)
{
	const char *from, *to;

	if (imap_parse_mailbox(&cmd->args, &from) && imap_parse_space(&cmd->args) &&
		imap_parse_mailbox(&cmd->args, &to) && imap_parse_end(&cmd->args))
		answer(cmd, mailbox_rename(s->account, from, without_end(cmd->pool, to)));
	else
		cmd_bad_args(cmd);
}

void cmd_subscribe(struct session *s, struct cmd *cmd)
{
	const char *name;

	if (parse_one(cmd, &name))
		answer(cmd, mailbox_subscribe(s->account, name, true));
}

void cmd_unsubscribe(struct session *s, struct cmd *cmd)
{
	const char *name;

	if (parse_one(cmd, &name))
		answer(cmd, mailbox_subscribe(s->account, name, false));
}
