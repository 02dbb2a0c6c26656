/*
 * The message store: accounts, mailboxes, messages. Knows no protocol. Used by local (delivery),
 * imapd, pop3d and the operator's tools, any number of processes at once on the same accounts.
 *
 * What it promises
 *  - Whatever returns STORE_OK is on the medium (pack, then log, both synced), except pure flag
 *    changes, which may be synced up to a second later (design rule 13).
 *  - No UID, MODSEQ or message is ever shown before it is durable; none is ever reused.
 *  - One change = one log record = one MODSEQ, all or nothing, however many messages it touches.
 *  - Accounts are independent: damage to one is never another's failure.
 *
 * Strings are UTF-8. Mailbox names use '/' between levels; INBOX is always there and compares
 * case-insensitively as first level. All functions may wait (fibers); limits are at the end.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "base/array.h"
#include "base/pool.h"
#include "base/str.h"
#include "io/fiber.h"

enum store_status {
	STORE_OK,
	STORE_NOT_FOUND,   /* no such account, mailbox, message */
	STORE_EXISTS,      /* that mailbox name is taken */
	STORE_INVALID,     /* a name or value that can't be */
	STORE_DENIED,      /* read-only or not allowed */
	STORE_OVER_QUOTA,
	STORE_TOO_MANY,    /* a *_MAX of this header */
	STORE_BUSY,        /* lock not had before the deadline: try again */
	STORE_DISK_FULL,   /* nothing was changed */
	STORE_DAMAGED,     /* this account's files; said in the log */
	STORE_FAILED,      /* I/O error; said in the log */
};
const char *store_status_text(enum store_status status); /* a sentence for the log or an operator */

struct store;   /* one per process */
struct account; /* opened once per process, shared by its sessions */
struct view;    /* one session's picture of one mailbox */

struct store_conf {
	const char *dir;            /* store_dir; partitions below: <dir>/<partition>/ */
	const char *partition;      /* where new accounts go: "p0" */
	uint64_t pack_size;         /* a pack is sealed past this */
	uint64_t log_segment_size;
	uint64_t disk_reserve;      /* below it nothing is added */
	const char *default_mailboxes; /* LIST of NAME or NAME:\Special-use, made with a new account */
	int64_t flag_sync_ms;       /* 1000: latest sync of pure flag changes */
};

int store_open(const struct store_conf *conf, struct store **store_r, const char **err_r);
void store_close(struct store **store); /* syncs what is pending */
/* Less than disk_reserve is left: nothing is added (STORE_DISK_FULL). */
bool store_space_is_low(struct store *store);

/* --- accounts --- */

struct account_limits {
	uint64_t bytes, messages; /* 0: none */
};

/* id: minted by directoryd, [a-z0-9]{1,40}, never reused. create: make it when it is not there
 * (first delivery or login). The owner's limits come from the directory. */
enum store_status account_open(struct store *store, const char *id, bool create,
	const struct account_limits *limits, struct account **account_r);
void account_close(struct account **account);
/* What is in memory of it may differ from the files, after a failure: everything fails (STORE_FAILED)
 * until all its users have closed it, or opened it anew. Sessions are to end then. */
bool account_is_stale(const struct account *account);
void account_usage(struct account *account, uint64_t *bytes_r, uint64_t *messages_r);
/* Would so much more be within the limits? For what is only announced; see mailbox_may_append. */
bool account_has_room(struct account *account, uint64_t bytes, uint64_t messages);
/* The change counter: sequence of the last durable record (highest MODSEQ of the account). */
uint64_t account_modseq(struct account *account);

/* Waits until something durable changed after modseq `since` (returns 0), or the deadline (-1).
 * What IDLE sleeps in. Wakes for changes by any process. Also 0, at once and without a change, when the account
 * can't be used any more. */
int account_wait(struct account *account, uint64_t since, int64_t deadline);
/* For those in account_wait now the deadline has come. */
void account_end_waits(struct account *account);

/* --- mailboxes --- */

enum mailbox_flags {
	MAILBOX_SUBSCRIBED = 1,
	MAILBOX_NOSELECT = 2,   /* a parent that was deleted, or never made */
	MAILBOX_HAS_CHILDREN = 4, /* mailbox_list only: to know it all of them are looked at */
};
enum special_use {
	USE_NONE, USE_ALL, USE_ARCHIVE, USE_DRAFTS, USE_FLAGGED, USE_JUNK, USE_SENT, USE_TRASH,
	USE_COUNT_
};
extern const char *const special_use_names[USE_COUNT_]; /* "\\Drafts" ...; [USE_NONE] NULL */

struct mailbox_info {
	uint32_t id;           /* never reused in the account; 0: only a subscribed name */
	const char *name;      /* UTF-8 */
	unsigned flags;
	enum special_use use;
	uint32_t uidvalidity, uidnext;
	uint32_t messages, unseen, recent, deleted;
	uint64_t size;         /* octets of all messages */
	uint64_t highest_modseq;
};

/* All mailboxes, sorted by name with INBOX first; infos and names are in the pool. counts: fill
 * the numbers, which may have to read each mailbox's checkpoint. */
enum store_status mailbox_list(struct account *a, struct pool *pool, bool counts,
	struct mailbox_info **v_r, size_t *n_r);
/* How much memory that takes, about. */
size_t mailbox_list_size(const struct account *a);
enum store_status mailbox_find(struct account *a, struct pool *pool, const char *name, bool counts,
	struct mailbox_info *info_r);
/* Makes missing parents too. */
enum store_status mailbox_create(struct account *a, const char *name, enum special_use use,
	uint32_t *id_r);
/* A mailbox with children becomes MAILBOX_NOSELECT; INBOX is STORE_DENIED. */
enum store_status mailbox_delete(struct account *a, const char *name);
/* With its children. INBOX: its messages move to the new name, INBOX stays (RFC 3501 6.3.5). */
enum store_status mailbox_rename(struct account *a, const char *from, const char *to);
/* Subscriptions may name what does not exist. */
enum store_status mailbox_subscribe(struct account *a, const char *name, bool on);

/* --- messages --- */

enum msg_flags {
	MSG_SEEN = 1, MSG_ANSWERED = 2, MSG_FLAGGED = 4, MSG_DELETED = 8, MSG_DRAFT = 16,
	MSG_SYSTEM_FLAGS = 31,
	MSG_RECENT = 32, /* per view; never stored through store_flags */
};
#define MSG_KEYWORDS_MAX 64 /* per mailbox; bit i of keywords is name i of the mailbox's list */

struct msg_row { /* fixed size, as in the checkpoint */
	uint32_t uid;
	uint32_t size;         /* octets as FETCH RFC822.SIZE gives them */
	uint32_t flags;
	uint32_t header_size;
	uint64_t keywords;
	uint64_t modseq;
	int64_t internal_date; /* seconds UTC */
	int32_t zone;          /* minutes east, for INTERNALDATE */
	uint32_t summary_size;
	uint64_t summary_at;   /* log position of the summary blob (opaque) */
	uint64_t pack;         /* pack id; where the body is */
	uint64_t pack_at;
	uint64_t sent_date;    /* seconds UTC from Date:, or internal_date: sort key */
};

/* A body that lies in a pack, not yet in any mailbox; it may be added to several accounts
 * (single copy). */
struct blob {
	uint64_t pack, at;
	uint32_t size;
	unsigned char sha256[32];
};

/* Writes the bytes (CRLF lines) to this process's pack without syncing; readers: the accounts
 * that may refer to it. */
enum store_status blob_put(struct store *store, struct span body, const char *const *readers,
	size_t nreaders, struct blob *blob_r);

struct append {
	struct blob blob;
	struct span summary;       /* mail/summary.h, made by the caller from the body */
	uint32_t header_size;
	uint32_t flags;            /* MSG_SYSTEM_FLAGS */
	const char *const *keywords;
	size_t nkeywords;
	int64_t internal_date;
	int32_t zone;
	uint64_t sent_date;
	const char *delivery_id;   /* NULL, or one per message and recipient: stored once (rule 17) */
	const char *trace;         /* trace id, or NULL */
};
/* What mailbox_append would say of them now: STORE_NOT_FOUND, STORE_OVER_QUOTA, STORE_TOO_MANY,
 * STORE_INVALID. Of the blobs it looks at the sizes only, so this is to be asked before blob_put: the
 * body of a message that is then refused stays in the packs, once more for each attempt. What
 * mailbox_append says is final. */
enum store_status mailbox_may_append(
	struct account *a, uint32_t mailbox, const struct append *v, size_t n);
/* Adds n messages to one mailbox as one change; their UIDs are consecutive in one block from
 * *first_uid_r. Durable on return. Their summaries may take 63 MiB together (STORE_TOO_MANY).
 * deadline: of the lock, as io_deadline(). Messages whose delivery_id the account has had are left
 * out; it remembers the last 16,384 of 14 days. If none is left, *first_uid_r is the UID from then. */
enum store_status mailbox_append(struct account *a, uint32_t mailbox, const struct append *v,
	size_t n, int64_t deadline, uint32_t *first_uid_r, uint32_t *uidvalidity_r);

/* --- a session's view --- */

/* read_only also means: \Recent is not claimed. */
enum store_status view_open(
	struct account *a, uint32_t mailbox, bool read_only, struct view **view_r);
void view_close(struct view **view);
uint32_t view_count(const struct view *view);
/* seq is 1-based; valid until the next view_sync. */
const struct msg_row *view_row(const struct view *view, uint32_t seq);
/* The sequence number of the first message with a UID >= uid; count + 1 when there is none. */
uint32_t view_seq_of(const struct view *view, uint32_t uid);
uint32_t view_flags(const struct view *view, uint32_t seq); /* row flags and MSG_RECENT */
/* Names of keyword bits; grows only at its end. */
const char *const *view_keywords(const struct view *view, size_t *n_r);
void view_info(struct view *view, struct mailbox_info *info_r); /* as of the last sync */
uint32_t view_first_unseen(const struct view *view); /* seq, or 0 */
bool view_is_gone(const struct view *view); /* the mailbox was deleted */

struct view_changes {
	/* In the order in which they are to be told. */
	uint32_t *expunged;  /* seqs, each valid after the ones before were removed (RFC 3501 7.4.1) */
	uint32_t *expunged_uids; /* the same messages' UIDs */
	size_t nexpunged;
	uint32_t *changed;   /* seqs after the expunges, ascending, whose flags changed */
	size_t nchanged;
	bool exists, recent, keywords; /* the counts or the keyword list changed */
};
/* Brings the view up to what is durable now. expunge false: removed messages stay in the view
 * (FETCH, STORE, SEARCH must not renumber), their bodies may be gone. Flag changes made through
 * this view itself are not reported. */
enum store_status view_sync(struct view *view, bool expunge, struct pool *pool,
	struct view_changes *changes_r);

/* The body, or a range of it: read by pread on helper threads where it is cold. Borrowed memory,
 * valid until the pool is reset. STORE_NOT_FOUND when it was expunged and reclaimed. What is read whole is compared with
 * its checksum: STORE_DAMAGED, and nothing of it, when it is not what was stored. */
enum store_status message_read(struct account *a, const struct msg_row *row, uint64_t from,
	uint64_t n, struct pool *pool, struct span *body_r);
/* The same comparison for who goes on to read it in pieces, or sends it from the file. */
enum store_status message_verify(struct account *a, const struct msg_row *row);
/* Descriptor and place for stream_send_file, borrowed until the release. */
struct message_file {
	int fd;
	uint64_t at;
	struct pack_file *pack; /* the store's */
};
enum store_status message_locate(
	struct account *a, const struct msg_row *row, struct message_file *file_r);
void message_release(struct message_file *file);
/* The summary (mail/summary.h). The copy is the pool's; neighbours come from one read-ahead
 * window, so that walking a mailbox costs a copy a message and no system call. Loops reset a
 * pool of their own for each message. */
enum store_status message_summary(struct account *a, const struct msg_row *row, struct pool *pool,
	struct span *summary_r);

enum flag_op { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
struct flag_change {
	enum flag_op op;
	uint32_t flags;
	const char *const *keywords;
	size_t nkeywords;
	uint64_t unchanged_since; /* CONDSTORE; UINT64_MAX: no condition */
};
/* uids ascending. Messages that fail unchanged_since, and those that another session has expunged,
 * are returned (pool, ascending) and not changed. */
enum store_status view_store(struct view *view, const uint32_t *uids, size_t n,
	const struct flag_change *change, struct pool *pool, uint32_t **failed_r, size_t *nfailed_r);
/* Removes those of uids that are still there; with only_deleted those that have \Deleted. */
enum store_status view_expunge(
	struct view *view, const uint32_t *uids, size_t n, bool only_deleted);
/* COPY, or MOVE (copy and expunge as one change): new UIDs in the order of uids; those gone
 * meanwhile are left out, or with COPY_ALL keep the others from being copied: *pairs_r has (old, new)
 * pairs in the pool. */
struct uid_pair {
	uint32_t from, to;
};
enum copy_flags { COPY_MOVE = 1, COPY_ALL = 2 };
enum store_status view_copy(struct view *view, const uint32_t *uids, size_t n, uint32_t to_mailbox,
	unsigned flags, struct pool *pool, struct uid_pair **pairs_r, size_t *n_r,
	uint32_t *uidvalidity_r);

/* --- for POP3 (rule 22) and operators --- */

/* An exclusive session lock of the account: its own lock file, dies with the process. STORE_BUSY
 * when another has it. */
struct session_lock;
enum store_status account_session_lock(struct account *a, struct session_lock **lock_r);
void account_session_unlock(struct session_lock **lock);

struct check_report {
	uint64_t records, messages, blobs_bad, log_damaged, checkpoints_bad;
	bool repaired;
};
/* Reads everything, compares checkpoints with the log and blobs with their SHA-256; rebuild:
 * makes checkpoints anew. A line for each finding goes to say(arg, sentence). */
enum store_status account_check(struct store *store, const char *id, bool rebuild,
	void (*say)(void *arg, const char *sentence), void *arg, struct check_report *report_r);
/* Ids of all accounts of all partitions, in the pool. */
enum store_status store_list_accounts(
	struct store *store, struct pool *pool, const char ***v_r, size_t *n_r);

#define STORE_NAME_MAX      1000    /* octets of a mailbox name */
#define STORE_LEVELS_MAX    20
#define STORE_MAILBOXES_MAX 100000  /* per account; as many subscriptions */
#define STORE_NAMES_MAX     (16 * 1024 * 1024) /* octets of all their names, per account */
#define STORE_MESSAGES_MAX  50000000u /* per mailbox */

#endif
