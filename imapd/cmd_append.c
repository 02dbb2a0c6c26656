/*
 * APPEND (RFC 3501 6.3.11) and MULTIAPPEND (RFC 3502), with APPENDUID (RFC 4315). The messages are
 * read from the client as they come, each into the store's pack; the mailbox changes once, at the
 * end, for all of them.
 *
 * Whatever goes wrong on the way is said when the whole command has been read, apart from a client
 * that waits for leave to send a message: it is told at once.
 */
#include "imapd/command.h"

#include "imapd/spill.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/summary.h"

#define APPEND_MESSAGES_MAX  5000               /* in one command: LIMIT */
#define APPEND_SUMMARIES_MAX (64 * 1024 * 1024) /* octets of all their summaries: LIMIT */
#define APPEND_LOCK_MS       30000
/* From this size on a message is summarised on a helper thread. */
#define SUMMARIZE_APART_MIN (256 * 1024)

struct appending {
	struct session *s;
	struct cmd *cmd;
	struct mailbox_info mailbox;
	ARRAY(struct append) messages;
	uint64_t size; /* of all so far */
};

/* --- arguments --- */

/* [SP flags] [SP date] SP, up to the literal. */
static bool parse_message(struct imap_parse *c, struct append *m)
{
	struct imap_flag_list list = {0};
	int zone;

	if (!imap_parse_space(c))
		return false;
	if (imap_parse_at(c, '(') && (!imap_parse_flag_list(c, &list) || !imap_parse_space(c)))
		return false;
	m->flags = list.flags & MSG_SYSTEM_FLAGS;
	m->keywords = list.keywords;
	m->nkeywords = list.nkeywords;
	if (!imap_parse_at(c, '"')) {
		struct date now = date_now();
		m->internal_date = now.utc_s;
		m->zone = now.zone_min;
		return true;
	}
	if (!imap_parse_date_time(c, &m->internal_date, &zone))
		return false;
	m->zone = zone;
	return imap_parse_space(c);
}

/* What is left is "{...}" without its octets: the reader has found it to be a literal. */
static bool is_at_literal(const struct imap_parse *c)
{
	return imap_parse_at(c, '{') && !memchr(c->p, '\n', (size_t)(c->end - c->p));
}

bool append_is_at_message(struct session *s, struct cmd *cmd)
{
	struct append m = {0};
	const char *name;

	(void)s;
	return imap_parse_mailbox(&cmd->args, &name) && parse_message(&cmd->args, &m) &&
	       is_at_literal(&cmd->args);
}

/* --- one message --- */

struct summarize {
	struct span message;
	struct str *out;
};

static int summarize_apart(void *arg)
{
	struct summarize *job = arg;

	mail_summarize(job->message, job->out);
	return 0;
}

static void summarize(struct span message, struct str *out)
{
	struct summarize job = {message, out};

	if (message.n < SUMMARIZE_APART_MIN)
		mail_summarize(message, out);
	else
		io_call(summarize_apart, &job);
}

/* The literal's octets, all of them or up to the end of the client; what the spill does not want
 * is read over. */
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

static enum store_status put_blob(struct appending *a, struct append *m, struct span message)
{
	const char *readers[] = {a->s->account_id};
	struct str summary = STR_INIT;
	struct summary parsed;

	summarize(message, &summary);
	m->summary = pool_copy(a->cmd->pool, str_span(&summary));
	str_fini(&summary);
	m->header_size = (uint32_t)header_length(message);
	m->sent_date = (uint64_t)m->internal_date;
	if (summary_parse(m->summary, &parsed) == 0 && parsed.sent_s != SUMMARY_NO_DATE)
		m->sent_date = (uint64_t)parsed.sent_s;
	m->trace = NULL;
	return blob_put(a->s->imapd->store, message, readers, 1, &m->blob);
}

static void keep(struct appending *a, struct append *m, struct spill *sp)
{
	struct span message;
	enum store_status status = STORE_FAILED;

	if (sp->nul) {
		cmd_no(a->cmd, "CANNOT", "A message can hold no NUL.");
		return;
	}
	if (spill_finish(sp, &message))
		status = put_blob(a, m, message);
	if (status != STORE_OK)
		cmd_fail(a->cmd, status);
	else {
		a->size += m->blob.size;
		*array_add(&a->messages) = *m;
	}
}

/* --- the command --- */

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
	else if (a->messages.n == APPEND_MESSAGES_MAX ||
		 pool_used(cmd->pool) > APPEND_SUMMARIES_MAX)
		cmd_no(cmd, "LIMIT", "Too many messages at once.");
	else if (!account_has_room(a->s->account, a->size + n, a->messages.n + 1, NULL))
		cmd_fail(cmd, STORE_OVER_QUOTA);
	return cmd->status == CMD_NONE;
}

/* At an announced literal: takes the message in, or sees that it is read over. False when the
 * client is gone. */
static bool take_message(struct appending *a, struct append *m)
{
	struct session *s = a->s;
	uint64_t n = s->reader.literal;
	struct spill sp;

	if (!may_come(a, n)) {
		imap_reader_refuse(&s->reader, a->cmd->text);
		return true;
	}
	if (s->reader.sync)
		str_puts(&s->out, "+ OK\r\n");
	imap_reader_stream(&s->reader);
	spill_init(&sp, s->imapd->svc->common->store_dir);
	bool there = read_literal(s, &sp, n);
	if (there)
		keep(a, m, &sp);
	spill_fini(&sp);
	return there;
}

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
		struct append m = {0};
		struct imap_parse *c = &a->cmd->args;
		bool good = !c->err && parse_message(c, &m) && is_at_literal(c);
		if (!good && a->cmd->status == CMD_NONE)
			cmd_bad_args(a->cmd);
		if (!take_message(a, &m))
			return -1;
		how = session_read(a->s);
		imap_parse_init(
			c, pool_copy(a->cmd->pool, str_span(&a->s->reader.text)), a->cmd->pool);
	}
	return how;
}

static void commit(struct appending *a)
{
	struct session *s = a->s;
	struct cmd *cmd = a->cmd;
	uint32_t first, uidvalidity;

	enum store_status status = mailbox_append(s->account, a->mailbox.id, a->messages.v,
		a->messages.n, io_deadline(APPEND_LOCK_MS), &first, &uidvalidity);
	if (status == STORE_TOO_MANY) {
		cmd_no(cmd, "LIMIT", "The mailbox holds as many messages or keywords as it can.");
		return;
	}
	if (status != STORE_OK) {
		cmd_fail_target(cmd, status);
		return;
	}
	service_count(s->imapd->svc, COUNT_APPENDED, a->messages.n);
	uint32_t last = first + (uint32_t)a->messages.n - 1;
	cmd_ok(cmd, last == first
			? pool_printf(cmd->pool, "APPENDUID %u %u", uidvalidity, first)
			: pool_printf(cmd->pool, "APPENDUID %u %u:%u", uidvalidity, first, last));
}

void cmd_append(struct session *s, struct cmd *cmd)
{
	struct appending *a = pool_new_of(cmd->pool, struct appending);

	a->s = s;
	a->cmd = cmd;
	a->messages.pool = cmd->pool;
	/* The reader's text is about to be reused. */
	cmd->tag = pool_copy(cmd->pool, cmd->tag);
	size_t left = (size_t)(cmd->args.end - cmd->args.p);
	cmd->args.p = pool_copy(cmd->pool, span_make(cmd->args.p, left)).p;
	cmd->args.end = cmd->args.p + left;
	find_mailbox(a);
	if (!cmd->at_literal) {
		if (cmd->status == CMD_NONE)
			cmd_bad(cmd, "Expected a message.");
		return;
	}
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
