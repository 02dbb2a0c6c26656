/*
 * Spool segments: append-only files that hold accepted messages, the durable truth of the queue
 * (design section 4, rules 1-10). One process writes a segment, holding an exclusive OFD lock on
 * the open file it was handed; qmgr reads it, stamps what is done and removes it.
 *
 * File, little endian: a header of 1024 octets (twice the same 512, so that one bad sector does not
 * hide a segment), then records, each at a multiple of 64.
 *
 *	header: u8[8] "THRNSEG1" | u64 id | u64 salt | u64 created (us) | u32 crc32c of these
 *	record: u32 magic | u32 kind | u64 salt^at | u64 length of the payload
 *		| u32 how much of it is the envelope | u32 crc32c of the payload | u8[16] trace id
 *		| u32 crc32c of the 48 octets so far | u32 0 | u64 done stamp
 *		| payload = envelope, body | zeros up to the next multiple of 64
 *
 * The salt is random and leaves the spool never, so that no message can contain bytes that pass for
 * a record when a reader looks for the next one behind a torn one. It is bound to the place, too: a
 * record that was copied elsewhere by whatever accident is none.
 *
 * What may be found at a place, and what is true then:
 *
 *	bytes                        owner lives            owner is gone
 *	whole MESSAGE, not stamped   accepted, if a sync    the same; to be delivered (if it was
 *	                             came after it          never acknowledged, it arrives twice)
 *	whole MESSAGE, stamped done  nothing is left to do  nothing is left to do
 *	SKIP                         a write that failed, never acknowledged: go on behind it
 *	SEAL                         the end                the end
 *	zeros, torn or damaged       being written: wait    never acknowledged, or damage: look at
 *	                                                    each multiple of 64 for a whole record
 *	end of file                  wait                   the end
 *
 * Crash argument. 250 is said after fdatasync returned for a time when the record was whole in the
 * file, so an acknowledged record is whole after any crash; what is not whole was not acknowledged.
 * Space is filled with zeros ahead of the records, so a record changes no metadata that a sync
 * would have to write. A record's payload is written before its header, or with it in one write;
 * the checksums tell whether both got to the medium. A sync that failed leaves the writer dead:
 * nothing more is appended, the records under way are turned into SKIP as far as that works, and
 * their senders get 4xx (rule 8). The stamp is one aligned word, not covered by a checksum: it is
 * there or it isn't; lost by a power cut it means a repeated delivery. Fresh and abandoned are told
 * apart so: qmgr removes a segment only while it holds the lock itself; a writer locks before it
 * writes its header, gives up a segment whose lock it can't have or whose name is gone by then, and
 * one without header is left alone until it is old.
 */
#ifndef QUEUE_SEGMENT_H
#define QUEUE_SEGMENT_H

#include <sys/types.h>

#include "base/str.h"
#include "mail/trace.h"

#define SEGMENT_FOLDER	     "segments" /* in queue_dir */
#define SEGMENT_NAME_LEN     20		/* the id as 16 hexadecimal digits, ".seg" */
#define SEGMENT_START	     1024	/* the first record's place */
#define SEGMENT_ALIGN	     64
#define SEGMENT_RECORD	     64 /* octets of a record before its payload */
#define SEGMENT_ENVELOPE_MAX (64u * 1024 * 1024)
#define SEGMENT_BODY_MAX     ((uint64_t)1 << 40)

void segment_name(uint64_t id, char name_r[SEGMENT_NAME_LEN + 1]);
bool segment_name_parse(const char *name, uint64_t *id_r);

/* Makes a new segment in the folder: locked, then named, the folder synced (qmgr's own and tests';
 * the others come from master). Returns its descriptor for segment_writer_open; -1 with *err_r
 * (static). Ids are never reused. Removes what an interrupted call left. */
int segment_create(int dirfd, mode_t mode, uint64_t *id_r, const char **err_r);

/* --- writing --- */

struct segment_writer;

/* Takes the descriptor, locks it (again) and writes the header. -1 with *err_r; the descriptor is
 * closed then. */
int segment_writer_open(int fd, uint64_t id, struct segment_writer **w_r, const char **err_r);
/* Seals it, if it is alive, and closes. Nobody may be appending. */
void segment_writer_close(struct segment_writer **w);
uint64_t segment_writer_id(const struct segment_writer *w);
uint64_t segment_writer_size(const struct segment_writer *w); /* octets used */
int segment_writer_fd(const struct segment_writer *w);
bool segment_writer_is_dead(const struct segment_writer *w);

struct segment_message {
	const char *trace;	  /* TRACE_ID_LEN characters */
	struct span envelope;	  /* as encoded */
	struct span prefix, head; /* the body: these two, */
	int rest_fd;		  /* then rest_size octets of this file from its start */
	uint64_t rest_size;
};
struct segment_place {
	uint64_t segment, at, length; /* the whole record, with its padding */
};
/* Appends and syncs; many fibers may be in here. The message is durable when SEGMENT_OK is
 * returned. DISK_FULL: nothing was changed. FAILED: see errno; not accepted, and the segment may be
 * dead. */
enum segment_status { SEGMENT_OK, SEGMENT_DISK_FULL, SEGMENT_FAILED };
enum segment_status segment_append(
	struct segment_writer *w, const struct segment_message *m, struct segment_place *place_r);

/* --- reading --- */

struct segment_reader;

/* The descriptor is borrowed. 1; 0 when there is no header yet (a writer that has not begun, or
 * died before); -1 with errno when it can't be read. With both headers damaged the salt comes from
 * the first record. */
int segment_reader_open(int fd, uint64_t id, struct segment_reader **r_r);
void segment_reader_close(struct segment_reader **r);
/* Nothing at or behind place `end` is read from now on (UINT64_MAX: no limit, as at first): what is
 * known to be synced when the owner lives. */
void segment_reader_limit(struct segment_reader *r, uint64_t end);

struct segment_record {
	uint64_t at, next; /* its place, the place behind it */
	char trace[TRACE_ID_LEN + 1];
	struct span envelope; /* valid until the next call */
	struct span body;     /* the same, when it is small; else p is NULL */
	uint64_t body_at, body_size;
	bool done;
};
enum segment_found {
	SEGMENT_FOUND,
	SEGMENT_SEALED, /* the end */
	SEGMENT_TAIL,	/* nothing whole at this place yet; with `closed`: nor behind it */
	SEGMENT_ERROR,	/* errno */
};
/* The first whole message at or behind place `at` (a multiple of 64). closed: the owner is gone, so
 * that what is not whole is passed over; *lost_r counts octets that were (zeros are not). Otherwise
 * reading stops there. */
enum segment_found segment_read(struct segment_reader *r, uint64_t at, bool closed,
	struct segment_record *rec_r, uint64_t *lost_r);
/* The message at exactly this place, its envelope into *envelope; its body is not checked. Any
 * number of fibers may do so, also while another one reads with segment_read. */
enum segment_found segment_read_at(
	struct segment_reader *r, uint64_t at, struct str *envelope, struct segment_record *rec_r);

/* Stamps the record done. The descriptor must be writable. 0, -1 with errno. */
int segment_mark_done(struct segment_reader *r, uint64_t at);

#endif
