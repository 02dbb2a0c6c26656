/* CAPABILITY, CHECK, ENABLE, ID, LOGOUT, NAMESPACE, NOOP. */
#include "imapd/command.h"

#include "imap/capability.h"
#include "base/num.h"

#define ID_FIELDS_MAX 30 /* RFC 2971 3.3 */

void cmd_capability(struct session *s, struct cmd *cmd)
{
	str_puts(&s->out, "* CAPABILITY");
	imap_put_capabilities(&s->out, IMAP_PHASE_AUTH, NULL, false, false);
	str_puts(&s->out, "\r\n");
	cmd_ok(cmd, NULL);
}

/* What changed is told before the answer, as after every command. */
void cmd_noop(struct session *s, struct cmd *cmd)
{
	(void)s;
	cmd_ok(cmd, NULL);
}

void cmd_check(struct session *s, struct cmd *cmd)
{
	cmd_noop(s, cmd);
}

void cmd_logout(struct session *s, struct cmd *cmd)
{
	session_bye(s, "Logging out.", "logout");
	cmd_ok(cmd, NULL);
}

/* RFC 5161. Nothing that we have needs it yet. */
void cmd_enable(struct session *s, struct cmd *cmd)
{
	struct span name;

	do
		if (!imap_parse_atom(&cmd->args, &name))
			break;
	while (imap_parse_skip(&cmd->args, ' '));
	if (!imap_parse_end(&cmd->args)) {
		cmd_bad_args(cmd);
		return;
	}
	str_puts(&s->out, "* ENABLED\r\n");
	cmd_ok(cmd, NULL);
}

/* RFC 2971: NIL or pairs of name and value. What the client is goes to the log. */
static bool parse_id(struct imap_parse *c, struct str *line)
{
	struct span name, value;
	unsigned n = 0;

	if (imap_parse_skip_word(c, "NIL"))
		return imap_parse_end(c);
	if (!imap_parse_char(c, '('))
		return false;
	while (!imap_parse_skip(c, ')')) {
		if (n++ && !imap_parse_space(c))
			return false;
		if (n > ID_FIELDS_MAX)
			return imap_parse_fail(c, "Too many fields.");
		if (!imap_parse_string(c, &name) || !imap_parse_space(c) ||
			!imap_parse_nstring(c, &value))
			return false;
		str_printf(line, "%s%.*s=%.*s", line->len ? " " : "", (int)num_min(name.n, 30),
			name.p, (int)num_min(value.n, 100), value.p ? value.p : "");
	}
	return imap_parse_end(c);
}

void cmd_id(struct session *s, struct cmd *cmd)
{
	struct str line = STR_IN(cmd->pool);

	if (!parse_id(&cmd->args, &line)) {
		cmd_bad_args(cmd);
		return;
	}
	if (line.len)
		log_info("client id=%s", log_qn(line.s, line.len));
	str_puts(&s->out, "* ID (\"name\" \"Thurn\")\r\n");
	cmd_ok(cmd, NULL);
}

/* RFC 2342: all mailboxes are the user's own. */
void cmd_namespace(struct session *s, struct cmd *cmd)
{
	str_printf(&s->out, "* NAMESPACE ((\"\" \"%c\")) NIL NIL\r\n", s->separator);
	cmd_ok(cmd, NULL);
}
