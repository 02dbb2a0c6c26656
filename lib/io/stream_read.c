#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "io/stream_impl.h"

static void used(struct stream *s, size_t n)
{
	s->in.at += (uint32_t)n;
	s->scanned = 0;
}

static void end_of_input(struct stream *s)
{
	stream_end(s, STREAM_EOF, "The peer closed the connection.");
}

void stream_input_room(struct stream *s)
{
	size_t first = s->bulk ? STREAM_BUFFER_MAX : IN_CAP_FIRST;
	if (s->in.cap < first && !buffer_len(&s->in))
		buffer_release(&s->in);
	buffer_room(&s->in, s->in.cap ? s->in.cap : first, IN_CAP_MAX);
}

/* One successful read into the buffer, waiting for it; false at the end. */
static bool fill(struct stream *s)
{
	ssize_t got = BLOCKED;
	int want;
	if (s->state != STREAM_OK)
		return false;
	fiber_breathe(); /* a peer that never lets us wait must not keep the others waiting */
	while (got == BLOCKED) {
		stream_input_room(s);
		size_t room = s->in.cap - s->in.end;
		got = stream_try_read(s, s->in.p + s->in.end, room, &want);
		if (got > 0) {
			s->in.end += (uint32_t)got;
			s->bulk = (size_t)got == room || got >= DIRECT_MIN;
		} else if (got == BLOCKED && !stream_wait_input(s, want)) {
			return false;
		}
	}
	if (got == 0)
		end_of_input(s);
	return got > 0;
}

/* The same past the buffer, which is empty: bytes, 0 at the end, -1. */
static ssize_t read_direct(struct stream *s, void *p, size_t n)
{
	ssize_t got = BLOCKED;
	int want;
	if (s->state != STREAM_OK)
		return s->state == STREAM_EOF ? 0 : -1;
	fiber_breathe();
	while (got == BLOCKED) {
		got = stream_try_read(s, p, n, &want);
		if (got == BLOCKED && !stream_wait_input(s, want))
			return -1;
	}
	if (got == 0)
		end_of_input(s);
	return got < 0 ? -1 : got;
}

bool stream_peek(struct stream *s, size_t least, struct span *buf_r)
{
	least = num_min(least, STREAM_BUFFER_MAX);
	while (!stream_is_dead(s) && buffer_len(&s->in) < least)
		if (!fill(s))
			break;
	size_t n = stream_is_dead(s) ? 0 : buffer_len(&s->in);
	*buf_r = span_make(s->in.p ? s->in.p + s->in.at : "", n);
	return !stream_is_dead(s) && n >= least;
}

void stream_unread(struct stream *s, struct span bytes)
{
	struct buffer joined = {0};
	size_t behind = buffer_len(&s->in);
	if (!bytes.n)
		return;
	if (bytes.n + behind > STREAM_BUFFER_MAX)
		log_panic("stream: %zu octets to unread", bytes.n);
	buffer_room(&joined, bytes.n + behind, IN_CAP_MAX);
	memcpy(joined.p, bytes.p, bytes.n);
	if (behind)
		memcpy(joined.p + bytes.n, s->in.p + s->in.at, behind);
	joined.end = (uint32_t)(bytes.n + behind);
	buffer_release(&s->in);
	s->in = joined;
	s->scanned = 0;
}

void stream_consume(struct stream *s, size_t n)
{
	used(s, num_min(n, buffer_len(&s->in)));
}

bool stream_has_input(struct stream *s)
{
	int want;
	if (!buffer_len(&s->in) && s->state == STREAM_OK && s->functions &&
		s->functions->has_input(s->layer)) {
		/* Whole records or the beginning of one: decrypting tells. */
		stream_input_room(s);
		ssize_t got = stream_try_read(s, s->in.p + s->in.end, s->in.cap - s->in.end, &want);
		if (got > 0)
			s->in.end += (uint32_t)got;
		else if (got == 0)
			end_of_input(s);
	}
	return !stream_is_dead(s) && buffer_len(&s->in);
}

/* --- lines --- */

/* Drops up to and with the next LF; true when it was there. */
static bool skip_to_lf(struct stream *s)
{
	size_t n = buffer_len(&s->in);
	const char *p = s->in.p + s->in.at, *lf = n ? memchr(p, '\n', n) : NULL;
	used(s, lf ? (size_t)(lf - p) + 1 : n);
	s->skipping = !lf;
	return lf;
}

/* STREAM_TOO_LONG, 1, or 0 when more is needed. */
static int take_line(struct stream *s, size_t max, struct span *line_r, bool *crlf_r)
{
	if (s->skipping)
		return skip_to_lf(s) ? STREAM_TOO_LONG : 0;
	size_t n = buffer_len(&s->in);
	if (n == s->scanned)
		return 0;
	const char *p = s->in.p + s->in.at, *lf = memchr(p + s->scanned, '\n', n - s->scanned);
	if (!lf) {
		s->scanned = (uint32_t)n;
		if (n > max + 1) /* the one may be a CR */
			skip_to_lf(s);
		return 0;
	}
	size_t len = (size_t)(lf - p);
	bool crlf = len && p[len - 1] == '\r';
	used(s, len + 1);
	len -= crlf;
	if (len > max)
		return STREAM_TOO_LONG;
	*line_r = span_make(p, len);
	if (crlf_r)
		*crlf_r = crlf;
	return 1;
}

int stream_read_line(struct stream *s, size_t max, struct span *line_r, bool *crlf_r)
{
	max = num_min(max, STREAM_BUFFER_MAX);
	while (!stream_is_dead(s)) {
		int rc = take_line(s, max, line_r, crlf_r);
		if (rc != 0)
			return rc;
		if (!fill(s))
			break;
	}
	return stream_is_dead(s) ? -1 : 0;
}

/* --- bytes --- */

static size_t take_bytes(struct stream *s, void *p, size_t n)
{
	size_t have = num_min(n, buffer_len(&s->in));
	if (have)
		memcpy(p, s->in.p + s->in.at, have);
	used(s, have);
	return have;
}

ssize_t stream_read_some(struct stream *s, void *p, size_t n)
{
	if (stream_is_dead(s))
		return -1;
	if (!n)
		return 0;
	if (buffer_len(&s->in))
		return (ssize_t)take_bytes(s, p, n);
	if (n >= DIRECT_MIN)
		return read_direct(s, p, n);
	if (!fill(s))
		return s->state == STREAM_EOF ? 0 : -1;
	return (ssize_t)take_bytes(s, p, n);
}

bool stream_read_exact(struct stream *s, void *p, size_t n)
{
	for (char *to = p; n;) {
		ssize_t got = stream_read_some(s, to, n);
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return !stream_is_dead(s);
}
