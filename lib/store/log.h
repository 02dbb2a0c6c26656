/*
 * The segments of one account's log: finding a position, reading and writing records, walking them,
 * finding the end again after a crash (format.h). Knows neither locks nor what records mean.
 *
 * A struct log belongs to one thread. Reads go through io_pread (and may switch fibers) unless
 * `direct` is set: under the account's lock and on helper threads.
 */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "base/array.h"
#include "io/commit.h"
#include "store/record.h"

struct segment {
	uint64_t number, base;
	uint32_t salt;
	int fd;		       /* -1: not opened yet */
	bool bad;	       /* can't be used: base is unknown */
	uint64_t room;	       /* file size when last looked at */
	struct commit *commit; /* made at the first sync */
	unsigned users;	       /* fibers that use it across a wait */
	bool dropped;	       /* the log has forgotten it meanwhile: the last user frees it */
};

/* A piece of the log in memory. */
struct log_window {
	uint64_t at;
	size_t n;
	struct str bytes;
};

struct log {
	int dirfd; /* borrowed */
	char account[ACCOUNT_ID_ROOM];
	bool direct;
	bool backwards;	     /* the next reads go towards older positions */
	uint64_t limit;	     /* nothing is read from here on: others may be writing there */
	struct segment **v;  /* [number - 1]; addresses are stable */
	uint64_t n;	     /* number of the current segment */
	struct segment *found; /* what log_find found last, NULL: nothing yet */
	uint64_t found_end;
	int trouble;	       /* errno of the last segment that could not be looked at */
	struct log_window window;
};

void log_init(struct log *log, int dirfd, const char *account);
void log_fini(struct log *log); /* waits for syncs under way */

/* Is this errno the trouble of a moment (descriptors, memory, the medium)? Then nothing follows from it about what is
 * there and what is whole, and nothing may be made anew because of it. */
bool log_is_trouble(int error);

/* Number of the last segment file that is there; 0 none: 0, or -1 with errno. */
int log_count_files(int dirfd, uint64_t *n_r);
/* Later segments were set aside, or are to be opened anew. */
void log_forget_after(struct log *log, uint64_t number);
/* The current segment is `number` now. */
void log_know(struct log *log, uint64_t number);
/* Opened and checked; NULL when it can't be used, or with log->trouble when it could not be looked at now. */
struct segment *log_segment(struct log *log, uint64_t number);
/* Each of them, once: 0, or -1 with errno when one could not be looked at. Whoever decides what is damaged asks first. */
int log_open_all(struct log *log);
/* The segment that holds the position; NULL none, or with log->trouble. */
struct segment *log_find(struct log *log, uint64_t at);
/* Either may be forgotten whenever this fiber waits (another one may recover the account), but between these two. */
void log_hold_segment(struct segment *seg);
void log_release_segment(struct segment *seg);
/* Where its positions end: the lowest base of those behind it, UINT64_MAX for the last. That may be its own base, or
 * a lower one: then all of it was written anew elsewhere (format.h, crash argument 6). */
uint64_t log_segment_end(struct log *log, const struct segment *seg);

/* Makes segment n + 1 with this base and makes it current; its name is not durable yet. salt 0: a
 * new one. A file of that name that a killed writer left is replaced, but for the first: that is never
 * left behind an account without any. -1 with errno. */
int log_add_segment(struct log *log, uint64_t base, uint32_t salt);
/* The current segment, just added, is not needed: its file goes, the one before is current again.
 * Keeps errno. */
void log_take_back_segment(struct log *log);
/* Writes a record's bytes at the position, which must be in the current segment: -1 with errno,
 * nothing counts. */
int log_write(struct log *log, uint64_t at, struct span bytes);

/* The record at the position: 1 whole, 0 not, -1 read error (errno). Spans live until the next
 * call. */
int log_get(struct log *log, uint64_t at, struct record *record_r);
/* Raw octets of the log: 0, or -1. They live until the next call. */
int log_read(struct log *log, uint64_t at, size_t n, struct span *bytes_r);

/* Gives the window's memory back; or only if it is much, after a large record. */
void log_drop_window(struct log *log);
void log_shrink_window(struct log *log);

/* A walk from a known place: record after record. */
struct log_walk {
	uint64_t at;	   /* next position */
	uint64_t sequence; /* of the last record */
	uint32_t chain;	   /* of the last record */
	bool chain_known;
	uint64_t floor;		   /* raised by what the records say */
	uint64_t records, damaged; /* damaged: ranges skipped */
	/* Called for each record; nonzero ends the walk with -1. */
	int (*take)(void *arg, const struct record *record);
	/* Called for each range skipped. */
	void (*skip)(void *arg, uint64_t from, uint64_t to);
	void *arg;
};
/* Walks to the end of what can be kept, by the rules of format.h: 0 and at, sequence, chain tell
 * where the next record goes; -1 read error or take's wish. */
int log_walk(struct log *log, struct log_walk *walk);
/* Makes sure that nothing is found from this position on: cuts the rest off, sets later segments
 * aside; the segment that ends there is to be synced before it grows again. Under the lock. */
int log_cut(struct log *log, uint64_t at);

#endif
