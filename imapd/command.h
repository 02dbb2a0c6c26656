/*
 * Commands: one table of verbs (in command.c), which says where each may be used and what the
 * dispatcher checks for it; each command (family) has a file cmd_*.c. A command answers by exactly
 * one cmd_ok, cmd_no, cmd_bad or cmd_fail; the tagged line follows the mailbox updates that the
 * dispatcher sends.
 */
#ifndef IMAPD_COMMAND_H
#define IMAPD_COMMAND_H

#include "imap/parse.h"
#include "imapd/session.h"

struct cmd;
typedef void (*cmd_fn)(struct session *s, struct cmd *cmd);

enum verb_state {
	ST_AUTH = 1,     /* logged in, nothing selected */
	ST_SELECTED = 2,
	ST_ANY = ST_AUTH | ST_SELECTED,
};
enum verb_flags {
	CMD_ARGS = 1,      /* has arguments: the blank before them is taken; without it none may be */
	CMD_UID = 4,       /* also as UID verb */
	CMD_UID_ONLY = 8,
	CMD_SEQ = 16,      /* without UID no EXPUNGE while it runs: RFC 3501 7.4.1 */
	CMD_WRITES = 32,   /* needs the mailbox read-write */
	CMD_STREAMS = 64,  /* reads its last literal itself: starts when that is announced */
	CMD_NO_SYNC = 128, /* tells no mailbox updates */
};

struct verb {
	const char *name;
	cmd_fn run;
	unsigned states, flags;
};

enum cmd_status { CMD_NONE, CMD_OK, CMD_NO, CMD_BAD };

struct cmd {
	const struct verb *verb;
	struct span tag;
	bool uid;
	bool at_literal; /* CMD_STREAMS: the last literal is announced and to be read */
	struct imap_parse args;
	struct pool *pool;
	enum cmd_status status;
	const char *code; /* "UIDNEXT 5" or NULL */
	const char *text;
	char tag_copy[100]; /* of IDLE's, whose text does not stay */
};

/* What session_read returned for a whole command, or its beginning. */
void command_run(struct session *s, enum imap_read how);

/* --- answers; strings are literals or the command pool's --- */

void cmd_ok(struct cmd *cmd, const char *code); /* "... completed." */
void cmd_no(struct cmd *cmd, const char *code, const char *text);
void cmd_bad(struct cmd *cmd, const char *text);
void cmd_bad_args(struct cmd *cmd); /* what the parser found wrong */
/* NO with the response code of the store's answer (RFC 5530). */
void cmd_fail(struct cmd *cmd, enum store_status status);
/* The same where the mailbox named is a target: TRYCREATE when it isn't there. */
void cmd_fail_target(struct cmd *cmd, enum store_status status);

/* --- sets of messages --- */

struct seqset;
/* Parses a sequence set (UIDs when cmd->uid) and resolves it in the view to sequence numbers,
 * ascending ranges. False: the command has been answered. */
bool cmd_parse_messages(struct session *s, struct cmd *cmd, struct seqset *seqs_r);
/* A set of UIDs to one of sequence numbers. In place. */
void view_resolve_uids(const struct view *view, struct seqset *set);
/* UIDs of the set's messages that have all of `flags`; in the pool. */
size_t view_uids(const struct view *view, const struct seqset *seqs, unsigned flags,
	struct pool *pool, uint32_t **uids_r);

/* APPEND: the arguments so far are complete up to the literal of a message. */
bool append_is_at_message(struct session *s, struct cmd *cmd);

/* --- the commands, in cmd_*.c --- */

void cmd_append(struct session *s, struct cmd *cmd);
void cmd_capability(struct session *s, struct cmd *cmd);
void cmd_check(struct session *s, struct cmd *cmd);
void cmd_close(struct session *s, struct cmd *cmd);
void cmd_copy(struct session *s, struct cmd *cmd);
void cmd_create(struct session *s, struct cmd *cmd);
void cmd_delete(struct session *s, struct cmd *cmd);
void cmd_enable(struct session *s, struct cmd *cmd);
void cmd_examine(struct session *s, struct cmd *cmd);
void cmd_expunge(struct session *s, struct cmd *cmd);
void cmd_fetch(struct session *s, struct cmd *cmd);
void cmd_id(struct session *s, struct cmd *cmd);
void cmd_idle(struct session *s, struct cmd *cmd);
void cmd_list(struct session *s, struct cmd *cmd);
void cmd_logout(struct session *s, struct cmd *cmd);
void cmd_lsub(struct session *s, struct cmd *cmd);
void cmd_move(struct session *s, struct cmd *cmd);
void cmd_namespace(struct session *s, struct cmd *cmd);
void cmd_noop(struct session *s, struct cmd *cmd);
void cmd_rename(struct session *s, struct cmd *cmd);
void cmd_search(struct session *s, struct cmd *cmd);
void cmd_select(struct session *s, struct cmd *cmd);
void cmd_status(struct session *s, struct cmd *cmd);
void cmd_store(struct session *s, struct cmd *cmd);
void cmd_subscribe(struct session *s, struct cmd *cmd);
void cmd_unselect(struct session *s, struct cmd *cmd);
void cmd_unsubscribe(struct session *s, struct cmd *cmd);

#endif
