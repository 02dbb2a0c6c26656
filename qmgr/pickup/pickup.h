/*
 * pickup: submits what sendmail left in the drop folder while the server was down.
 *
 * Trust: reads files that any user of this host can have made: as hostile as mail from the network.
 * Owns:  the drop folder (queue_dir/drop).
 * Talks: smtpd, over run_dir/submit, for what it found, and to report what is refused.
 *
 * The folder's states are in queue/drop.h. Scanned at start, when the kernel tells of a new name,
 * and every scan_interval; one message at a time.
 */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include "params/pickup.h"
#include "queue/drop.h"
#include "service/service.h"
#include "submit/client.h"

struct pickup {
	struct service_ctx *svc;
	const struct pickup_conf *conf;
	const char *socket; /* run_dir/submit */
	int dirfd;
	int watch;  /* inotify, or -1 */
	bool retry; /* something has to wait: scan again by the clock */
};

/* --- file.c: one file of the folder --- */

/* Reads, checks and submits the file; removes it when it is done with. */
void pickup_file(struct pickup *p, const char *name);
/* Removes a tmp file that nobody writes any more. */
void pickup_stale(struct pickup *p, const char *name);

/* --- report.c --- */

/* Tells the sender who was refused, if any was and the sender wants to know: taken, or nothing to tell; later: it has
 * to be tried again; refused: there is nobody who can be told. */
enum handed pickup_report(struct pickup *p, struct pool *pool, const struct drop_message *m,
	const struct submit_message *sent);

#endif
