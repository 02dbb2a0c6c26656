/*
 * Frames over a Unix stream socket, both ways. Sent frames collect in a buffer that is written once per
 * turn of the loop (or by the receiver before it waits), so that many replies share one write.
 *
 * Descriptors travel with the first byte of their frame; the low bits of the header's flags tell how many.
 * The kernel never moves a byte past descriptors that were sent before it, so they are always there
 * when the frame's header is.
 */
#include "ipc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/list.h"
#include "base/log.h"
#include "base/num.h"
#include "base/wire.h"
#include "io/loop.h"
#include "os/os.h"

#define HEADER_OCTETS   12 /* length, type, flags, id */
#define LENGTH_OCTETS   4
#define FLAGS_FDS       7
#define READ_OCTETS     4096  /* first read of an idle connection */
#define READ_MORE       65536 /* the rest of a frame */
#define FDS_PENDING_MAX (2 * IPC_FDS_MAX) /* a frame under way and the one behind it */
#define KEEP_OCTETS     8192 /* of buffers, while idle */

/* Descriptors that leave with the byte at this offset of everything ever queued. */
struct fd_mark {
	uint64_t at;
	int fds[IPC_FDS_MAX];
	size_t nfds;
};

struct ipc {
	struct list link; /* in `open_ones` */
	unsigned refs;
	int fd;
	bool dead;
	bool out_closed; /* the peer takes no more, but what it still says is read */
	struct str in;
	size_t in_at; /* parsed up to here */
	int fds[FDS_PENDING_MAX];
	size_t nfds;
	struct str out;
	size_t out_at; /* written up to here */
	uint64_t queued, sent;
	ARRAY(struct fd_mark) marks;
	bool batching;  /* see ipc_batch */
	bool receiving; /* the receiver works through a batch and flushes after it */
	bool flushing;  /* some fiber writes */
	struct fiber_cond flushed;
	void (*refused)(void *arg, struct ipc *ipc);
	void *refused_arg;
};

/* All connections of this thread, for ipc_flush_all: who ends a process knows none of them, and fibers never leave
 * their thread. */
static _Thread_local struct list open_ones;

static const struct ipc_field error_fields[] = {
	{.type = IPC_STR, .name = "sentence", .offset = offsetof(struct ipc_error, sentence)},
	{.type = IPC_END},
};
const struct ipc_msg ipc_error_msg = {
	.type = IPC_TYPE_ERROR,
	.name = "error",
	.size = sizeof(struct ipc_error),
	.fields = error_fields,
};

static void close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

struct ipc *ipc_new(int fd)
{
	struct ipc *ipc = mem_new(struct ipc);

	ipc->fd = fd;
	ipc->refs = 1;
	if (!open_ones.next)
		list_init(&open_ones);
	list_add_tail(&open_ones, &ipc->link);
	os_set_nonblock(fd, true);
	return ipc;
}

void ipc_hold(struct ipc *ipc)
{
	ipc->refs++;
}

void ipc_release(struct ipc *ipc)
{
	if (--ipc->refs)
		return;
	list_remove(&ipc->link);
	close_fds(ipc->fds, ipc->nfds);
	for (size_t i = 0; i < ipc->marks.n; i++)
		close_fds(ipc->marks.v[i].fds, ipc->marks.v[i].nfds);
	array_fini(&ipc->marks);
	io_close(&ipc->fd);
	str_fini(&ipc->in);
	str_fini(&ipc->out);
	mem_free(&ipc);
}

void ipc_kill(struct ipc *ipc)
{
	if (ipc->dead)
		return;
	ipc->dead = true;
	shutdown(ipc->fd, SHUT_RDWR); /* wakes the fibers that wait on it */
	fiber_wake_all(&ipc->flushed);
}

static int write_some(struct ipc *ipc);
static void flush_soon(struct ipc *ipc);

void ipc_close(struct ipc **ipc)
{
	if (!*ipc)
		return;
	ipc_push(*ipc);
	ipc_kill(*ipc);
	ipc_release(*ipc);
	*ipc = NULL;
}

bool ipc_is_open(const struct ipc *ipc)
{
	return ipc && !ipc->dead && !ipc->out_closed;
}

int ipc_peer_uid(const struct ipc *ipc)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;

	return os_peer(ipc->fd, &uid, &gid, &pid) < 0 ? -1 : (int)uid;
}

void ipc_on_refused(struct ipc *ipc, void (*fn)(void *arg, struct ipc *ipc), void *arg)
{
	ipc->refused = fn;
	ipc->refused_arg = arg;
}

void ipc_stop_input(struct ipc *ipc)
{
	shutdown(ipc->fd, SHUT_RD);
}

void ipc_batch(struct ipc *ipc, bool on)
{
	ipc->batching = on;
	if (!on) {
		ipc->receiving = false;
		if (ipc->sent < ipc->queued)
			flush_soon(ipc);
	}
}

uint64_t ipc_queued(const struct ipc *ipc)
{
	return ipc->queued;
}

uint64_t ipc_sent(const struct ipc *ipc)
{
	return ipc->sent;
}

bool ipc_has_input(const struct ipc *ipc)
{
	char octet;

	return ipc->in.len > ipc->in_at || recv(ipc->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

bool ipc_is_idle(const struct ipc *ipc)
{
	return ipc->in.len == ipc->in_at && !ipc->nfds && ipc->sent == ipc->queued;
}

/* --- sending --- */

static ssize_t write_run(struct ipc *ipc, size_t end, const struct fd_mark *mark)
{
	const char *p = ipc->out.s + ipc->out_at;

	if (mark)
		return os_send_fds(ipc->fd, p, end - ipc->out_at, mark->fds, mark->nfds);
	return send(ipc->fd, p, end - ipc->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drop_first_mark(struct ipc *ipc)
{
	close_fds(ipc->marks.v[0].fds, ipc->marks.v[0].nfds);
	array_remove(&ipc->marks, 0);
}

/* One write of what may go together: 1 wrote, 0 nothing left or no room now, -1 dead. */
static int write_some(struct ipc *ipc)
{
	struct fd_mark *mark = NULL;
	size_t end = ipc->out.len, next = 0;
	ssize_t n;

	if (!ipc_is_open(ipc))
		return -1;
	if (ipc->sent == ipc->queued)
		return 0;
	if (ipc->marks.n && ipc->marks.v[0].at == ipc->sent) {
		mark = &ipc->marks.v[0];
		next = 1;
	}
	if (ipc->marks.n > next)
		end = ipc->out_at + (size_t)(ipc->marks.v[next].at - ipc->sent);
	do
		n = write_run(ipc, end, mark);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0) {
		ipc->out_closed = true;
		if (ipc->refused)
			ipc->refused(ipc->refused_arg, ipc);
		return -1;
	}
	if (mark)
		drop_first_mark(ipc);
	ipc->sent += (uint64_t)n;
	ipc->out_at += (size_t)n;
	if (ipc->out_at == ipc->out.len) {
		str_reset(&ipc->out);
		str_shrink(&ipc->out, KEEP_OCTETS);
		ipc->out_at = 0;
	}
	return 1;
}

void ipc_push(struct ipc *ipc)
{
	while (!ipc->dead && write_some(ipc) > 0)
		;
}

static int flush_all(struct ipc *ipc, int64_t deadline)
{
	int rc;

	while ((rc = write_some(ipc)) >= 0 && ipc->sent < ipc->queued) {
		if (rc > 0)
			continue;
		rc = io_wait(ipc->fd, LOOP_WRITE, deadline);
		if (rc == IO_TIMEOUT)
			return rc;
		if (rc < 0)
			ipc_kill(ipc);
	}
	return rc < 0 ? -1 : 0;
}

int ipc_flush(struct ipc *ipc, int64_t deadline)
{
	int rc = 0;

	ipc_hold(ipc);
	while (!ipc->dead && ipc->flushing && rc == 0)
		if (fiber_wait(&ipc->flushed, deadline) < 0)
			rc = IO_TIMEOUT;
	if (rc == 0) {
		ipc->flushing = true;
		rc = flush_all(ipc, deadline);
		ipc->flushing = false;
		fiber_wake_all(&ipc->flushed);
	}
	ipc_release(ipc);
	return rc;
}

static struct ipc *find_unsent(void)
{
	list_each(l, &open_ones)
	{
		struct ipc *ipc = list_entry(l, struct ipc, link);
		if (ipc_is_open(ipc) && ipc->sent < ipc->queued)
			return ipc;
	}
	return NULL;
}

void ipc_flush_all(int64_t deadline)
{
	struct ipc *ipc;

	if (!open_ones.next)
		return;
	while ((ipc = find_unsent()))
		if (ipc_flush(ipc, deadline) == IO_TIMEOUT)
			return;
}

static void flush_fiber(void *arg)
{
	struct ipc *ipc = arg;

	flush_all(ipc, IO_FOREVER);
	ipc->flushing = false;
	fiber_wake_all(&ipc->flushed);
	ipc_release(ipc);
}

static void flush_soon(struct ipc *ipc)
{
	if (ipc->flushing || ipc->receiving)
		return;
	ipc->flushing = true;
	ipc_hold(ipc);
	fiber_start("ipc flush", flush_fiber, ipc);
}

/* Duplicated, because the caller closes its own and the write comes later. */
static int add_mark(struct ipc *ipc, const int *fds, size_t nfds)
{
	struct fd_mark mark = {.at = ipc->queued};

	for (size_t i = 0; i < nfds; i++) {
		mark.fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (mark.fds[i] < 0) {
			log_error("A descriptor can't be sent: %m.");
			close_fds(mark.fds, mark.nfds);
			return -1;
		}
		mark.nfds++;
	}
	if (nfds)
		*array_add(&ipc->marks) = mark;
	return 0;
}

/* Before it is the larger part: a peer that always leaves a little unread must not make the buffer grow. */
static void drop_written(struct ipc *ipc)
{
	if (ipc->out_at < KEEP_OCTETS || ipc->out_at < ipc->out.len / 2)
		return;
	str_consume(&ipc->out, ipc->out_at);
	ipc->out_at = 0;
}

/* The frame is put in place and taken back when it turns out too long. */
static int put_frame(struct ipc *ipc, const struct ipc_msg *msg, uint32_t id, const void *body,
	size_t nfds)
{
	size_t start, length;

	drop_written(ipc);
	start = ipc->out.len;
	put_u32(&ipc->out, 0);
	put_u16(&ipc->out, msg->type);
	put_u16(&ipc->out, (uint16_t)nfds);
	put_u32(&ipc->out, id);
	if (body)
		ipc_put(&ipc->out, msg, body);
	length = ipc->out.len - start - LENGTH_OCTETS;
	if (length > IPC_FRAME_MAX) {
		str_truncate(&ipc->out, start);
		return -1;
	}
	set_u32(&ipc->out, start, (uint32_t)length);
	ipc->queued += ipc->out.len - start;
	return 0;
}

int ipc_send(struct ipc *ipc, const struct ipc_msg *msg, uint32_t id, const void *body,
	const int *fds, size_t nfds)
{
	if (!ipc_is_open(ipc))
		return -1;
	if (ipc->queued - ipc->sent > IPC_OUT_MAX) {
		log_warning("A peer leaves more than %d bytes of messages unread, its connection is "
			    "closed.",
			IPC_OUT_MAX);
		ipc_kill(ipc);
		return -1;
	}
	if (nfds > IPC_FDS_MAX)
		log_panic("Message %s with %zu descriptors.", msg->name, nfds);
	if (nfds && add_mark(ipc, fds, nfds) < 0)
		return -1;
	if (put_frame(ipc, msg, id, body, nfds) < 0) {
		log_error("Message %s is longer than %d bytes and is not sent.", msg->name,
			IPC_FRAME_MAX);
		if (nfds) {
			close_fds(ipc->marks.v[ipc->marks.n - 1].fds, nfds);
			ipc->marks.n--;
		}
		return -1;
	}
	flush_soon(ipc);
	return 0;
}

int ipc_send_error(struct ipc *ipc, uint32_t id, const char *sentence)
{
	struct ipc_error error = {.sentence = sentence};

	return ipc_send(ipc, &ipc_error_msg, id, &error, NULL, 0);
}

/* --- receiving --- */

static int broken(struct ipc *ipc, const char *why)
{
	log_warning("An internal connection is closed: %s", why);
	ipc_kill(ipc);
	return -1;
}

static int take_fds(struct ipc *ipc, struct ipc_frame *frame, size_t n)
{
	if (n > IPC_FDS_MAX || n > ipc->nfds)
		return broken(ipc, "a frame counts descriptors that did not come.");
	for (size_t i = 0; i < IPC_FDS_MAX; i++)
		frame->fds[i] = i < n ? ipc->fds[i] : -1;
	frame->nfds = n;
	ipc->nfds -= n;
	memmove(ipc->fds, ipc->fds + n, ipc->nfds * sizeof(ipc->fds[0]));
	return 1;
}

/* 1 a whole frame, 0 more bytes are needed, -1 broken. */
static int take_frame(struct ipc *ipc, struct ipc_frame *frame)
{
	struct reader r;
	uint32_t length;
	uint16_t flags;

	if (ipc->in.len - ipc->in_at < LENGTH_OCTETS)
		return 0;
	r = reader_of(span_make(ipc->in.s + ipc->in_at, ipc->in.len - ipc->in_at));
	length = get_u32(&r);
	if (length < HEADER_OCTETS - LENGTH_OCTETS || length > IPC_FRAME_MAX)
		return broken(ipc, "a frame's length is impossible.");
	if (reader_left(&r) < length)
		return 0;
	frame->type = get_u16(&r);
	flags = get_u16(&r);
	frame->id = get_u32(&r);
	frame->payload = get_bytes(&r, length - (HEADER_OCTETS - LENGTH_OCTETS));
	if (flags & ~FLAGS_FDS)
		return broken(ipc, "a frame has unknown flags.");
	ipc->in_at += LENGTH_OCTETS + length;
	return take_fds(ipc, frame, flags & FLAGS_FDS);
}

/* Moves what is left of a batch to the front; an idle connection holds a small block only. */
static size_t prepare_input(struct ipc *ipc)
{
	if (ipc->in_at)
		str_consume(&ipc->in, ipc->in_at);
	ipc->in_at = 0;
	if (ipc->in.len)
		return READ_MORE;
	str_shrink(&ipc->in, KEEP_OCTETS);
	return READ_OCTETS;
}

/* 1 got bytes, 0 the end, -1 error, IO_TIMEOUT. Before it may wait, what was sent is on its way. */
static int read_some(struct ipc *ipc, int64_t deadline)
{
	size_t want = prepare_input(ipc), nfds = 0;
	int fds[OS_FDS_MAX];
	ssize_t n;

	ipc->receiving = false;
	if (!ipc->flushing)
		write_some(ipc);
	if (ipc->sent < ipc->queued)
		flush_soon(ipc);
	n = io_recv_fds(ipc->fd, str_reserve(&ipc->in, want), want, fds, &nfds, deadline);
	if (n < 0)
		return (int)n;
	if (nfds > FDS_PENDING_MAX - ipc->nfds) {
		close_fds(fds, nfds);
		return broken(ipc, "more descriptors came than frames count.");
	}
	memcpy(ipc->fds + ipc->nfds, fds, nfds * sizeof(fds[0]));
	ipc->nfds += nfds;
	ipc->in.len += (size_t)n;
	return n > 0;
}

static int receive(struct ipc *ipc, struct ipc_frame *frame, int64_t deadline)
{
	for (;;) {
		int rc = ipc->dead ? -1 : take_frame(ipc, frame);
		if (rc)
			return rc;
		rc = read_some(ipc, deadline);
		if (rc == 0 && ipc->in.len && !ipc->dead)
			return broken(ipc, "it ended within a frame.");
		if (rc <= 0)
			return rc;
	}
}

int ipc_receive(struct ipc *ipc, struct ipc_frame *frame_r, int64_t deadline)
{
	int rc;

	ipc_hold(ipc);
	rc = receive(ipc, frame_r, deadline);
	ipc->receiving = rc == 1 && ipc->batching;
	ipc_release(ipc);
	return rc;
}

void ipc_frame_close(struct ipc_frame *frame)
{
	close_fds(frame->fds, frame->nfds);
	frame->nfds = 0;
}
