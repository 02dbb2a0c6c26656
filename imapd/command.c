#include "imapd/command.h"

#include "imapd/update.h"

static const struct verb verbs[];

/* --- answers --- */

static void put_answer(struct cmd *cmd, enum cmd_status status, const char *code, const char *text)
{
	if (cmd->status != CMD_NONE)
		log_panic("%s answers twice", cmd->verb ? cmd->verb->name : "a line");
	cmd->status = status;
	cmd->code = code;
	cmd->text = text;
}

void cmd_ok(struct cmd *cmd, const char *code)
{
	put_answer(cmd, CMD_OK, code, pool_printf(cmd->pool, "%s completed.", cmd->verb->name));
}

void cmd_no(struct cmd *cmd, const char *code, const char *text)
{
	put_answer(cmd, CMD_NO, code, text);
}

void cmd_bad(struct cmd *cmd, const char *text)
{
	put_answer(cmd, CMD_BAD, NULL, text);
}

void cmd_bad_args(struct cmd *cmd)
{
	if (cmd->args.bad_name)
		cmd_no(cmd, "CANNOT", cmd->args.err);
	else
		cmd_bad(cmd, cmd->args.err ? cmd->args.err : "Bad arguments.");
}

void cmd_fail(struct cmd *cmd, enum store_status status)
{
	static const struct {
		const char *code, *text;
	} answers[] = {
		[STORE_NOT_FOUND] = {"NONEXISTENT", "There is no such mailbox."},
		[STORE_EXISTS] = {"ALREADYEXISTS", "The mailbox exists already."},
		[STORE_INVALID] = {"CANNOT", "That name can not be used."},
		[STORE_DENIED] = {"NOPERM", "That is not allowed."},
		[STORE_OVER_QUOTA] = {"OVERQUOTA", "The account is over its quota."},
		[STORE_TOO_MANY] = {"LIMIT", "A limit of the server is reached."},
		[STORE_BUSY] = {"INUSE", "The account is busy; try again."},
		[STORE_DISK_FULL] = {"UNAVAILABLE",
			"The server has no space left; try again later."},
		[STORE_DAMAGED] = {"CORRUPTION", "The mail of this account needs a repair."},
		[STORE_FAILED] = {"UNAVAILABLE", "The mail store failed; try again later."},
	};

	if ((size_t)status >= COUNT_OF(answers) || !answers[status].text)
		log_panic("no answer for store status %d", (int)status);
	if (status >= STORE_BUSY)
		log_error("%s failed: %s", cmd->verb->name, store_status_text(status));
	cmd_no(cmd, answers[status].code, answers[status].text);
}

void cmd_fail_target(struct cmd *cmd, enum store_status status)
{
	if (status == STORE_NOT_FOUND)
		cmd_no(cmd, "TRYCREATE", "There is no such mailbox.");
	else
		cmd_fail(cmd, status);
}

/* A client that makes no sense for long is none. */
static void count_bad(struct session *s, enum cmd_status status)
{
	s->bad = status == CMD_BAD ? s->bad + 1 : 0;
	if (s->bad >= SESSION_BAD_MAX)
		session_bye(s, "Too many bad commands.", "bad commands");
}

static void put_tagged(struct session *s, const struct cmd *cmd)
{
	static const char *const words[] = {NULL, "OK", "NO", "BAD"};
	struct str *out = &s->out;

	if (cmd->tag.n)
		str_add_span(out, cmd->tag);
	else
		str_putc(out, '*');
	str_putc(out, ' ');
	str_puts(out, words[cmd->status]);
	if (cmd->code) {
		str_puts(out, " [");
		str_puts(out, cmd->code);
		str_putc(out, ']');
	}
	str_putc(out, ' ');
	str_puts(out, cmd->text);
	str_puts(out, "\r\n");
	count_bad(s, cmd->status);
}

/* --- dispatch --- */

static const struct verb *verb_find(struct span name, bool uid)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (span_iis(name, v->name) &&
			(uid ? v->flags & (CMD_UID | CMD_UID_ONLY) : !(v->flags & CMD_UID_ONLY)))
			return v;
	return NULL;
}

/* "tag SP [UID SP] verb"; false when answered. */
static bool parse_verb(struct cmd *cmd)
{
	struct span name;

	if (!imap_parse_tag(&cmd->args, &cmd->tag) || !imap_parse_space(&cmd->args))
		goto bad;
	cmd->uid = imap_parse_skip_word(&cmd->args, "UID");
	if (cmd->uid && !imap_parse_space(&cmd->args))
		goto bad;
	if (!imap_parse_atom(&cmd->args, &name))
		goto bad;
	cmd->verb = verb_find(name, cmd->uid);
	if (cmd->verb)
		return true;
	cmd_bad(cmd, "Unknown command.");
	return false;
bad:
	cmd_bad_args(cmd);
	return false;
}

static bool is_allowed(const struct session *s, struct cmd *cmd)
{
	const struct verb *v = cmd->verb;

	if (!(v->states & (s->view ? ST_SELECTED : ST_AUTH))) {
		cmd_bad(cmd, "No mailbox is selected.");
		return false;
	}
	if (v->flags & CMD_WRITES && s->read_only) {
		cmd_no(cmd, "READ-ONLY", "The mailbox is selected read-only.");
		return false;
	}
	if ((v->flags & CMD_ARGS && !imap_parse_space(&cmd->args)) ||
		(!(v->flags & CMD_ARGS) && !imap_parse_end(&cmd->args))) {
		cmd_bad_args(cmd);
		return false;
	}
	return true;
}

static void finish(struct session *s, struct cmd *cmd)
{
	if (s->view && (!cmd->verb || !(cmd->verb->flags & CMD_NO_SYNC)))
		update_tell(s, &(struct update){
			.expunge = cmd->uid || !cmd->verb || !(cmd->verb->flags & CMD_SEQ),
			.uid = cmd->uid,
		});
	put_tagged(s, cmd);
}

/* The reader dropped the command; its tag may be known. */
static void refuse_dropped(struct session *s, struct cmd *cmd, enum imap_read how)
{
	if (!imap_parse_tag(&cmd->args, &cmd->tag) || !imap_parse_at(&cmd->args, ' '))
		cmd->tag = SPAN_LIT(""); /* perhaps only half of it was kept */
	cmd_bad(cmd, s->reader.broke);
	put_tagged(s, cmd);
	if (how == IMAP_READ_LOST)
		session_bye(s, "That is too much.", "literal past IMAP_SKIP_MAX");
}

/* A literal is announced: true when the command streams it, and its verb may be used. */
static bool starts_streaming(struct session *s, struct cmd *cmd)
{
	struct cmd look = *cmd;

	return parse_verb(&look) && look.verb->flags & CMD_STREAMS && is_allowed(s, &look) &&
	       append_is_at_message(s, &look);
}

static void run(struct session *s, struct cmd *cmd)
{
	if (parse_verb(cmd) && is_allowed(s, cmd))
		cmd->verb->run(s, cmd);
	/* A client that left in the middle gets no answer. */
	if (cmd->status != CMD_NONE)
		finish(s, cmd);
}

static struct cmd cmd_of(struct session *s)
{
	struct cmd cmd = {.pool = s->cmd_pool};

	imap_parse_init(&cmd.args, str_span(&s->reader.text), s->cmd_pool);
	cmd.args.separator = s->separator;
	return cmd;
}

void command_run(struct session *s, enum imap_read how)
{
	struct cmd cmd = cmd_of(s);
	unsigned literals = 0;

	/* The message comes first, or after the mailbox: later ones are not asked about, each
	 * time from the beginning. */
	while (how == IMAP_READ_LITERAL && (++literals > 2 || !starts_streaming(s, &cmd))) {
		if (imap_reader_take(&s->reader) && s->reader.sync)
			str_puts(&s->out, "+ OK\r\n");
		int rc = session_read(s);
		if (rc < 0)
			return; /* the next read says why */
		how = (enum imap_read)rc;
		cmd = cmd_of(s);
	}
	cmd.at_literal = how == IMAP_READ_LITERAL;
	if (how == IMAP_READ_LIMIT || how == IMAP_READ_LOST)
		refuse_dropped(s, &cmd, how);
	else if (cmd.args.p != cmd.args.end) /* empty lines say nothing */
		run(s, &cmd);
	else {
		cmd_bad(&cmd, "Empty command.");
		put_tagged(s, &cmd);
	}
}

static const struct verb verbs[] = {
	/* verb         run              legal in     flags */
	{"APPEND",      cmd_append,      ST_ANY,      CMD_ARGS | CMD_STREAMS},
	{"CAPABILITY",  cmd_capability,  ST_ANY,      0},
	{"CHECK",       cmd_check,       ST_SELECTED, 0},
	{"CLOSE",       cmd_close,       ST_SELECTED, CMD_NO_SYNC},
	{"COPY",        cmd_copy,        ST_SELECTED, CMD_ARGS | CMD_UID},
	{"CREATE",      cmd_create,      ST_ANY,      CMD_ARGS},
	{"DELETE",      cmd_delete,      ST_ANY,      CMD_ARGS},
	{"ENABLE",      cmd_enable,      ST_ANY,      CMD_ARGS},
	{"EXAMINE",     cmd_examine,     ST_ANY,      CMD_ARGS | CMD_NO_SYNC},
	{"EXPUNGE",     cmd_expunge,     ST_SELECTED, CMD_WRITES},
	{"EXPUNGE",     cmd_expunge,     ST_SELECTED, CMD_ARGS | CMD_UID_ONLY | CMD_WRITES},
	{"FETCH",       cmd_fetch,       ST_SELECTED, CMD_ARGS | CMD_UID | CMD_SEQ},
	{"ID",          cmd_id,          ST_ANY,      CMD_ARGS},
	{"IDLE",        cmd_idle,        ST_ANY,      0},
	{"LIST",        cmd_list,        ST_ANY,      CMD_ARGS},
	{"LOGOUT",      cmd_logout,      ST_ANY,      CMD_NO_SYNC},
	{"LSUB",        cmd_lsub,        ST_ANY,      CMD_ARGS},
	{"MOVE",        cmd_move,        ST_SELECTED, CMD_ARGS | CMD_UID | CMD_WRITES},
	{"NAMESPACE",   cmd_namespace,   ST_ANY,      0},
	{"NOOP",        cmd_noop,        ST_ANY,      0},
	{"RENAME",      cmd_rename,      ST_ANY,      CMD_ARGS},
	{"SEARCH",      cmd_search,      ST_SELECTED, CMD_ARGS | CMD_UID | CMD_SEQ},
	{"SELECT",      cmd_select,      ST_ANY,      CMD_ARGS | CMD_NO_SYNC},
	{"STATUS",      cmd_status,      ST_ANY,      CMD_ARGS},
	{"STORE",       cmd_store,       ST_SELECTED, CMD_ARGS | CMD_UID | CMD_SEQ | CMD_WRITES},
	{"SUBSCRIBE",   cmd_subscribe,   ST_ANY,      CMD_ARGS},
	{"UNSELECT",    cmd_unselect,    ST_SELECTED, CMD_NO_SYNC},
	{"UNSUBSCRIBE", cmd_unsubscribe, ST_ANY,      CMD_ARGS},
	{NULL,          NULL,            0,           0},
};
