/*
 * Log records and the operations in them (layout: format.h). Pure: bytes in, structs out and back.
 * Every parser takes hostile bytes; none allocates.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdint.h>

#include "base/wire.h"
#include "store/format.h"

struct record {
	uint64_t at, sequence, floor;
	int64_t time_us;
	uint32_t length;
	uint32_t chain; /* crc of the header before */
	uint32_t crc;	/* of this header */
	uint8_t class;
	struct span actor, trace;
	struct span ops;
};

/* Only the header: 1 its sums, salt and position are right and length is within bounds; 0 not. */
int record_parse_header(struct span bytes, uint32_t salt, uint64_t at, struct record *record_r);
/* The whole record at the start of bytes: 1 whole, 0 not. Spans point into bytes. */
int record_parse(struct span bytes, uint32_t salt, uint64_t at, struct record *record_r);

/* Builds: start, operations, finish with what is known under the lock. */
void record_start(struct str *out, const char *actor, const char *trace);
/* record: at, sequence, floor, time_us, chain, class are read; length and crc are set. */
void record_finish(struct str *out, uint32_t salt, struct record *record);

enum op_kind {
	OP_END,
	OP_EPOCH,  /* boot id */
	OP_CREATE, /* a mailbox */
	OP_DELETE, /* a mailbox with its messages */
	OP_RENAME,
	OP_SUBSCRIBE,
	OP_KEYWORD, /* a keyword bit gets its name */
	OP_ADD,	    /* messages: delivered, appended or copied */
	OP_FLAGS,
	OP_EXPUNGE,
	OP_RECENT,	/* \Recent of all UIDs up to one is claimed */
	OP_UIDVALIDITY, /* the account's counter, set when it is made */
	OP_LIFT, /* after damage: all next UIDs, ids and UIDVALIDITYs go up, so that none returns */
	OP_COUNT_
};

struct op {
	uint8_t kind; /* may be one that this version does not know: skip it */
	struct span body;
};
/* 1, 0 at the end, -1 damaged. rest starts as record.ops. */
int op_next(struct span *rest, struct op *op_r);

/* Writing an operation: at = op_begin(kind); put the body; op_end(at). */
size_t op_begin(struct str *out, enum op_kind kind);
void op_end(struct str *out, size_t at);

struct op_create {
	uint32_t id, uidvalidity;
	uint8_t use;
	bool noselect;
	struct span name;
};
struct op_rename {
	uint32_t id;
	struct span name;
};
struct op_subscribe {
	bool on;
	struct span name;
};
struct op_keyword {
	uint32_t mailbox;
	uint8_t bit;
	struct span name;
};
/* All messages with UIDs up to `upto` are claimed by some session; `left` have higher ones. */
struct op_recent {
	uint32_t mailbox, upto, left;
};
/* What FLAGS and EXPUNGE do to the counters, so that they need no rows. */
struct op_delta {
	int64_t messages, unseen, recent, deleted, size;
};
struct op_flags {
	uint32_t mailbox;
	uint64_t prev;
	uint8_t op; /* enum flag_op */
	uint32_t flags;
	uint64_t keywords;
	struct op_delta delta;
	struct span ranges; /* for op_range_next */
};
struct op_expunge {
	uint32_t mailbox;
	uint64_t prev;
	struct op_delta delta;
	struct span ranges;
};
struct op_add {
	uint32_t mailbox;
	uint64_t prev;
	uint32_t first_uid, n;
	struct span rows; /* for op_row_next */
};
struct op_row {
	uint32_t size, header_size, flags;
	uint64_t keywords;
	int64_t internal_date;
	int32_t zone;
	uint64_t sent_date, pack, pack_at;
	const unsigned char *seen; /* 16 octets naming the delivery, or NULL */
	struct span summary;	   /* in this record; .p NULL: elsewhere, see the next two */
	uint64_t summary_at;
	uint32_t summary_size;
};
#define OP_SEEN_SIZE 16

/* Body in, struct out: 0, or -1 damaged. */
int op_parse_create(struct span body, struct op_create *op_r);
int op_parse_rename(struct span body, struct op_rename *op_r);
int op_parse_subscribe(struct span body, struct op_subscribe *op_r);
int op_parse_keyword(struct span body, struct op_keyword *op_r);
int op_parse_recent(struct span body, struct op_recent *op_r);
int op_parse_flags(struct span body, struct op_flags *op_r);
int op_parse_expunge(struct span body, struct op_expunge *op_r);
int op_parse_add(struct span body, struct op_add *op_r);
/* ADD, FLAGS, EXPUNGE: whose mailbox, and the record that touched it before. 1; 0 another kind or
 * damaged. */
int op_parse_link(const struct op *op, uint32_t *mailbox_r, uint64_t *prev_r);

void op_put_create(struct str *out, const struct op_create *op);
void op_put_delete(struct str *out, uint32_t mailbox);
int op_parse_delete(struct span body, uint32_t *mailbox_r);
void op_put_rename(struct str *out, const struct op_rename *op);
void op_put_subscribe(struct str *out, const struct op_subscribe *op);
void op_put_keyword(struct str *out, const struct op_keyword *op);
void op_put_recent(struct str *out, const struct op_recent *op);
void op_put_flags(struct str *out, const struct op_flags *op);
void op_put_expunge(struct str *out, const struct op_expunge *op);
/* The rows follow with op_put_row, then op_end(at). Returns at. */
size_t op_begin_add(struct str *out, const struct op_add *op);
void op_put_row(struct str *out, const struct op_row *row);

/* UID ranges, ascending. Writing: start with *last = 0. */
void op_put_range(struct str *ranges, uint32_t *last, uint32_t from, uint32_t to);
/* 1, 0 at the end, -1 damaged (not ascending). Start with *last = 0. */
int op_range_next(struct span *rest, uint32_t *last, uint32_t *from_r, uint32_t *to_r);
/* 1, 0 at the end, -1 damaged. rest starts as op_add.rows. */
int op_row_next(struct span *rest, struct op_row *row_r);

#endif
