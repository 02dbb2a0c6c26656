/* Inside lib/io only: what the files of the stream share. */
#ifndef IO_STREAM_IMPL_H
#define IO_STREAM_IMPL_H

#include "io/fiber.h"
#include "io/layer.h"

/* A line of STREAM_BUFFER_MAX and its line end. */
#define IN_CAP_MAX    (STREAM_BUFFER_MAX + 64)
#define IN_CAP_FIRST  4096
#define OUT_CAP_FIRST 1024
/* From here on bytes go between the socket and the caller's memory without the buffer. */
#define DIRECT_MIN (16 * 1024)

/* A run of bytes p[at..end) that is read at `at` and written at `end`. */
struct buffer {
	char *p;
	uint32_t at, end, cap;
};

static inline size_t buffer_len(const struct buffer *b)
{
	return b->end - b->at;
}

struct stream {
	int fd;
	uint8_t state; /* enum stream_state */
	bool drained;  /* a read found less than it asked for: only news in fd_hint makes another
			  worth it */
	bool no_socket;
	bool bulk;	  /* the last read filled the buffer: a large one pays */
	bool skipping;	  /* inside a line that was too long */
	bool flushing;	  /* some fiber is in stream_flush */
	bool out_shut;	  /* our end of the conversation has been closed */
	uint32_t scanned; /* bytes after in.at known to hold no LF */
	struct buffer in, out;
	int64_t timeout, deadline;
	char *error;
	const struct stream_layer *functions; /* NULL: plain */
	void *layer;
	struct fiber_cond flushed;
};

/* Room for at least one more byte, at most cap_max in all. */
void buffer_room(struct buffer *b, size_t first, size_t cap_max);
void buffer_release(struct buffer *b);

static inline bool stream_is_dead(const struct stream *s)
{
	return s->state == STREAM_ERROR || s->state == STREAM_TIMEOUT;
}
void stream_end(struct stream *s, enum stream_state state, const char *why);

/* As a layer's. */
ssize_t stream_try_read(struct stream *s, void *p, size_t n, int *want_r);
ssize_t stream_try_write(struct stream *s, const void *p, size_t n, int *want_r);
int64_t stream_wait_deadline(const struct stream *s);
/* Moves pending output as far as it goes: what to wait for, or 0 when all went or the stream
 * failed. */
int stream_push(struct stream *s);
/* One fiber sends at a time, from begin (false when the stream has failed) to end. */
bool stream_begin_flush(struct stream *s);
void stream_flush_all(struct stream *s);
void stream_end_flush(struct stream *s);
/* Room in s->in for one more read. */
void stream_input_room(struct stream *s);
/* After a read was BLOCKED: sends what is pending, or waits with no buffer held. */
bool stream_wait_input(struct stream *s, int want);
/* No more output: the peer reads the end. After a flush. */
void stream_shut_output(struct stream *s);

#endif
