/*
 * smtp: the delivery agent to other hosts, by SMTP and LMTP.
 *
 * Trust: reads hostile replies; its messages come as sealed memory files, it writes nothing.
 * Owns: connections, some of them idle, waiting for the next message to the same destination.
 * Talks: to qmgr (work in, an outcome for each recipient out), to DNS, to the world.
 */
#ifndef QMGR_SMTP_SMTP_H
#define QMGR_SMTP_SMTP_H

#include "agent/agent.h"
#include "base/list.h"
#include "io/dns.h"
#include "io/stream.h"
#include "params/smtp.h"
#include "smtp/reply.h"
#include "tls/tls.h"

/* Idle connections of one process. */
#define IDLE_LINKS_MAX 200

struct smtp_agent {
	const struct smtp_conf *conf;
	const char *hostname;      /* ours: to know our own name in an MX list */
	const char *helo;
	struct dns *dns;
	struct tls_context *tls; /* NULL: not loaded yet */
	bool tls_required;       /* always, and the certificate must fit the host; else any will do */
	struct sockaddr_storage bind_to;
	socklen_t bind_len;        /* 0: any address */
	struct list idle;          /* struct link, longest idle first */
	size_t nidle;
};
/* tls_ca: authorities, "" for the system's. -1 with *err_r. */
int smtp_agent_new(struct pool *pool, const struct smtp_conf *conf, const char *hostname,
	const char *dns_servers, const char *tls_ca, struct smtp_agent **agent_r,
	const char **err_r);
void smtp_agent_free(struct smtp_agent **agent);
/* For clients; the system's authorities are read at the first call. NULL with *err_r. */
struct tls_context *smtp_agent_tls(struct smtp_agent *agent, const char **err_r);

/* One job: fills each recipient's outcome (deliver.c). */
void smtp_deliver(struct smtp_agent *agent, struct agent_job *job);

/* --- where to (target.c) --- */

struct target {
	const char *host;   /* name or address, without brackets */
	uint16_t port;
	bool use_mx;
	bool lmtp;
	bool may_be_us;     /* the configuration says where to, not a stranger's address or DNS */
	const char *key;    /* the same for all jobs that may share a connection */
};
/* The destination of a job: "example.org", "[mail.example.org]:2525", "lmtp:host:port"; exceptions
 * and the smart host of the configuration applied. -1 with *err_r when it makes no sense. */
int target_find(const struct smtp_agent *agent, struct pool *pool, const char *destination,
	struct target *target_r, const char **err_r);

/* A domain name as DNS knows it: labels past ASCII in punycode (RFC 3492; RFC 5891 without
 * mappings, which are the sender's). NULL when it can't be one. */
const char *domain_to_ascii(struct pool *pool, const char *domain);

struct peer {
	const char *name;   /* the MX host */
	const char *text;   /* "mail.example.org[192.0.2.1]:25" */
	struct sockaddr_storage addr;
	socklen_t len;
};
/* The hosts to try, best first, at most hosts_max; none: *outcome_r says why. */
size_t target_peers(struct smtp_agent *agent, struct pool *pool, const struct target *target,
	struct peer **peers_r, struct outcome *outcome_r);

/* --- a connection (link.c) --- */

struct link {
	struct list idle_link;
	struct smtp_agent *agent;
	struct pool *pool;
	struct stream *stream;
	const char *key, *host, *text; /* target's key; peer's name and text */
	struct smtp_capabilities caps;
	struct smtp_reply reply;       /* the last one */
	bool lmtp, reused;
	bool may_be_us;                /* the target's */
	bool dirty;                    /* a transaction was left open: RSET before the next */
	uint64_t messages;
	struct loop_timer *timer;      /* idle */
};

/* Connects, greets, starts TLS as the configuration says. NULL: *outcome_r (in pool) says why. */
struct link *link_open(struct smtp_agent *agent, struct pool *pool, const struct target *target,
	const struct peer *peer, struct outcome *outcome_r);
/* Says QUIT, without making anybody wait for it. */
void link_quit(struct link **link);
/* Drops it: the stream has failed, or is out of step. */
void link_drop(struct link **link);
/* How long what comes next may take in all. */
void link_set_deadline(struct link *link, int64_t ms);
/* One reply into link->reply; false: the connection is lost (or it is no SMTP). timeout in ms, of
 * the whole reply. */
bool link_read_reply(struct link *link, int64_t timeout);
/* An outcome from the last reply, 4xx deferred, 5xx failed; anything else where none belongs is
 * deferred. */
struct outcome link_outcome(struct pool *pool, const struct link *link);
/* The connection broke while `doing`. */
struct outcome link_lost(struct pool *pool, const struct link *link, const char *doing);

/* --- idle ones (idle.c) --- */

struct link *idle_take(struct smtp_agent *agent, const char *key); /* or NULL */
/* Keeps it for the next message, or ends it when it has done enough. */
void idle_put(struct link **link);
void idle_close_all(struct smtp_agent *agent);

/* --- the dialogue (transaction.c) --- */

struct delivery {
	struct smtp_agent *agent;
	struct agent_job *job;
	struct pool *pool;
	struct span message;
	bool eight_bit, utf8;  /* what the message needs of the peer */
	bool *done;            /* recipients that have their outcome */
	size_t left;
};
/* Sets the outcome of recipient i, the last word of this attempt. */
void delivery_set(struct delivery *d, size_t i, struct outcome outcome);
void delivery_set_rest(struct delivery *d, struct outcome outcome);

enum transaction_end {
	TRANSACTION_DONE, /* all recipients have outcomes; the connection is good for more */
	TRANSACTION_MORE, /* some were delivered, the peer takes the rest in another transaction */
	TRANSACTION_LOST, /* the connection is gone, *outcome_r says why; who has no outcome can go
			   * to another host */
};
enum transaction_end transaction_run(
	struct delivery *d, struct link *link, struct outcome *outcome_r);

#endif
