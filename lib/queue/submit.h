/*
 * Accepting a message durably: what smtpd does between DATA and 250. Bytes are buffered in memory,
 * large bodies in an unlinked temporary file; commit appends one record {magic, length, crc32c,
 * trace id, envelope, body} to this process's spool segment, shares a sync with the others
 * (io/commit.h), and announces it to qmgr without waiting for it. Design section 4 and rules 1-4,
 * 8-10.
 */
#ifndef QUEUE_SUBMIT_H
#define QUEUE_SUBMIT_H

#include "io/io.h"
#include "ipc/ipc.h"
#include "mail/envelope.h"

/* Gives a fresh segment (service_new_segment in daemons; a plain file in tests); -1, or SEGMENT_NO_SPACE when the disk has
 * none for it, with *err_r. */
#define SEGMENT_NO_SPACE (-2)
typedef int (*segment_source_fn)(void *arg, uint64_t *id_r, const char **err_r);

struct submitter; /* one per process */
struct submitter_conf {
	segment_source_fn source;
	void *arg;
	struct ipc_client *qmgr; /* may be NULL: qmgr finds the records by itself */
	uint64_t segment_size;	 /* a new segment is asked for past this */
	uint64_t memory_max;	 /* per message; more goes to a temporary file */
	uint64_t disk_reserve;	 /* rule 10 */
	/* An empty file without a name; -1 with *err_r. NULL: a memfd, which is memory after all. */
	int (*temp)(void *arg, const char **err_r);
};
struct submitter *submitter_new(const struct submitter_conf *conf);
/* Seals the segment. */
void submitter_free(struct submitter **s);
/* Rule 10: may a message of this size be accepted now? DISK_FULL: there is no room for it; FAILED: there is nothing to write
 * to for another reason (logged). Cheap: free space is looked at once a second. */
enum submit_status { SUBMIT_OK, SUBMIT_DISK_FULL, SUBMIT_FAILED };
enum submit_status submitter_may_accept(struct submitter *s, uint64_t size);

struct submission;
struct submission *submission_new(struct submitter *s);
/* 0, or -1 when the temporary file failed (later calls fail too). */
int submission_write(struct submission *m, const void *p, size_t n);
uint64_t submission_size(const struct submission *m);
/* The first bytes, as far as they are in memory: for header checks (loop detection). */
struct span submission_head(const struct submission *m);

/* prefix (trace fields) goes in front of the body. env->trace is the message's id. When SUBMIT_OK
 * is returned the message is on the medium. Frees the submission in every case. */
enum submit_status submission_commit(
	struct submission **m, const struct envelope *env, struct span prefix, const char **err_r);
void submission_abort(struct submission **m);

#endif
