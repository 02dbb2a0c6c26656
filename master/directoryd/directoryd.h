/*
 * directoryd: domains, users, aliases, passwords.
 *
 * Trust: reads SASL messages of strangers (through libsasl2) and addresses of strangers as keys; nothing else from
 *        the network. The only program that sees a password or a key.
 * Owns:  the directory database (lib/kv) in directory_dir.
 * Talks: answers on unix:directory (look-ups), unix:directory-auth (SASL, tickets), unix:directory-admin (changes).
 */
#ifndef DIRECTORYD_H
#define DIRECTORYD_H

#include "base/array.h"
#include "base/hash.h"
#include "directory/messages.h"
#include "kv/kv.h"
#include "params/directoryd.h"
#include "service/service.h"

struct directoryd {
	struct service_ctx *svc;
	const struct directoryd_conf *conf;
	struct kv *kv;
	struct records *records;
	struct tickets *tickets;
	struct exchanges *exchanges;
	struct passwords *passwords;
	struct system_users *system_users;
	struct over_quota *over_quota;
	struct fiber_mutex changing; /* one change at a time: what it has looked at stays until it has written */
	const char *default_domain; /* lower case */
	unsigned connections;
	struct list lookers;
	uint64_t changes; /* since the start */
};

/* --- records.c: the database's rows, through a cache --- */

enum table { TABLE_DOMAINS, TABLE_USERS, TABLE_ALIASES, TABLE_ACCOUNTS, TABLE_META, TABLE_COUNT };
extern const char *const directory_tables[TABLE_COUNT + 1];

struct user_record {
	const char *account;
	const char *scram256, *scram1; /* "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey", or "" */
	const char *crypt;             /* crypt(3) hash, or "" */
	uint64_t quota_bytes, quota_messages;
	bool disabled;
	bool system; /* of /etc/passwd: receives mail as long as it stands there */
};
/* Who wants a target; newaliases takes back only what it brought. */
enum { ORIGIN_ADDED = 1, ORIGIN_LOADED = 2 };
struct alias_target {
	const char *address;
	unsigned origins;
};
struct alias_record {
	struct alias_target *targets;
	size_t n;
};

/* A database that fails ends the process: nothing here answers an error. */
struct records *records_new(struct directoryd *d);
void records_free(struct records **r);
bool records_domain(struct records *r, const char *domain);
bool records_user(struct records *r, struct pool *pool, const char *key, struct user_record *user_r);
bool records_alias(struct records *r, struct pool *pool, const char *key, struct alias_record *alias_r);
/* The row as it is stored; valid until this fiber waits. */
bool records_find(struct records *r, struct pool *pool, enum table table, const char *key, struct span *value_r);
/* Changes are durable when they return. */
void records_put_domain(struct records *r, const char *domain);
void records_put_user(struct records *r, const char *key, const struct user_record *user);
void records_put_alias(struct records *r, const char *key, const struct alias_record *alias);
void records_delete(struct records *r, enum table table, const char *key);
void records_delete_user(struct records *r, const char *key, const char *account);
/* What a file of aliases brought to the domain before is replaced by all of these, at once; targets that were added
 * otherwise stay. */
struct named_alias {
	const char *key;
	struct alias_record alias;
};
void records_load_aliases(struct records *r, struct pool *pool, const char *domain, struct named_alias *all, size_t n);
/* A new account id; it is taken when records_put_user has stored it, and for ever. */
const char *records_mint_account(struct records *r, struct pool *pool);
/* Secret of this directory: random bytes kept in the database. */
struct span records_secret(struct records *r, struct pool *pool);
void records_parse_user(struct span value, struct pool *pool, struct user_record *user_r);
void records_parse_alias(struct span value, struct pool *pool, struct alias_record *alias_r);

/* All rows of a table in the order of their keys, from behind `after`; a row is valid until the next. */
struct records_walk {
	struct pool *pool;
	struct kv_range range;
	struct str after;
	struct kv_row *rows;
	size_t n, at;
};
void records_walk_init(struct records_walk *w, enum table table, const char *after, bool keys_only);
void records_walk_fini(struct records_walk *w);
const struct kv_row *records_walk_next(struct records *r, struct records_walk *w);

/* --- names.c --- */

#define NAME_OCTETS_MAX 320
/* "local@domain", lower case; the default domain is added to bare names. NULL when it can't be an address of ours. */
const char *name_key(const struct directoryd *d, struct pool *pool, const char *local, const char *domain);
const char *name_parse(const struct directoryd *d, struct pool *pool, const char *address);
/* A domain name in lower case without final dot, or NULL. */
const char *name_domain(struct pool *pool, const char *domain);
/* Does "local@domain", or the catch-all "@domain", belong to the domain? */
bool name_is_in(struct span key, const char *domain);

/* --- lookup.c --- */

void lookup_resolve(struct directoryd *d, struct pool *pool, const char *local, const char *domain,
	struct dir_resolve_reply *reply_r);
bool lookup_may_send(struct directoryd *d, struct pool *pool, const char *user, const char *sender);

/* --- system_users.c: /etc/passwd through NSS, on a thread of its own --- */

struct system_users *system_users_new(struct directoryd *d);
void system_users_free(struct system_users **u);
/* 1 there is such a user who may receive mail, 0 none, -1 can't say. */
int system_user_find(struct system_users *u, const char *name);

/* --- password.c --- */

#define PASSWORD_OCTETS_MAX 1024

struct passwords *passwords_new(struct directoryd *d);
void passwords_free(struct passwords **p);
/* Fills the SCRAM keys; the strings are in the pool. Waits: it hashes on the password threads. */
void passwords_make(struct passwords *p, struct pool *pool, const char *password, struct user_record *user);
/* Is it a whole crypt(3) hash of a method that this system knows? Waits. */
bool passwords_is_hash(struct passwords *p, const char *hash);
/* Constant work whether or not the user exists (user NULL). Waits; password must stay. */
bool passwords_check(struct passwords *p, const struct user_record *user, const char *key,
	const char *password, size_t length);
/* Keys for a user that isn't there, always the same for the same name: an exchange with them fails at its end like any
 * other. iterations: see passwords_usual_count. */
const char *passwords_fake_scram(
	struct passwords *p, struct pool *pool, const char *key, bool sha256, int iterations);
/* The iteration count that a user of that name could have: the next one's in the order of names. What is configured is not
 * what all users have: who came before that changed would be told from who is made up. Waits; for users who are there, too,
 * it is to be asked for, so that it takes as long. */
int passwords_usual_count(struct passwords *p, const char *key, bool sha256);

/* --- scram.c: keys in the form of RFC 5803 --- */

#define SCRAM_SALT_OCTETS 16
const char *scram_write(struct pool *pool, bool sha256, struct span password, struct span salt,
	int iterations);
/* Is the password the one that SCRAM-SHA-256 keys were made of? False also for what is no keys. */
bool scram_check(const char *keys, struct span password);
/* Of keys as scram_write makes them; 0: they are none. */
int scram_iterations(const char *keys);
/* Keys that no password fits: a constant of secret, name and count. */
const char *scram_fake(struct pool *pool, bool sha256, struct span secret, const char *name,
	int iterations);

/* --- over_quota.c: who is over quota, as `local` says, so that RCPT can refuse early --- */

/* A mark is a hint with an end: local repeats it every half minute while it holds, and one whose local has died must not
 * keep mail away for ever. */
#define OVER_QUOTA_MS (2 * 60 * 1000)
struct over_quota *over_quota_new(int64_t life_ms);
void over_quota_free(struct over_quota **o);
void over_quota_note(struct over_quota *o, const char *account, bool over);
bool over_quota_is(struct over_quota *o, const char *account);

/* --- tickets.c --- */

struct tickets *tickets_new(int64_t life_ms);
void tickets_free(struct tickets **t);
void tickets_set_life(struct tickets *t, int64_t life_ms); /* of those from now on */
struct span tickets_issue(struct tickets *t, struct pool *pool, const char *user, const char *account,
	const char *service);
/* Once only. */
bool tickets_redeem(struct tickets *t, struct pool *pool, struct span ticket, const char *service,
	const char **user_r, const char **account_r);

/* What is outstanding, for the process that comes after a planned end, and there: with less time by what has passed. */
void tickets_put(struct tickets *t, struct str *out);
void tickets_get(struct tickets *t, struct span kept);

/* --- delays.c: failures of an address make the next one slower --- */

struct delays *delays_new(int64_t first_ms);
void delays_free(struct delays **d);
void delays_set_first(struct delays *d, int64_t first_ms);
/* Counts a failure from the address and tells how long its answer is to wait. */
int64_t delays_failure(struct delays *d, const char *remote_ip);

/* --- sasl.c: libsasl2 and what it asks back --- */

#define SASL_PLAIN_MECHANISMS "PLAIN LOGIN"
#define SASL_SCRAM_MECHANISMS "SCRAM-SHA-256 SCRAM-SHA-1"
#define SASL_PLUS_MECHANISMS  "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"
#define SASL_NAME_OCTETS_MAX  1000 /* of a name as the client sends it */

int sasl_start(const char **err_r);
void sasl_stop(void);
/* An exchange's server side. The object belongs to the caller and stays where it is until sasl_exchange_fini, in no
 * step of it meanwhile. */
struct sasl_exchange {
	struct directoryd *d;
	struct pool *pool;
	struct ipc_list bindings; /* dir_binding: what the client may bind to */
	const char *name;         /* key of whom the client says to be, once it has; NULL: nobody's */
	const char *why;          /* it will fail, for the log; NULL: the library knows */
	struct user_record shown; /* the name's, when the client's answer was held against it, or is to be */
	bool sha256, bound;
	struct sasl_conn *conn;
	struct sasl_callbacks *callbacks;
};
/* 0, or -1: the library refuses. */
int sasl_exchange_init(struct sasl_exchange *x, struct directoryd *d, struct pool *pool,
	const char *mechanism, const char *service);
void sasl_exchange_fini(struct sasl_exchange *x);
/* One message of the client (NULL: none came with the start) and the answer; wait inside. */
enum sasl_state { SASL_STATE_MORE, SASL_STATE_DONE, SASL_STATE_REFUSED, SASL_STATE_NO_MECHANISM };
enum sasl_state sasl_exchange_begin(struct sasl_exchange *x, const char *mechanism, const struct span *data,
	struct span *answer_r);
enum sasl_state sasl_exchange_step(struct sasl_exchange *x, struct span data, struct span *answer_r);
/* After DONE: the user's key, or NULL with a sentence (who wants to be somebody else). */
const char *sasl_exchange_user(struct sasl_exchange *x, struct pool *pool, const char **err_r);
/* After that: is the user who the client has shown to be? One who has another password or account by now is not. */
bool sasl_exchange_holds(const struct sasl_exchange *x, const struct user_record *now);
const char *sasl_exchange_error(struct sasl_exchange *x);

/* --- exchanges.c: SASL exchanges by number, tickets --- */

struct exchanges *exchanges_new(struct directoryd *d);
void exchanges_free(struct exchanges **all);
bool exchanges_are_under_way(const struct exchanges *all);
void exchanges_set_delay(struct exchanges *all, int64_t first_ms);
extern const struct ipc_handler auth_handlers[];
extern const size_t auth_handlers_n;
/* An exchange dies with the connection that began it. */
void exchanges_drop(struct ipc_server_conn *conn);

/* --- lookers.c: whoever looks up may keep answers for a moment, and hears when they may be old --- */

void lookers_init(struct directoryd *d);
/* Serves the connection to its end. */
void lookers_serve(struct directoryd *d, struct ipc_server_conn *conn);
/* Something has changed, and look-ups see it: before the change is answered. account: the user's, "" when it was none. */
void lookers_tell(struct directoryd *d, const char *account);

/* --- lists.c, admin.c --- */

void list_domains(struct ipc_server_conn *conn, struct ipc_request *rq, void *body);
void list_users(struct ipc_server_conn *conn, struct ipc_request *rq, void *body);
void list_aliases(struct ipc_server_conn *conn, struct ipc_request *rq, void *body);

extern const struct ipc_handler admin_handlers[];
extern const size_t admin_handlers_n;

#endif
