/* IDLE (RFC 2177). */
#include "imapd/command.h"

#include "base/clock.h"
#include "imapd/update.h"
#include "imapd/watch.h"

/* Some networks forget connections on which nothing moves; clients end an IDLE after 29 minutes
 * at most. */
#define STILL_HERE_MS 120000

/* Nothing is kept while it waits: buffers, pools. */
static void rest(struct session *s)
{
	session_push(s);
	stream_flush(s->stream);
	str_fini(&s->out);
	pool_reset(s->cmd_pool);
}

/* True when the client has spoken, or its time is over. */
static bool wait_once(struct session *s, int64_t deadline)
{
	int64_t still_here = io_deadline(STILL_HERE_MS);

	rest(s);
	if (session_is_dead(s) || session_has_input(s))
		return true;
	s->waiting = true;
	enum watch_event event = watch_wait(s, still_here < deadline ? still_here : deadline);
	s->waiting = false;
	if (event == WATCH_INPUT || s->over)
		return true;
	if (event == WATCH_CHANGE) {
		if (s->view)
			update_tell(s, &(struct update){.expunge = true});
		return s->over;
	}
	if (still_here >= deadline)
		return true;
	str_puts(&s->out, "* OK Still here.\r\n");
	return false;
}

/* The line that ends it. */
static void read_done(struct session *s, struct cmd *cmd)
{
	int rc = session_read(s);

	if (rc == IMAP_READ_DONE && span_iis(str_span(&s->reader.text), "DONE"))
		cmd_ok(cmd, NULL);
	else
		cmd_bad(cmd, "Expected DONE.");
	if (rc == IMAP_READ_LITERAL)
		imap_reader_refuse(&s->reader, "Expected DONE.");
	if (rc == IMAP_READ_LITERAL && session_read(s) == IMAP_READ_LOST)
		session_bye(s, "That is too much.", "literal past IMAP_SKIP_MAX");
}

void cmd_idle(struct session *s, struct cmd *cmd)
{
	int64_t deadline = io_deadline(s->imapd->conf->idle_timeout);

	if (cmd->tag.n > sizeof(cmd->tag_copy)) {
		cmd_bad(cmd, "The tag is too long.");
		return;
	}
	/* The command's text and pool go while it waits. */
	memcpy(cmd->tag_copy, cmd->tag.p, cmd->tag.n);
	cmd->tag.p = cmd->tag_copy;
	imap_reader_reset(&s->reader);
	watch_join(s);
	str_puts(&s->out, "+ idling\r\n");
	if (s->view)
		update_tell(s, &(struct update){.expunge = true});
	while (!wait_once(s, deadline))
		;
	watch_leave(s);
	if (s->over)
		return;
	if (clock_mono_ms() >= deadline && !session_has_input(s)) {
		session_bye(s, "Autologout; idle for too long.", "timeout");
		return;
	}
	read_done(s, cmd);
}
