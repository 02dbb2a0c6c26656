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
	struct io_threads *nss;
	struct hash *over_quota;    /* account id -> OVER */
	const char *default_domain; /* lower case */
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
};
struct alias_record {
	const char **targets;
	size_t n;
};

struct records *records_new(struct directoryd *d);
void records_free(struct records **r);
/* 1 found, 0 none, -1 the database failed. */
int records_domain(struct records *r, const char *domain);
int records_user(struct records *r, struct pool *pool, const char *key, struct user_record *user_r);
int records_alias(struct records *r, struct pool *pool, const char *key, struct alias_record *alias_r);
/* Changes are durable when they return 0; -1: the database failed. */
int records_put_domain(struct records *r, const char *domain);
int records_put_user(struct records *r, const char *key, const struct user_record *user);
int records_put_alias(struct records *r, const char *key, const char *const *targets, size_t n);
int records_delete(struct records *r, enum table table, const char *key);
/* Replaces every alias that ends in suffix. */
int records_replace_aliases(struct records *r, const char *suffix, const struct dir_aliases *all);
/* A new account id; it is taken when records_put_user has stored it, and for ever. */
const char *records_mint_account(struct records *r, struct pool *pool);
/* Secret of this directory: 32 random bytes kept in the database. */
int records_secret(struct records *r, struct pool *pool, struct span *secret_r);
void records_parse_user(struct span value, struct pool *pool, struct user_record *user_r);
void records_parse_alias(struct span value, struct pool *pool, struct alias_record *alias_r);

/* --- names.c --- */

#define NAME_OCTETS_MAX 320
/* "local@domain", lower case; the default domain is added to bare names. NULL when it can't be an address of ours. */
const char *name_key(const struct directoryd *d, struct pool *pool, const char *local, const char *domain);
const char *name_parse(const struct directoryd *d, struct pool *pool, const char *address);
/* A domain name in lower case without final dot, or NULL. */
const char *name_domain(struct pool *pool, const char *domain);

/* --- lookup.c --- */

void lookup_resolve(struct directoryd *d, struct pool *pool, const char *local, const char *domain,
	struct dir_resolve_reply *reply_r);
bool lookup_may_send(struct directoryd *d, struct pool *pool, const char *user, const char *sender);

/* --- system_users.c: /etc/passwd through NSS, on a thread of its own --- */

/* 1 there is such a user who may receive mail, 0 none, -1 can't say. */
int system_user_find(struct directoryd *d, const char *name);

/* --- password.c --- */

struct passwords *passwords_new(struct directoryd *d);
void passwords_free(struct passwords **p);
/* Fills the SCRAM keys; the strings are in the pool. Waits: it hashes on the password threads. */
void passwords_make(struct passwords *p, struct pool *pool, const char *password, struct user_record *user);
/* Constant work whether or not the user exists (user NULL). */
bool passwords_check(struct passwords *p, const struct user_record *user, const char *key,
	const char *password, size_t length);
/* Keys for a user that isn't there, always the same for the same name: an exchange with them fails at its end like any
 * other. */
const char *passwords_fake_scram(struct passwords *p, struct pool *pool, const char *key, bool sha256);

/* --- tickets.c --- */

struct tickets *tickets_new(int64_t life_ms);
void tickets_free(struct tickets **t);
struct span tickets_issue(struct tickets *t, struct pool *pool, const char *user, const char *account,
	const char *service);
/* Once only. */
bool tickets_redeem(struct tickets *t, struct pool *pool, struct span ticket, const char *service,
	const char **user_r, const char **account_r);

/* --- sasl.c: exchanges --- */

int sasl_start(struct directoryd *d, const char **err_r);
void sasl_stop(struct directoryd *d);
extern const struct ipc_handler auth_handlers[];
extern const size_t auth_handlers_n;
/* An exchange dies with the connection that began it. */
void exchanges_drop(struct ipc_server_conn *conn);

/* --- admin.c --- */

extern const struct ipc_handler admin_handlers[];
extern const size_t admin_handlers_n;

#endif
