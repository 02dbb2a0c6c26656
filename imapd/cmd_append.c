/*
 * APPEND (RFC 3501 6.3.11) and MULTIAPPEND (RFC 3502), with APPENDUID (RFC 4315). The messages are
 * taken in as they come and stored at the end, all of them as one change of the mailbox.
 *
 * Whatever goes wrong on the way is said when the whole command has been read, apart from a client
 * that waits for leave to send a message: it is told at once.
 */
#include "imapd/command.h"

#include "imapd/incoming.h"
#include "mail/date.h"

struct appending {
	struct session *s;
	struct cmd *cmd;
	struct pool *args; /* one message's arguments */
	struct mailbox_info mailbox;
	struct incoming in;
};

/* --- arguments --- */

struct message_args {
	struct imap_flag_list list;
	struct date date;
};

/* [SP flags] [SP date] SP, up to the literal. */
static bool parse_message(struct imap_parse *c, struct message_args *m)
{
	*m = (struct message_args){0};
	if (!imap_parse_space(c))
		return false;
	if (imap_parse_at(c, '(') && (!imap_parse_flag_list(c, &m->list) || !imap_parse_space(c)))
		return false;
	if (!imap_parse_at(c, '"')) {
		m->date = date_now();
		return true;
	}
	return imap_parse_date_time(c, &m->date.utc_s, &m->date.zone_min) && imap_parse_space(c);
}

/* What is left is "{...}" without its octets: the reader has found it to be a literal. */
static bool is_at_literal(const struct imap_parse *c)
{
	return imap_parse_at(c, '{') && !memchr(c->p, '\n', (size_t)(c->end - c->p));
}

bool append_is_at_message(struct session *s, struct cmd *cmd)
{
	struct message_args m;
	const char *name;

	(void)s;
	return imap_parse_mailbox(&cmd->args, &name) && parse_message(&cmd->args, &m) &&
	       is_at_literal(&cmd->args);
}

/* --- one message --- */

/* The literal's octets, all of them or up to the end of the client. */
static bool read_literal(struct session *s, struct spill *sp, uint64_t n)
{
	struct span in;

	while (n > 0) {
		if (!session_peek(s, &in))
			return false;
		if (in.n > n)
			in.n = (size_t)n;
		spill_add(sp, in);
		n -= in.n;
		session_consume(s, in.n);
		fiber_breathe();
	}
	return true;
}

/* Whether the message that is announced may come; answers when not. */
static bool may_come(struct appending *a, uint64_t n)
{
	const struct imapd_conf *conf = a->s->imapd->conf;
	struct cmd *cmd = a->cmd;

	if (cmd->status != CMD_NONE)
		return false;
	if (n == 0)
		cmd_no(cmd, "CANNOT", "A message can not be empty.");
	else if (n > conf->append_size_max)
		cmd_no(cmd, "LIMIT", "The message is too large.");
	else if (a->in.messages.n == INCOMING_MESSAGES_MAX)
		cmd_no(cmd, "LIMIT", "Too many messages at once.");
	else if (store_space_is_low(a->s->imapd->store))
		cmd_fail(cmd, STORE_DISK_FULL);
	else if (!account_has_room(a->s->account, a->in.spill.n + n, a->in.messages.n + 1))
		cmd_fail(cmd, STORE_OVER_QUOTA);
	return cmd->status == CMD_NONE;
}

static void fail_limit(struct cmd *cmd)
{
	cmd_no(cmd, "LIMIT", "The mailbox holds as many messages or keywords as it can.");
}

/* What parse_message found is good no longer when the message comes. */
static bool keep_args(
	struct appending *a, const struct message_args *args, struct incoming_message *m_r)
{
	*m_r = (struct incoming_message){
		.internal_date = args->date.utc_s,
		.zone = args->date.zone_min,
		.flags = args->list.flags & MSG_SYSTEM_FLAGS,
	};
	if (incoming_keywords(&a->in, args->list.keywords, args->list.nkeywords, &m_r->keywords))
		return true;
	fail_limit(a->cmd);
	return false;
}

static void keep(struct appending *a, struct incoming_message *m)
{
	const struct spill *sp = &a->in.spill;

	m->size = sp->n - m->at;
	if (sp->nul)
		cmd_no(a->cmd, "CANNOT", "A message can hold no NUL.");
	else if (sp->failed)
		cmd_fail(a->cmd, STORE_FAILED);
	else
		*array_add(&a->in.messages) = *m;
}

/* At an announced literal: takes the message in, or sees that it is read over. False when the
 * client is gone. */
static bool take_message(struct appending *a, const struct message_args *args)
{
	struct session *s = a->s;
	uint64_t n = s->reader.literal;
	struct incoming_message m;

	if (!may_come(a, n) || !keep_args(a, args, &m)) {
		imap_reader_refuse(&s->reader, a->cmd->text);
		return true;
	}
	if (s->reader.sync)
		str_puts(&s->out, "+ OK\r\n");
	imap_reader_stream(&s->reader);
	spill_next(&a->in.spill);
	m.at = a->in.spill.n;
	if (!read_literal(s, &a->in.spill, n))
		return false;
	keep(a, &m);
	return true;
}

/* --- the command --- */

static void find_mailbox(struct appending *a)
{
	struct imap_parse *c = &a->cmd->args;
	const char *name;

	if (!imap_parse_mailbox(c, &name)) {
		cmd_bad_args(a->cmd);
		return;
	}
	enum store_status status =
		mailbox_find(a->s->account, a->cmd->pool, name, false, &a->mailbox);
	if (status == STORE_OK && a->mailbox.flags & MAILBOX_NOSELECT)
		status = STORE_NOT_FOUND;
	if (status != STORE_OK)
		cmd_fail_target(a->cmd, status);
}

/* The command's end, or the arguments of its next message: how the reader ended. */
static int read_messages(struct appending *a)
{
	int how = IMAP_READ_LITERAL;

	while (how == IMAP_READ_LITERAL) {
		struct imap_parse *c = &a->cmd->args;
		struct message_args args = {0};
		bool good = !c->err && parse_message(c, &args) && is_at_literal(c);
		if (!good && a->cmd->status == CMD_NONE)
			cmd_bad_args(a->cmd);
		if (!take_message(a, &args))
			return -1;
		pool_reset(a->args);
		how = session_read(a->s);
		imap_parse_init(c, str_span(&a->s->reader.text), a->args);
	}
	return how;
}

static void commit(struct appending *a)
{
	struct session *s = a->s;
	struct cmd *cmd = a->cmd;
	uint32_t first, uidvalidity, n = (uint32_t)a->in.messages.n;

	enum store_status status = incoming_store(&a->in, a->mailbox.id, &first, &uidvalidity);
	if (status == STORE_TOO_MANY) {
		fail_limit(cmd);
		return;
	}
	if (status != STORE_OK) {
		cmd_fail_target(cmd, status);
		return;
	}
	service_count(s->imapd->svc, COUNT_APPENDED, n);
	cmd_ok(cmd, n == 1 ? pool_printf(cmd->pool, "APPENDUID %u %u", uidvalidity, first)
			   : pool_printf(cmd->pool, "APPENDUID %u %u:%u", uidvalidity, first,
				     first + n - 1));
}

static void append(struct appending *a)
{
	struct session *s = a->s;
	struct cmd *cmd = a->cmd;
	int how = read_messages(a);

	if (how == IMAP_READ_LOST)
		session_bye(s, "That is too much.", "literal past IMAP_SKIP_MAX");
	if (cmd->status != CMD_NONE || how < 0)
		return;
	if (how == IMAP_READ_LIMIT)
		cmd_bad(cmd, s->reader.broke);
	else if (!imap_parse_end(&cmd->args))
		cmd_bad_args(cmd);
	else
		commit(a);
}

void cmd_append(struct session *s, struct cmd *cmd)
{
	struct appending *a = pool_new_of(cmd->pool, struct appending);

	a->s = s;
	a->cmd = cmd;
	cmd->tag = pool_copy(cmd->pool, cmd->tag); /* the reader's text is about to be reused */
	find_mailbox(a);
	if (!cmd->at_literal) {
		if (cmd->status == CMD_NONE)
			cmd_bad(cmd, "Expected a message.");
		return;
	}
	a->args = pool_new("append arguments");
	incoming_init(&a->in, s, cmd->pool);
	append(a);
	incoming_fini(&a->in);
	pool_free(&a->args);
}
