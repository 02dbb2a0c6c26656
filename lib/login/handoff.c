#include "login/messages.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wire.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/stream.h"
#include "os/os.h"

#define FRAME_HEADER 12 /* ipc/ipc.h */

#define F(kind, field) {IPC_##kind, #field, offsetof(struct login_handoff, field), NULL}

/* Frames that are a header only. */
#define READY_TYPE (IPC_RANGE_LOGIN + 2)
#define YOURS_TYPE (IPC_RANGE_LOGIN + 3)

static void put_header(struct str *frame, unsigned type)
{
	put_u32(frame, FRAME_HEADER - 4);
	put_u16(frame, (uint16_t)type);
	put_u16(frame, 0);
	put_u32(frame, 0);
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* Exactly the header's octets. client_r: for the descriptor that comes with it; NULL: none is wanted. */
static int receive_header(
	int sock, unsigned type, uint32_t *length_r, int *client_r, int64_t deadline)
{
	unsigned char header[FRAME_HEADER];

	for (size_t have = 0; have < FRAME_HEADER;) {
		int fds[OS_FDS_MAX];
		size_t nfds = 0, kept = 0;
		ssize_t n = io_recv_fds(
			sock, header + have, FRAME_HEADER - have, fds, &nfds, deadline);
		if (nfds > 0 && client_r && *client_r < 0 && n > 0)
			*client_r = fds[kept++];
		close_all(fds + kept, nfds - kept);
		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	struct reader r = reader_of(span_make(header, sizeof(header)));
	*length_r = get_u32(&r);
	return get_u16(&r) == type ? 0 : -1;
}

static int send_word(int sock, unsigned type, int client, int64_t deadline)
{
	struct str frame = STR_INIT;

	put_header(&frame, type);
	ssize_t n = io_send_fds(sock, frame.s, frame.len, &client, client >= 0, deadline);
	size_t length = frame.len;
	str_fini(&frame);
	return n == (ssize_t)length ? 0 : -1;
}

static int receive_word(int sock, unsigned type, int *client_r, int64_t deadline)
{
	uint32_t length;

	return receive_header(sock, type, &length, client_r, deadline) == 0 &&
			length == FRAME_HEADER - 4
		? 0
		: -1;
}

/* --- the login program --- */

int handoff_send(
	int sock, const struct login_handoff *handoff, int64_t deadline, const char **err_r)
{
	struct str frame = STR_INIT;
	size_t sent = 0;

	put_header(&frame, login_handoff_msg.type);
	ipc_put(&frame, &login_handoff_msg, handoff);
	set_u32(&frame, 0, (uint32_t)(frame.len - 4));
	while (frame.len <= HANDOFF_MAX && sent < frame.len) {
		ssize_t n = io_write(sock, frame.s + sent, frame.len - sent, deadline);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	bool whole = sent == frame.len;
	str_fini(&frame);
	*err_r = "The session could not be sent to its worker.";
	return whole ? 0 : -1;
}

int handoff_wait(int sock, int64_t deadline, const char **err_r)
{
	*err_r = "The worker did not get ready for the session.";
	return receive_word(sock, READY_TYPE, NULL, deadline);
}

int handoff_give(int sock, int client, int64_t deadline, const char **err_r)
{
	*err_r = "The worker left before it had the session.";
	return send_word(sock, YOURS_TYPE, client, deadline);
}

enum handoff_end handoff_watch(int sock, bool proxied, int64_t deadline)
{
	char octet;
	ssize_t n;

	while ((n = recv(sock, &octet, 1, MSG_PEEK | MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		if (io_wait(sock, LOOP_READ, deadline) <= 0)
			return HANDOFF_LOST;
	/* A socket that is closed with something unread in it resets: `yours` is all that was to be read. */
	if (n < 0)
		return errno == ECONNRESET ? HANDOFF_LEFT : HANDOFF_LOST;
	return (n > 0) == proxied ? HANDOFF_TAKEN : HANDOFF_LOST;
}

/* --- the worker --- */

/* Closed although nothing was said to it. */
static bool is_abandoned(int sock)
{
	char octet;

	return recv(sock, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int receive_payload(
	int sock, struct pool *pool, size_t n, struct span *payload_r, int64_t deadline)
{
	char *p = pool_alloc(pool, n);

	for (size_t have = 0; have < n;) {
		ssize_t got = io_read(sock, p + have, n - have, deadline);
		if (got <= 0)
			return -1;
		have += (size_t)got;
	}
	*payload_r = span_make(p, n);
	return 0;
}

int handoff_receive(int sock, struct pool *pool, struct login_handoff *handoff_r, int64_t deadline,
	const char **err_r)
{
	struct span payload;
	uint32_t length = 0;

	*err_r = "The login program left before it had handed the session over.";
	if (receive_header(sock, login_handoff_msg.type, &length, NULL, deadline) < 0 ||
		length < FRAME_HEADER - 4 || length > HANDOFF_MAX - 4) {
		if (length)
			*err_r = "What came first was no session.";
		return -1;
	}
	if (receive_payload(sock, pool, length - (FRAME_HEADER - 4), &payload, deadline) < 0 ||
		ipc_parse(pool, &login_handoff_msg, payload, handoff_r, err_r) < 0)
		return -1;
	*err_r = "The client is said to have sent more than a login program reads.";
	if (handoff_r->input.n > STREAM_BUFFER_MAX)
		return -1;
	*err_r = "The login program waits for it no longer.";
	return is_abandoned(sock) ? -1 : 0;
}

int handoff_take(int *sock, int64_t deadline, const char **err_r)
{
	int client = -1;

	*err_r = "The login program waits for it no longer.";
	if (send_word(*sock, READY_TYPE, -1, deadline) < 0 ||
		receive_word(*sock, YOURS_TYPE, &client, deadline) < 0) {
		io_close(&client);
		return -1;
	}
	if (client >= 0)
		return client;
	client = *sock;
	*sock = -1;
	return client;
}

static const struct ipc_field handoff_fields[] = {
	F(BLOB, ticket),
	F(STR, tag),
	F(STR, peer_ip),
	F(STR, session),
	F(BOOL, tls),
	F(STR, service),
	F(BLOB, input),
	{.type = IPC_END},
};

const struct ipc_msg login_handoff_msg = {
	IPC_RANGE_LOGIN + 1, "handoff", sizeof(struct login_handoff), handoff_fields};
