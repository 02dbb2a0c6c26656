/* What client and server need of a connection beyond ipc.h. */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include "ipc/ipc.h"
#include "ipc/types.h"

struct ipc_error {
	const char *sentence;
};
extern const struct ipc_msg ipc_error_msg;

/* Fibers that wait on the connection keep it from being freed under them. */
void ipc_hold(struct ipc *ipc);
void ipc_release(struct ipc *ipc);
/* Ends it in both directions at once; every waiting fiber wakes. It stays allocated. */
void ipc_kill(struct ipc *ipc);
/* fn is called once, when the peer takes no more: what is past ipc_sent will not arrive. */
void ipc_on_refused(struct ipc *ipc, void (*fn)(void *arg, struct ipc *ipc), void *arg);
/* Not received yet; also at the end. */
bool ipc_has_input(const struct ipc *ipc);
/* Nothing read is left to parse, nothing said is left to send. */
bool ipc_is_idle(const struct ipc *ipc);
/* What the peer has sent so far is still read, then the end; the peer can send no more. */
void ipc_stop_input(struct ipc *ipc);
/* The receiver promises not to wait between frames: what is sent meanwhile is written when it has worked through its
 * input. It turns this off while it does wait. */
void ipc_batch(struct ipc *ipc, bool on);

/* Octets ever queued and ever written: a frame whose last octet is past `sent` never arrived whole. */
uint64_t ipc_queued(const struct ipc *ipc);
uint64_t ipc_sent(const struct ipc *ipc);

#endif
