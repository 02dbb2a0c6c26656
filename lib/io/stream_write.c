#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "io/stream_impl.h"

size_t stream_pending(const struct stream *s)
{
	return stream_is_dead(s) ? 0 : buffer_len(&s->out);
}

int stream_push(struct stream *s)
{
	while (buffer_len(&s->out) && !stream_is_dead(s)) {
		int want;
		ssize_t done =
			stream_try_write(s, s->out.p + s->out.at, buffer_len(&s->out), &want);
		if (done == BLOCKED)
			return want;
		if (done > 0)
			s->out.at += (uint32_t)done;
	}
	return 0;
}

void stream_flush_try(struct stream *s)
{
	if (!s->flushing)
		stream_push(s);
}

bool stream_begin_flush(struct stream *s)
{
	while (s->flushing && !stream_is_dead(s))
		fiber_wait(&s->flushed, IO_FOREVER);
	s->flushing = true;
	return !stream_is_dead(s);
}

void stream_end_flush(struct stream *s)
{
	s->flushing = false;
	fiber_wake_one(&s->flushed);
}

void stream_flush_all(struct stream *s)
{
	for (int want; (want = stream_push(s));)
		if (!stream_wait(s, want))
			return;
}

int stream_flush(struct stream *s)
{
	if (buffer_len(&s->out) && !stream_is_dead(s)) {
		if (stream_begin_flush(s))
			stream_flush_all(s);
		stream_end_flush(s);
	}
	return stream_is_dead(s) ? -1 : 0;
}

/* From the caller's memory, behind what is pending. */
static void write_direct(struct stream *s, const char *p, size_t n)
{
	if (stream_begin_flush(s)) {
		stream_flush_all(s);
		while (n && !stream_is_dead(s)) {
			int want;
			ssize_t done = stream_try_write(s, p, n, &want);
			if (done == BLOCKED) {
				stream_wait(s, want);
			} else if (done > 0) {
				p += done;
				n -= (size_t)done;
			}
			fiber_breathe();
		}
	}
	stream_end_flush(s);
}

static void append(struct stream *s, const char *p, size_t n)
{
	while (n && !stream_is_dead(s)) {
		if (buffer_len(&s->out) == STREAM_BUFFER_MAX) {
			stream_flush(s);
			fiber_breathe();
			continue;
		}
		buffer_room(&s->out, OUT_CAP_FIRST, STREAM_BUFFER_MAX);
		size_t room = num_min(n, s->out.cap - s->out.end);
		memcpy(s->out.p + s->out.end, p, room);
		s->out.end += (uint32_t)room;
		p += room;
		n -= room;
	}
}

void stream_write(struct stream *s, const void *p, size_t n)
{
	if (stream_is_dead(s) || !n)
		return;
	if (n >= DIRECT_MIN && n + buffer_len(&s->out) > STREAM_BUFFER_MAX)
		write_direct(s, p, n);
	else
		append(s, p, n);
}

void stream_puts(struct stream *s, const char *text)
{
	stream_write(s, text, strlen(text));
}

void stream_write_span(struct stream *s, struct span bytes)
{
	stream_write(s, bytes.p, bytes.n);
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	char small[512];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n < 0)
		log_panic("bad format %s", fmt);
	if ((size_t)n < sizeof(small)) {
		stream_write(s, small, (size_t)n);
	} else {
		struct str text = STR_INIT;
		str_vprintf(&text, fmt, again);
		stream_write_span(s, str_span(&text));
		str_fini(&text);
	}
	va_end(again);
	va_end(ap);
}
