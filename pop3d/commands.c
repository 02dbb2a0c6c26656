#include "pop3d/pop3d.h"

#include "base/log.h"
#include "pop3/capability.h"
#include "pop3/dots.h"

/* Octets of a message that are in memory at once. */
#define PIECE_OCTETS (64 * 1024)
/* What may wait in the stream before a long listing pauses for the client. */
#define LISTING_OCTETS (32 * 1024)

struct verb {
	const char *name;
	void (*run)(struct session *s, const uint32_t *v, unsigned given);
	unsigned least, most; /* numbers it takes */
	unsigned zero_from;   /* arguments from this one may be 0 */
};

void pop3_say(struct session *s, const char *line)
{
	stream_puts(s->stream, line);
	stream_puts(s->stream, "\r\n");
}

void pop3_bad(struct session *s, const char *line)
{
	pop3_say(s, line);
	if (++s->bad < POP3_BAD_MAX)
		return;
	pop3_say(s, "-ERR Too many bad commands");
	s->over = true;
}

static bool is_there(struct session *s, uint32_t number)
{
	if (number <= s->count && !(s->marks[number - 1] & MARK_DELETED))
		return true;
	pop3_say(s, "-ERR There is no such message");
	return false;
}

static void run_stat(struct session *s, const uint32_t *v, unsigned given)
{
	(void)v;
	(void)given;
	stream_printf(s->stream, "+OK %u %llu\r\n", s->left, (unsigned long long)s->octets);
}

static void put_size(struct session *s, uint32_t number, struct str *out)
{
	str_put_u64(out, view_row(s->view, number)->size);
}

/* RFC 1939 section 7: never reused, the same in every session. */
static void put_uidl(struct session *s, uint32_t number, struct str *out)
{
	str_put_u64(out, s->uidvalidity);
	str_putc(out, '.');
	str_put_u64(out, view_row(s->view, number)->uid);
}

static void list(struct session *s, const uint32_t *v, unsigned given,
	void (*put)(struct session *s, uint32_t number, struct str *out))
{
	struct str out = STR_IN(s->command_pool);
	if (given && !is_there(s, v[0]))
		return;
	str_puts(&out, given ? "+OK " : "+OK Listing follows\r\n");
	uint32_t first = given ? v[0] : 1, last = given ? v[0] : s->count;
	for (uint32_t n = first; n <= last; n++) {
		if (s->marks[n - 1] & MARK_DELETED)
			continue;
		str_put_u64(&out, n);
		str_putc(&out, ' ');
		put(s, n, &out);
		str_puts(&out, "\r\n");
		if (out.len > LISTING_OCTETS) {
			stream_write_span(s->stream, str_span(&out));
			str_reset(&out);
			if (stream_flush(s->stream) != 0)
				return;
			fiber_breathe();
		}
	}
	if (!given)
		str_puts(&out, ".\r\n");
	stream_write_span(s->stream, str_span(&out));
}

static void run_list(struct session *s, const uint32_t *v, unsigned given)
{
	list(s, v, given, put_size);
}

static void run_uidl(struct session *s, const uint32_t *v, unsigned given)
{
	list(s, v, given, put_uidl);
}

/* Writes the message piece by piece; one that goes out whole is looked at before. TOP, or a medium that fails now, may
 * find it unreadable in the middle, where no error can be said: then only the connection's end is honest. True when all
 * of it went out. */
static bool send_message(struct session *s, const struct msg_row *row, struct pop3_dots *dots)
{
	struct pool *pool = pool_new("message");
	struct str out = STR_INIT;
	bool whole = !dots->limited && row->size > PIECE_OCTETS;
	enum store_status status = whole ? message_verify(s->account, row) : STORE_OK;
	bool more = true, started = false;
	for (uint64_t at = 0; at < row->size && more && status == STORE_OK; at += PIECE_OCTETS) {
		struct span piece;
		status = message_read(s->account, row, at, PIECE_OCTETS, pool, &piece);
		if (status != STORE_OK)
			break;
		if (!started)
			pop3_say(s, "+OK Message follows");
		started = true;
		str_reset(&out);
		more = pop3_dots_put(dots, piece, &out);
		stream_write_span(s->stream, str_span(&out));
		pool_reset(pool);
		if (row->size > PIECE_OCTETS && stream_flush(s->stream) != 0)
			break;
	}
	if (status == STORE_OK) {
		if (!started)
			pop3_say(s, "+OK Message follows");
		str_reset(&out);
		pop3_dots_end(dots, &out);
		stream_write_span(s->stream, str_span(&out));
	}
	str_fini(&out);
	pool_free(&pool);
	if (status == STORE_OK)
		return stream_state(s->stream) == STREAM_OK;
	log_error("message not read uid=%u reason=%s", row->uid, log_q(store_status_text(status)));
	if (started)
		s->over = true;
	else
		pop3_say(s, "-ERR [SYS/PERM] The message can't be read");
	return false;
}

static void run_retr(struct session *s, const uint32_t *v, unsigned given)
{
	struct pop3_dots dots;
	(void)given;
	if (!is_there(s, v[0]))
		return;
	pop3_dots_init(&dots);
	if (send_message(s, view_row(s->view, v[0]), &dots))
		s->marks[v[0] - 1] |= MARK_SEEN;
}

static void run_top(struct session *s, const uint32_t *v, unsigned given)
{
	struct pop3_dots dots;
	(void)given;
	if (!is_there(s, v[0]))
		return;
	pop3_dots_init_top(&dots, v[1]);
	send_message(s, view_row(s->view, v[0]), &dots);
}

static void run_dele(struct session *s, const uint32_t *v, unsigned given)
{
	(void)given;
	if (!is_there(s, v[0]))
		return;
	s->marks[v[0] - 1] |= MARK_DELETED;
	s->left--;
	s->octets -= view_row(s->view, v[0])->size;
	pop3_say(s, "+OK Marked for deletion");
}

static void run_rset(struct session *s, const uint32_t *v, unsigned given)
{
	(void)v;
	(void)given;
	for (uint32_t n = 1; n <= s->count; n++) {
		if (!(s->marks[n - 1] & MARK_DELETED))
			continue;
		s->octets += view_row(s->view, n)->size;
		s->marks[n - 1] &= (unsigned char)~MARK_DELETED;
	}
	s->left = s->count;
	pop3_say(s, "+OK");
}

static void run_noop(struct session *s, const uint32_t *v, unsigned given)
{
	(void)v;
	(void)given;
	pop3_say(s, "+OK");
}

static void run_capa(struct session *s, const uint32_t *v, unsigned given)
{
	struct str out = STR_IN(s->command_pool);
	(void)v;
	(void)given;
	pop3_put_capabilities(&out, NULL, true, false);
	stream_write_span(s->stream, str_span(&out));
}

static void run_quit(struct session *s, const uint32_t *v, unsigned given)
{
	(void)v;
	(void)given;
	s->update = true;
	s->over = true;
	pop3_say(s, maildrop_update(s) == 0 ? "+OK Bye"
					    : "-ERR [SYS/TEMP] Some messages were not removed");
}

static const struct verb verbs[] = {
	/* verb    run       numbers  zero from */
	{"STAT", run_stat, 0, 0, 0},
	{"LIST", run_list, 0, 1, 1},
	{"UIDL", run_uidl, 0, 1, 1},
	{"RETR", run_retr, 1, 1, 1},
	{"TOP", run_top, 2, 2, 1},
	{"DELE", run_dele, 1, 1, 1},
	{"RSET", run_rset, 0, 0, 0},
	{"NOOP", run_noop, 0, 0, 0},
	{"CAPA", run_capa, 0, 0, 0},
	{"QUIT", run_quit, 0, 0, 0},
};

void pop3_run_line(struct session *s, struct span line)
{
	struct pop3_command command;
	uint32_t v[2];
	if (!pop3_parse_command(line, &command)) {
		pop3_bad(s, "-ERR No command");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		const struct verb *verb = &verbs[i];
		if (!span_iis(command.verb, verb->name))
			continue;
		bool none = span_trim(command.rest).n == 0;
		unsigned given = none ? 0 : verb->most;
		if (given < verb->least || (!none && !verb->most)
			|| (given && !pop3_parse_numbers(command.rest, v, given, verb->zero_from)))
			pop3_bad(s, "-ERR Wrong arguments");
		else {
			s->bad = 0;
			verb->run(s, v, given);
		}
		return;
	}
	pop3_bad(s, "-ERR Unknown command");
}
