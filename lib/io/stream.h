/*
 * Buffered, bidirectional byte streams over a socket or pipe, plain or TLS. Errors are sticky:
 * write freely, check at flush; after an error reads say end and writes go nowhere. Every wait has
 * the stream's deadline. Reading flushes pending output first only when it would have to wait (so
 * that pipelined commands get batched replies).
 *
 * Buffers are allocated on use and given back when they are empty and the stream waits, so that an
 * idle connection costs no buffer memory.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct stream;

#define STREAM_BUFFER_MAX (64 * 1024) /* peek never holds more */

struct stream *stream_new(int fd);    /* owns fd, makes it non-blocking */
void stream_close(struct stream **s); /* no flush; TLS close_notify is sent if it fits */
int stream_fd(const struct stream *s);

/* Idle limit for each wait from now on; 0 or less: none. And an absolute one (clock_mono_ms) on
 * top. */
void stream_set_timeout(struct stream *s, int64_t ms);
void stream_set_deadline(struct stream *s, int64_t deadline);

/* Why it ended: STREAM_OK while it lives. EOF is set when the peer closed in order. */
enum stream_state { STREAM_OK, STREAM_EOF, STREAM_TIMEOUT, STREAM_ERROR };
enum stream_state stream_state(const struct stream *s);
const char *stream_error(const struct stream *s);    /* a sentence; "" while it lives */
void stream_fail(struct stream *s, const char *why); /* e.g. from a limit */

/* --- reading --- */

/* What is buffered, waiting for at least `least` bytes (1 normally; at most STREAM_BUFFER_MAX).
 * false at the end or error with fewer. The span stays valid until the next read call. */
bool stream_peek(struct stream *s, size_t least, struct span *buf_r);
void stream_consume(struct stream *s, size_t n);
/* Puts bytes in front of what is read next: what another program had read of this connection. At
 * most STREAM_BUFFER_MAX with what is buffered. */
void stream_unread(struct stream *s, struct span bytes);
/* True when bytes are there without waiting on the network. */
bool stream_has_input(struct stream *s);

/* A line up to LF, without its line end; *crlf_r tells whether it ended in CRLF (NULL: not asked).
 * 1 found, 0 end of stream, -1 error or timeout, STREAM_TOO_LONG: longer than max; then the line up
 * to its LF is skipped, and the stream lives. max counts up to STREAM_BUFFER_MAX. At the end of the
 * stream bytes without a line end are no line; stream_peek still shows them. The span is valid
 * until the next read call. */
#define STREAM_TOO_LONG (-3)
int stream_read_line(struct stream *s, size_t max, struct span *line_r, bool *crlf_r);
/* Exactly n bytes into p. */
bool stream_read_exact(struct stream *s, void *p, size_t n);
ssize_t stream_read_some(struct stream *s, void *p, size_t n); /* 0 end, -1 error */

/* --- writing --- */

/* Several fibers may write; each call's bytes stay together as long as they fit the buffer or are
 * 64 KiB and more. */
void stream_write(struct stream *s, const void *p, size_t n);
void stream_puts(struct stream *s, const char *text);
void stream_write_span(struct stream *s, struct span bytes);
void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* From a file, by sendfile where it is plain. */
void stream_send_file(struct stream *s, int fd, uint64_t at, uint64_t n);
/* Large writes flush by themselves. 0, or -1 when the stream has failed. */
int stream_flush(struct stream *s);
size_t stream_pending(const struct stream *s);
/* Sends what is pending without waiting: what does not fit stays. */
void stream_flush_try(struct stream *s);

/* tls/tls.h starts it. */
bool stream_is_tls(const struct stream *s);
/* RFC 5929 / 9266 channel binding for SCRAM-PLUS: bytes into out, false if none. */
bool stream_channel_binding(const struct stream *s, const char *type, struct str *out);

/* Copies both ways until both sides have ended or one fails; used by the login proxy. limit: bytes
 * buffered in each direction. Returns when done; the idle limit is each stream's own. */
void stream_proxy(struct stream *a, struct stream *b);

#endif
