/* Life, errors and the transport of a stream: one socket or pipe, plain or under TLS. */
#include "io/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "io/io.h"
#include "io/sched.h"
#include "io/stream_impl.h"

#define CONFLICT_MS 10 /* between looks when another fiber waits for the same thing */

struct stream *stream_new(int fd)
{
	struct stream *s = mem_new(struct stream);
	loop_get(); /* ignores SIGPIPE, for pipes and sendfile */
	s->fd = fd;
	s->deadline = IO_FOREVER;
	fd_forget(fd);
	if (os_set_nonblock(fd, true) < 0)
		stream_fail_errno(s, "The descriptor can't be used");
	return s;
}

void stream_close(struct stream **stream)
{
	struct stream *s = *stream;
	if (!s)
		return;
	if (s->functions) {
		s->functions->shut(s->layer);
		s->functions->free(s->layer);
	}
	buffer_release(&s->in);
	buffer_release(&s->out);
	mem_free(&s->error);
	io_close(&s->fd);
	mem_free(stream);
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

void stream_set_timeout(struct stream *s, int64_t ms)
{
	s->timeout = ms;
}

void stream_set_deadline(struct stream *s, int64_t deadline)
{
	s->deadline = deadline;
}

/* --- state --- */

void stream_explain(struct stream *s, const char *why)
{
	mem_free(&s->error);
	s->error = mem_strdup(why);
}

void stream_end(struct stream *s, enum stream_state state, const char *why)
{
	if (stream_is_dead(s))
		return; /* the first cause counts */
	s->state = state;
	stream_explain(s, why);
}

void stream_fail(struct stream *s, const char *why)
{
	stream_end(s, STREAM_ERROR, why);
}

void stream_fail_errno(struct stream *s, const char *what)
{
	struct str text = STR_INIT;
	str_printf(&text, "%s: %s.", what, strerror(errno));
	stream_fail(s, text.s);
	str_fini(&text);
}

enum stream_state stream_state(const struct stream *s)
{
	return s->state;
}

const char *stream_error(const struct stream *s)
{
	return s->error ? s->error : "";
}

/* --- buffers --- */

void buffer_release(struct buffer *b)
{
	mem_free(&b->p);
	b->at = b->end = b->cap = 0;
}

void buffer_room(struct buffer *b, size_t first, size_t cap_max)
{
	if (b->at == b->end)
		b->at = b->end = 0;
	if (b->cap < first) {
		b->p = mem_realloc(b->p, first);
		b->cap = (uint32_t)first;
	}
	if (b->end < b->cap)
		return;
	if (b->at && (b->at >= b->cap / 2 || b->cap >= cap_max)) {
		memmove(b->p, b->p + b->at, buffer_len(b));
		b->end -= b->at;
		b->at = 0;
		return;
	}
	size_t cap = num_min((size_t)b->cap * 2, cap_max);
	if (cap <= b->end)
		log_panic("a stream's buffer grows past %zu bytes", cap_max);
	b->p = mem_realloc(b->p, cap);
	b->cap = (uint32_t)cap;
}

/* --- transport --- */

void stream_set_layer(struct stream *s, const struct stream_layer *functions, void *layer)
{
	if (s->functions)
		log_panic("a stream gets a second layer");
	s->functions = functions;
	s->layer = layer;
}

void *stream_layer(const struct stream *s, const struct stream_layer *functions)
{
	return s->functions == functions ? s->layer : NULL;
}

bool stream_is_tls(const struct stream *s)
{
	return s->functions;
}

bool stream_channel_binding(const struct stream *s, const char *type, struct str *out)
{
	return s->functions && s->functions->binding(s->layer, type, out);
}

ssize_t stream_raw_read(struct stream *s, void *p, size_t n)
{
	/* A socket that gave less than was asked for is empty until the kernel tells news, so that
	 * one read is enough for each packet. Pipes and terminals promise no such thing. */
	if (s->drained && !fd_hint(s->fd)) {
		errno = EAGAIN;
		return -1;
	}
	fd_clear(s->fd);
	ssize_t got;
	do
		got = s->no_socket ? read(s->fd, p, n) : recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ENOTSOCK) {
		s->no_socket = true;
		return stream_raw_read(s, p, n);
	}
	s->drained = !s->no_socket && got != 0 && (got < 0 || (size_t)got < n);
	return got;
}

ssize_t stream_raw_write(struct stream *s, const void *p, size_t n)
{
	ssize_t done;
	do
		done = s->no_socket ? write(s->fd, p, n) : send(s->fd, p, n, MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done < 0 && errno == ENOTSOCK) {
		s->no_socket = true;
		return stream_raw_write(s, p, n);
	}
	return done;
}

static ssize_t blocked_or_failed(struct stream *s, int want, const char *what, int *want_r)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK) {
		*want_r = want;
		return BLOCKED;
	}
	stream_fail_errno(s, what);
	return FAILED;
}

ssize_t stream_try_read(struct stream *s, void *p, size_t n, int *want_r)
{
	if (s->functions)
		return s->functions->read(s->layer, p, n, want_r);
	ssize_t got = stream_raw_read(s, p, n);
	return got >= 0 ? got : blocked_or_failed(s, LOOP_READ, "Reading failed", want_r);
}

ssize_t stream_try_write(struct stream *s, const void *p, size_t n, int *want_r)
{
	if (s->functions)
		return s->functions->write(s->layer, p, n, want_r);
	ssize_t done = stream_raw_write(s, p, n);
	return done >= 0 ? done : blocked_or_failed(s, LOOP_WRITE, "Writing failed", want_r);
}

void stream_shut_output(struct stream *s)
{
	if (s->out_shut)
		return;
	s->out_shut = true;
	if (s->functions)
		s->functions->shut(s->layer);
	if (!s->no_socket)
		shutdown(s->fd, SHUT_WR);
}

/* --- waiting --- */

int64_t stream_wait_deadline(const struct stream *s)
{
	if (s->timeout <= 0)
		return s->deadline;
	int64_t idle = io_deadline(s->timeout);
	return idle < s->deadline ? idle : s->deadline;
}

bool stream_wait(struct stream *s, int events)
{
	struct io_want want = {.fd = s->fd, .events = events};
	int64_t deadline = stream_wait_deadline(s);
	int rc;
	if (fd_is_waited_for(s->fd, events)) {
		/* Under TLS reading may have to write and the other way round, while another fiber
		 * waits for just that. */
		rc = clock_mono_ms() < deadline ? 1 : IO_TIMEOUT;
		io_sleep(CONFLICT_MS);
	} else {
		rc = fd_wait(&want, 1, deadline);
	}
	if (rc == IO_TIMEOUT)
		stream_end(s, STREAM_TIMEOUT, "The peer did not answer in time.");
	else if (rc < 0)
		stream_fail_errno(s, "Waiting failed");
	if (events & LOOP_READ)
		s->drained = false;
	return rc > 0 && !stream_is_dead(s);
}

bool stream_wait_input(struct stream *s, int want)
{
	if (buffer_len(&s->out) && !s->flushing)
		return stream_flush(s) ==
		       0; /* news may have come meanwhile: the caller tries again */
	if (!buffer_len(&s->in))
		buffer_release(&s->in);
	if (!buffer_len(&s->out))
		buffer_release(&s->out);
	return stream_wait(s, want);
}
