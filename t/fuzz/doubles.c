/*
 * What stands in for directoryd, and for the queue, when a program's sessions are fuzzed: answers depend on what is asked, so
 * that an input reaches every one of them. Client answers of a SASL exchange that begin with o are right, with t come at a bad time,
 * with c lead to one more challenge; all others are wrong.
 */
#include "auth/auth.h"
#include "base/codec.h"

struct auth {
	unsigned steps;
};

#define STEPS_MAX 20

static enum auth_state decide(struct auth **a, struct pool *pool, struct span data, struct dir_auth_reply *reply_r)
{
	char first = data.n ? data.p[0] : 0;
	*reply_r = (struct dir_auth_reply){.user = "", .text = "The password is wrong."};
	if (first == 'c' && ++(*a)->steps < STEPS_MAX) {
		reply_r->data = pool_copy(pool, data);
		return AUTH_CONTINUE;
	}
	mem_free(a);
	reply_r->user = "anna@sandbox.test";
	reply_r->account = "a1";
	reply_r->ticket = SPAN_LIT("fuzz");
	return first == 'o' ? AUTH_OK : first == 't' ? AUTH_TEMPFAIL : AUTH_FAILED;
}

enum auth_state auth_start(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	struct auth **auth_r, struct dir_auth_reply *reply_r)
{
	(void)c;
	if (strchr(rq->mechanism, 'X')) {
		*auth_r = NULL;
		return AUTH_BAD_MECHANISM;
	}
	*auth_r = mem_new(struct auth);
	return decide(auth_r, pool, rq->initial ? *rq->initial : SPAN_LIT("c"), reply_r);
}

enum auth_state auth_step(struct auth **auth, struct pool *pool, struct span data, struct dir_auth_reply *reply_r)
{
	return decide(auth, pool, data, reply_r);
}

void auth_cancel(struct auth **auth)
{
	mem_free(auth);
}

enum auth_state auth_password(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	const char *user, const char *password, struct dir_auth_reply *reply_r)
{
	struct span first = span_of(password);
	struct auth *a;
	(void)user;
	struct auth_request with = *rq;
	with.initial = &first;
	enum auth_state state = auth_start(c, pool, &with, &a, reply_r);
	if (state != AUTH_CONTINUE)
		return state;
	auth_cancel(&a);
	return AUTH_FAILED;
}

const char *auth_mechanisms(struct ipc_client *c, struct pool *pool, bool tls)
{
	(void)c;
	(void)pool;
	(void)tls;
	return "SCRAM-SHA-256 PLAIN LOGIN XTEST";
}

bool auth_is_listed(const char *list, bool binding, struct span mechanism)
{
	(void)binding;
	struct span rest = span_of(list), word;
	while (span_split(&rest, ' ', &word))
		if (word.n && span_ieq(word, mechanism))
			return true;
	return false;
}
