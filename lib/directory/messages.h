/*
 * What the others ask directoryd. unix:directory takes look-ups, unix:directory-auth SASL and tickets, unix:directory-admin changes.
 */
#ifndef DIRECTORY_MESSAGES_H
#define DIRECTORY_MESSAGES_H

#include "ipc/ipc.h"
#include "ipc/types.h"

enum directory_status {
	DIR_TEMPFAIL,      /* can't say now: 451 */
	DIR_NOT_LOCAL,     /* the domain is not ours */
	DIR_UNKNOWN,       /* our domain, no such user: 550 5.1.1 */
	DIR_ACCOUNT,
	DIR_ALIAS,         /* targets */
	DIR_DISABLED,      /* by an operator: 550 5.2.1 */
};

struct dir_resolve_request {
	const char *local, *domain; /* unquoted local part; domain "" is the system's own */
};
struct dir_target {
	const char *address;
};
struct dir_resolve_reply {
	uint32_t status;       /* enum directory_status */
	const char *account;   /* account id */
	const char *canonical; /* the user's own address */
	struct ipc_list targets; /* dir_target */
	uint64_t quota_bytes, quota_messages;
	bool over_quota;       /* published by local */
};

/* SASL relay. The server side runs in directoryd; the reply to start and step is the same. */
struct dir_auth_start {
	const char *mechanism, *service /* smtp imap pop */, *remote_ip;
	bool tls, has_initial;
	struct span initial;
	struct ipc_list bindings; /* dir_binding; none unless -PLUS mechanisms were offered */
};
/* What the client may bind the exchange to (RFC 5056): "tls-exporter" and its bytes. */
struct dir_binding {
	const char *type;
	struct span data;
};
struct dir_auth_step {
	uint64_t id;
	struct span data;
	bool cancel;
};
enum auth_state { AUTH_CONTINUE, AUTH_OK, AUTH_FAILED, AUTH_TEMPFAIL, AUTH_BAD_MECHANISM };
struct dir_auth_reply {
	uint32_t state;        /* enum auth_state */
	uint64_t id;
	struct span data;      /* challenge, or the server's last message on success */
	const char *user;      /* address of the user, on success */
	const char *account;
	struct span ticket;    /* one-time, 30 s: another program redeems it */
	const char *text;      /* a sentence for the log, never for the client */
	uint64_t delay_ms;     /* lib/auth waits so long before it tells a failure */
};
struct dir_mechanisms_request {
	bool tls;
};
struct dir_mechanisms_reply {
	const char *names;     /* separated by blanks, strongest first */
};
struct dir_redeem_request {
	struct span ticket;
	const char *service;
};
struct dir_redeem_reply {
	bool ok;
	const char *user, *account;
	uint64_t quota_bytes, quota_messages;
};

/* May this user send with that envelope sender? */
struct dir_may_send_request {
	const char *user, *sender;
};
struct dir_may_send_reply {
	bool yes;
};

/* Notice from local: the account went over quota, or came back. */
struct dir_quota_notice {
	const char *account;
	bool over;
};

/* Notice to everyone who looks up: users, aliases or domains have changed; answers that were kept are none any more. */
struct dir_changed {
	uint64_t count;      /* changes since directoryd began */
	const char *account; /* of the user that has changed or gone; "": it was no user */
};

/* May the user who has logged in to that account still use it? Another user of the same name has another account. */
struct dir_check_request {
	const char *user, *account;
};
struct dir_check_reply {
	bool ok;
};

/* Administration; refused calls carry a sentence. */
struct dir_name {
	const char *name;
};
struct dir_user_change {
	const char *address, *password; /* password and hash "" in add: none yet, no login */
	const char *hash;               /* crypt(3) hash instead of a password, with "{CRYPT}" in front or not */
	uint64_t quota_bytes, quota_messages;
};
struct dir_alias_change {
	const char *address;
	struct ipc_list targets; /* dir_target */
};
struct dir_entry {
	const char *name;      /* domain, user or alias address */
	const char *account;   /* users */
	const char *text;      /* aliases: targets, separated by ", "; domains: "" */
	uint64_t quota_bytes, quota_messages;
	bool over_quota, has_password, disabled;
};
struct dir_list_request {
	const char *match;     /* "" all; "@domain"; or an address */
	const char *after;     /* continue after this name */
	uint64_t limit;
};
struct dir_list_reply {
	struct ipc_list entries; /* dir_entry */
	bool more;
};
struct dir_done {
	const char *account;
};

extern const struct ipc_msg dir_target_msg, dir_resolve_request_msg, dir_resolve_reply_msg,
	dir_auth_start_msg, dir_auth_step_msg, dir_auth_reply_msg, dir_mechanisms_request_msg,
	dir_mechanisms_reply_msg, dir_redeem_request_msg, dir_redeem_reply_msg,
	dir_may_send_request_msg, dir_may_send_reply_msg, dir_quota_notice_msg,
	dir_changed_msg, dir_check_request_msg, dir_check_reply_msg;
extern const struct ipc_msg dir_domain_add_msg, dir_domain_remove_msg, dir_domain_list_msg, /* dir_name, dir_name, dir_list_request */
	dir_user_add_msg, dir_user_remove_msg, dir_user_passwd_msg, dir_user_list_msg, /* dir_user_change, dir_name, dir_user_change, dir_list_request */
	dir_user_disable_msg, dir_user_enable_msg, /* dir_name */
	dir_alias_add_msg, dir_alias_remove_msg, dir_alias_list_msg, /* dir_alias_change, dir_alias_change (targets empty: all), dir_list_request */
	dir_aliases_load_msg, /* dir_aliases: replaces the aliases of the system domain */
	dir_list_reply_msg, dir_done_msg;
struct dir_aliases {
	struct ipc_list entries; /* dir_entry: name, text */
};

#endif
