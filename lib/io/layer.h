/*
 * For who puts something between a stream's buffers and its socket (lib/tls does): the stream knows it as
 * a table of functions, so that programs are linked only to what they have use for. Who just uses streams
 * has no business here.
 */
#ifndef IO_LAYER_H
#define IO_LAYER_H

#include "io/loop.h"
#include "io/stream.h"

/* Bytes moved without waiting; 0 is the end (read); BLOCKED: *want_r tells what to wait for, LOOP_READ or
 * LOOP_WRITE; FAILED: the stream says why. */
enum { BLOCKED = -1, FAILED = -2 };

struct stream_layer {
	ssize_t (*read)(void *layer, void *p, size_t n, int *want_r);
	ssize_t (*write)(void *layer, const void *p, size_t n, int *want_r);
	bool (*has_input)(const void *layer); /* bytes have come that read would look at */
	void (*shut)(void *layer);	      /* tells the peer that no more comes, as far as it fits; once and again */
	void (*free)(void *layer);
	bool (*binding)(const void *layer, const char *type, struct str *out); /* stream_channel_binding */
};

/* From now on all bytes go through it; layer is what the functions get. A stream has one at most. */
void stream_set_layer(struct stream *s, const struct stream_layer *functions, void *layer);
/* What these functions get on this stream; NULL when it hasn't this layer. */
void *stream_layer(const struct stream *s, const struct stream_layer *functions);

/* As read(2) and write(2) of the socket, without waiting. */
ssize_t stream_raw_read(struct stream *s, void *p, size_t n);
ssize_t stream_raw_write(struct stream *s, const void *p, size_t n);
/* Until the socket is ready, or the stream's deadline. false: the stream failed. */
bool stream_wait(struct stream *s, int events);

/* "What: reason of errno." */
void stream_fail_errno(struct stream *s, const char *what);
/* A better reason than the one that it failed for. */
void stream_explain(struct stream *s, const char *why);

#endif
