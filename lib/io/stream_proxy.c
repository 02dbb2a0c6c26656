/*
 * A byte proxy in one fiber: both directions move until neither can, then wait for both sockets at
 * once. What is under way lies in the reader's input buffer, and idle sides hold none.
 */
#include "base/clock.h"
#include "io/io.h"
#include "io/sched.h"
#include "io/stream_impl.h"

#define MOVES_MAX 16 /* of one direction before the other has its turn */

struct side {
	struct stream *s;
	int want;      /* what this stream is to be waited for */
	bool ended;    /* reading it is over */
	int64_t moved; /* when bytes last went in or out */
};

/* As try_read, into the buffer. */
static ssize_t take(struct side *from)
{
	struct stream *s = from->s;
	int want;
	stream_input_room(s);
	ssize_t got = stream_try_read(s, s->in.p + s->in.end, s->in.cap - s->in.end, &want);
	if (got > 0) {
		s->in.end += (uint32_t)got;
		s->bulk = got >= DIRECT_MIN;
		from->moved = clock_mono_ms();
	} else if (got == BLOCKED) {
		from->want |= want;
	} else {
		from->ended = true;
	}
	return got;
}

static ssize_t give(struct side *from, struct side *to)
{
	struct buffer *in = &from->s->in;
	int want;
	ssize_t done = stream_try_write(to->s, in->p + in->at, buffer_len(in), &want);
	if (done > 0) {
		in->at += (uint32_t)done;
		to->moved = clock_mono_ms();
	} else if (done == BLOCKED) {
		to->want |= want;
	}
	return done;
}

/* One step of a direction; false when it has to wait or is over. */
static bool step(struct side *from, struct side *to)
{
	int want = stream_push(to->s);
	if (want)
		to->want |= want;
	if (want || stream_is_dead(to->s) || stream_is_dead(from->s))
		return false;
	if (buffer_len(&from->s->in))
		return give(from, to) > 0;
	if (!from->ended)
		return take(from) > 0 || from->ended;
	stream_shut_output(to->s);
	return false;
}

static bool move(struct side *from, struct side *to)
{
	for (unsigned moves = 0; moves < MOVES_MAX; moves++)
		if (!step(from, to))
			return false;
	return true;
}

static void let_go(struct stream *s)
{
	if (!buffer_len(&s->in))
		buffer_release(&s->in);
	if (!buffer_len(&s->out))
		buffer_release(&s->out);
}

static int64_t side_deadline(const struct side *side)
{
	const struct stream *s = side->s;
	int64_t idle = s->timeout > 0 ? side->moved + s->timeout : IO_FOREVER;
	return idle < s->deadline ? idle : s->deadline;
}

static void check_time(struct side *side)
{
	if (side->want && clock_mono_ms() >= side_deadline(side))
		stream_end(side->s, STREAM_TIMEOUT, "The peer was idle for too long.");
}

static void wait_for(struct side *a, struct side *b)
{
	struct io_want wants[2];
	struct side *sides[2] = {a, b};
	int64_t deadline = IO_FOREVER;
	size_t n = 0;
	for (size_t i = 0; i < 2; i++) {
		if (!sides[i]->want)
			continue;
		wants[n++] = (struct io_want){.fd = sides[i]->s->fd, .events = sides[i]->want};
		if (side_deadline(sides[i]) < deadline)
			deadline = side_deadline(sides[i]);
		let_go(sides[i]->s);
	}
	int rc = fd_wait(wants, n, deadline);
	for (size_t i = 0; i < 2; i++) {
		if (rc > 0 && sides[i]->want & LOOP_READ)
			sides[i]->s->drained = false;
		if (rc == -1)
			stream_fail_errno(sides[i]->s, "Waiting failed");
		else if (rc == IO_TIMEOUT)
			check_time(sides[i]);
	}
}

void stream_proxy(struct stream *a, struct stream *b)
{
	int64_t now = clock_mono_ms();
	struct side sa = {.s = a, .moved = now}, sb = {.s = b, .moved = now};
	for (;;) {
		/* Nothing switches between a move that found nothing and the wait, so that no news
		 * are lost. */
		fiber_breathe();
		sa.want = sb.want = 0;
		bool more = move(&sa, &sb);
		more |= move(&sb, &sa);
		if (stream_is_dead(a) || stream_is_dead(b) || (!more && !sa.want && !sb.want))
			break;
		if (!more)
			wait_for(&sa, &sb);
	}
	if (sa.ended)
		stream_end(a, STREAM_EOF, "The peer closed the connection.");
	if (sb.ended)
		stream_end(b, STREAM_EOF, "The peer closed the connection.");
}
