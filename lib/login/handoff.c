#include "login/messages.h"

#include <errno.h>
#include <unistd.h>

#include "base/wire.h"
#include "io/loop.h"
#include "os/os.h"

#define FRAME_HEADER 12 /* ipc/ipc.h */

#define F(kind, field) {IPC_##kind, #field, offsetof(struct login_handoff, field), NULL}

/* The first bytes with the descriptor, by sendmsg; the rest needs no more than io_write. */
static ssize_t send_first(int sock, struct span bytes, int client, int64_t deadline)
{
	for (;;) {
		ssize_t n = os_send_fds(sock, bytes.p, bytes.n, &client, client < 0 ? 0 : 1);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return n;
		int ready = io_wait(sock, LOOP_WRITE, deadline);
		if (ready < 0)
			return ready;
	}
}

int handoff_send(int sock, const struct login_handoff *handoff, int client, int64_t deadline,
	const char **err_r)
{
	struct str frame = STR_INIT;
	ssize_t n = -1;

	put_u32(&frame, 0);
	put_u16(&frame, login_handoff_msg.type);
	put_u16(&frame, 0);
	put_u32(&frame, 0);
	ipc_put(&frame, &login_handoff_msg, handoff);
	set_u32(&frame, 0, (uint32_t)(frame.len - 4));
	if (frame.len <= HANDOFF_MAX)
		n = send_first(sock, str_span(&frame), client, deadline);
	for (size_t sent = n > 0 ? (size_t)n : 0; n > 0 && sent < frame.len; sent += (size_t)n)
		n = io_write(sock, frame.s + sent, frame.len - sent, deadline);
	str_fini(&frame);
	if (n <= 0) {
		*err_r = "The session could not be handed to its worker.";
		return -1;
	}
	return 0;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* The header, with which the descriptor comes: exactly its octets, so that none of the client's is
 * taken. */
static int receive_header(int sock, unsigned char *header, int *client_r, int64_t deadline)
{
	for (size_t have = 0; have < FRAME_HEADER;) {
		int fds[OS_FDS_MAX];
		size_t nfds = 0;
		ssize_t n = os_recv_fds(sock, header + have, FRAME_HEADER - have, fds, &nfds);
		if (nfds > 0 && *client_r < 0 && n > 0)
			*client_r = fds[0];
		else
			close_all(fds, nfds > 0);
		if (nfds > 1)
			close_all(fds + 1, nfds - 1);
		if (n > 0) {
			have += (size_t)n;
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return -1;
		if (io_wait(sock, LOOP_READ, deadline) < 0)
			return -1;
	}
	return 0;
}

static int receive_payload(int sock, struct pool *pool, size_t n, struct span *payload_r,
	int64_t deadline)
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

int handoff_receive(int sock, struct pool *pool, struct login_handoff *handoff_r, int *client_r,
	int64_t deadline, const char **err_r)
{
	unsigned char header[FRAME_HEADER];
	struct span payload;

	*client_r = -1;
	*err_r = "The login program left before it had handed the session over.";
	if (receive_header(sock, header, client_r, deadline) < 0)
		goto fail;
	struct reader r = reader_of(span_make(header, sizeof(header)));
	uint32_t len = get_u32(&r);
	if (get_u16(&r) != login_handoff_msg.type || len < FRAME_HEADER - 4 ||
		len > HANDOFF_MAX - 4) {
		*err_r = "What came first was no session.";
		goto fail;
	}
	if (receive_payload(sock, pool, len - (FRAME_HEADER - 4), &payload, deadline) < 0 ||
		ipc_parse(pool, &login_handoff_msg, payload, handoff_r, err_r) < 0)
		goto fail;
	return 0;
fail:
	if (*client_r >= 0)
		close(*client_r);
	*client_r = -1;
	return -1;
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
	IPC_RANGE_LOGIN, "handoff", sizeof(struct login_handoff), handoff_fields};
