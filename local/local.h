/* What the modules of local share. */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include "agent/agent.h"
#include "base/hash.h"
#include "params/local.h"
#include "store/store.h"

struct local {
	struct service_ctx *svc;
	const struct local_conf *conf;
	struct store *store;
	struct ipc_client *directory;
	struct hash *targets; /* append.c: mailboxes being appended to */
	struct hash *over;    /* quota.c: accounts over their quota */
	uint64_t memory;      /* octets of messages in delivery */
	struct fiber_cond memory_freed;
};

/* --- append.c: what is due for one mailbox at the same time becomes one change, with one sync ---
 * */

/* Durable on STORE_OK. mailbox is a name that exists, of an account opened by the caller. */
enum store_status local_append(struct local *l, struct account *a, const char *id, uint32_t mailbox,
	const struct append *what);

/* --- quota.c: tells the directory who is over quota, so that RCPT can be refused --- */

void quota_start(struct local *l);
void quota_set(
	struct local *l, const char *account, const struct account_limits *limits, bool over);
/* At a stop: nobody watches these accounts any more. */
void quota_forget_all(struct local *l);

/* --- deliver.c --- */

void local_deliver(struct service_ctx *svc, struct agent_job *job);

#endif
