/*
 * The durable formats of the store. All numbers are little endian; checkpoint rows are stored as
 * the processor has them, and a checkpoint with another byte order is simply not used.
 *
 *	<dir>/<partition>/packs/<id, 16 hex digits>        bodies, written by one process each
 *	<dir>/<partition>/<hh>/<account>/head              cache of where the log ends; the lock's inode
 *	                                 log.<N>           the truth
 *	                                 tree              checkpoint of mailboxes, counters, quota
 *	                                 index/<id>        checkpoint of one mailbox's rows
 *	                                 damage.<position> what a damaged range held, kept for a person
 *	                                 session           lock file of POP3 sessions
 * hh is the low byte of crc32c(account) in hex. No file name derives from what a client wrote.
 *
 * THE LOG is one 64-bit space of positions, cut into segments. Segment N holds positions from the
 * base in its header up to the lowest base of those behind it; position p stands at file offset
 * SEGMENT_HEADER + p - base. A record never spans segments. Segments are written ahead with zeros
 * (LOG_CHUNK), because an fdatasync that need not allocate is a third cheaper.
 *
 * segment header, 128 octets
 *	 0 magic "THURNLG1"   8 u32 version   12 u32 salt (random, never 0)   16 u64 number
 *	24 u64 base          32 account, NUL-padded (48)          124 u32 crc32c of 0..123
 *
 * record: header of 56 octets, body, zeros up to a multiple of 8
 *	 0 u32 salt of its segment: mail that contains a record's image can't guess it
 *	 4 u32 length of the whole record          8 u64 position
 *	16 u64 sequence                           24 u64 floor: durable offset when it was written
 *	32 i64 time, microseconds                 40 u32 chain: header crc of the record before
 *	44 u32 crc32c of the body (56..length)    48 u8 class   49 u8[3] zero
 *	52 u32 crc32c of 0..51
 * body: actor and trace id (varint length, octets), then operations {u8 kind, varint length,
 * octets} (record.h) until kind 0. All operations of a record happen together: one record is one
 * change, one sequence number, one MODSEQ.
 *
 * A record is WHOLE when both sums, salt, position and bounds are right; it CONTINUES the log
 * when also its chain is the crc of the record before it and its sequence is greater. So what is
 * left of a torn tail never comes back to life behind a new record.
 *
 * Operations that touch rows of a mailbox carry the position of the record that touched it before:
 * a mailbox is read back through its own records only, whatever else the account's log holds.
 *
 * State of a record
 *	| state    | where                 | may be shown                | becomes                    |
 *	| written  | durable <= at < end   | class LAZY and nothing      | durable by sync; gone by   |
 *	|          |                       | else before it from durable | power cut (never answered) |
 *	| durable  | end of it <= durable  | yes                         | stays for good             |
 *	| damaged  | below floor, not whole| no                          | skipped, kept, reported    |
 *	| torn     | from floor, not whole | no                          | cut by the next writer     |
 *
 * Crash argument
 *  1. Bodies first. A record names a blob only after the blob's pack was synced (or is named
 *     already by a durable record). So every record whose bytes survive has its bodies, and
 *     durable may advance over other processes' records with a sync of the log alone. (Syncing
 *     both at once would save one sync's latency, and need every process to open and sync every
 *     other's packs, and a way to take back records whose pack failed.)
 *  2. `durable` grows by atomic maximum only, to a position up to which all bytes were written
 *     before a sync of every segment from the old durable on that succeeded.
 *  3. A writer holds the lock of `head`, writes the record at `end`, then the head's group
 *     (sequence, segment, end, crc). Killed before the group: the record does not exist, the next
 *     one overwrites it. Killed inside: the group's crc is wrong, the next writer recovers. The
 *     lock dies with its holder.
 *  4. Recovery (new boot, bad head, or a log that does not reach `end`), under the lock: replay
 *     from the tree checkpoint or the start. floor = what head says if its two copies agree (the
 *     smaller if not), raised to the largest floor in a whole record and to the checkpoint's
 *     position. Below the floor what is not whole was answered for: skip to the next whole
 *     record, copy the range to damage.<position>, report, cut nothing. From the floor on, the
 *     first record that does not continue the log ends it; the rest is cut off, and what is left
 *     synced, before anything is written there. A segment that can't be synced then is one that
 *     failed (6).
 *  5. After a new boot the first record is an EPOCH that lifts the sequence by 2^20; at most 2^16
 *     lazy records are ever unsynced in a process, so a MODSEQ shown before the cut never
 *     returns. (No "clean" flag: a stale head can't prove that nothing lazy was shown after it;
 *     an EPOCH costs nothing.)
 *  6. A failed sync of segment N: head.failed = N first; nobody advances durable in N any more.
 *     Under the lock the records from durable to end are copied to segment N + 1 with base =
 *     durable (and those of each later segment to one more, with its base and salt), and that is
 *     synced instead. So bases need not ascend: of all segments that begin at or before a position
 *     the last one holds it. If the page cache has lost some, head is spoiled, every process that
 *     saw them gives the account up, and the next one recovers (4) what is left.
 *  7. Checkpoints are caches: written by O_TMPFILE, synced, linked, renamed over the last one,
 *     folder synced; covering at most `durable`. A wrong or missing one costs a replay. Their
 *     names are fixed, so that finding one is an open and never a directory scan; the version is
 *     inside.
 *
 * head, one page
 *	fixed     0 magic "THURNHD1"  8 u32 version  12 u32 crc of account  16 account (48)
 *	group    64 u64 end  72 u64 sequence  80 u64 segment  88 u64 chain  96 boot id (36, NUL-padded 40)
 *	        136 u64 crc32c of 64..135              written under the lock
 *	advance 144 u64 durable  152 u64 ~durable      atomic maximum (minimum of the complement)
 *	        160 u64 failed   168 u64 linked        atomic maximum: segment whose sync failed; last
 *	                                               segment whose name is known to be durable
 *	notice  176 u64                                pwrite: what inotify watches (design rule 18)
 *
 * PACK: header of 64 octets, then blobs, each at a multiple of 8:
 *	header: 0 magic "THURNPK1"  8 u32 version  12 u32 salt  16 u64 id  60 u32 crc32c of 0..59
 *	blob:   0 u32 salt   4 u32 head length (whole, with the 8 at its end)   8 u64 position of itself
 *	       16 u64 body length  24 u32 crc32c of body  28 u32 readers  32 SHA-256 (32)
 *	       64 readers (u8 length, octets)..., zeros
 *	       head length - 8: u32 crc32c of 0..head length - 9, u32 head length
 *	       then the body, zeros up to a multiple of 8
 * A row names the body's place; the head's length stands right before it, so both directions work.
 *	seal:   0 u32 salt  4 u32 0  8 u64 position  16 u64 blobs  24 u64 octets of bodies  28.. crc32c
 * A pack's writer holds an OFD lock on it; without lock and seal it was left by a killed process.
 *
 * State of a pack:  open (lock, no seal) -> sealed (seal, synced, cut to size) | abandoned (neither:
 * killed writer, or failed sync). Only sealed ones will ever be punched.
 *
 * CHECKPOINTS: header of 128 octets, body.
 *	 0 magic "THURNIX1"/"THURNTR1"  8 u32 version  12 u32 byte order 0x01020304   16 u64 position covered
 *	24 u64 sequence  32 u64 mailbox id / 0   40 u64 rows / octets of body   48 u64 row changes so far
 *	56 u32 crc32c of body   60 account (48)   124 u32 crc32c of 0..123
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <stdint.h>

#define FORMAT_VERSION  1
#define ACCOUNT_ID_MAX  40
#define ACCOUNT_ID_ROOM 48 /* NUL-padded in files */

#define SEGMENT_MAGIC  "THURNLG1"
#define SEGMENT_HEADER 128
#define LOG_FIRST      64 /* position of the first record; 0 means none */
#define LOG_CHUNK_MIN  (16 * 1024)
#define LOG_CHUNK_MAX  (1024 * 1024)

#define RECORD_HEADER 56
#define RECORD_MAX    (64u * 1024 * 1024)

#define HEAD_MAGIC "THURNHD1"
#define HEAD_SIZE  4096

#define PACK_MAGIC     "THURNPK1"
#define PACK_HEADER    64
#define BLOB_HEAD_MIN  72
#define BLOB_HEAD_MAX  (1024 * 1024)
#define BLOB_READERS_MAX 10000

#define INDEX_MAGIC       "THURNIX1"
#define TREE_MAGIC        "THURNTR1"
#define CHECKPOINT_HEADER 128
#define BYTE_ORDER_MARK   0x01020304u

#define EPOCH_LIFT     (UINT64_C(1) << 20)
#define UNSYNCED_MAX   (1u << 16) /* lazy records of one process */
/* Delivery ids that an account remembers (design rule 17): the last so many, of the last so many days. */
#define SEEN_MAX       16384
#define SEEN_SECONDS   (14 * 86400)

/* Which record may be shown before it is durable. */
enum record_class {
	RECORD_FIRM = 1,
	RECORD_LAZY = 2, /* flags and \Recent only */
};

#endif
