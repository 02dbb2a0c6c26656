#include "master/directoryd/directoryd.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "os/os.h"

/*
 * SASL exchanges under way, by number. A step waits for look-ups and hashes; meanwhile the exchange is busy: nobody else
 * steps it and nobody frees it. Numbers start at a random place, so that a client's next step after a restart of this
 * process never meets another client's exchange.
 */
#define EXCHANGES_MAX  20000 /* past it the oldest goes */
#define EXCHANGE_MS    (2 * 60 * 1000)
#define EXCHANGE_STEPS 10    /* a client that never ends is cut off */

struct exchange {
	struct list link; /* oldest first */
	uint64_t id;
	struct ipc_server_conn *conn;
	struct sasl_exchange sasl;
	struct pool *pool;
	const char *mechanism, *service, *remote_ip;
	int64_t until;
	unsigned steps;
	bool busy, dropped; /* dropped: whoever steps it frees it */
};

struct exchanges {
	struct directoryd *d;
	struct hash *by_id;
	struct list all;
	uint64_t next_id;
	struct delays *delays;
};

struct exchanges *exchanges_new(struct directoryd *d)
{
	struct exchanges *all = mem_new(struct exchanges);
	all->d = d;
	all->by_id = hash_new();
	all->delays = delays_new(d->conf->failure_delay);
	os_random(&all->next_id, sizeof(all->next_id));
	list_init(&all->all);
	return all;
}

static void exchange_free(struct exchange *x)
{
	sasl_exchange_fini(&x->sasl);
	pool_free(&x->pool);
	mem_free(&x);
}

static void forget(struct exchanges *all, struct exchange *x)
{
	if (!x->dropped) {
		hash_remove(all->by_id, hash_key_u64(&x->id));
		list_remove(&x->link);
	}
	x->dropped = true;
	if (!x->busy)
		exchange_free(x);
}

static void forget_old(struct exchanges *all)
{
	int64_t now = clock_mono_ms();
	list_each (at, &all->all) {
		struct exchange *x = list_entry(at, struct exchange, link);
		if (x->until > now && hash_count(all->by_id) < EXCHANGES_MAX)
			break;
		forget(all, x);
	}
}

void exchanges_drop(struct ipc_server_conn *conn)
{
	struct exchanges *all = ((struct directoryd *)ipc_conn_arg(conn))->exchanges;
	list_each (at, &all->all) {
		struct exchange *x = list_entry(at, struct exchange, link);
		if (x->conn == conn)
			forget(all, x);
	}
}

void exchanges_free(struct exchanges **all)
{
	if (!*all)
		return;
	list_each (at, &(*all)->all)
		forget(*all, list_entry(at, struct exchange, link));
	hash_free(&(*all)->by_id);
	delays_free(&(*all)->delays);
	mem_free(all);
}

bool exchanges_are_under_way(const struct exchanges *all)
{
	const struct exchange *youngest = list_entry(all->all.prev, struct exchange, link);
	return !list_is_empty(&all->all) && youngest->until > clock_mono_ms();
}

void exchanges_set_delay(struct exchanges *all, int64_t first_ms)
{
	delays_set_first(all->delays, first_ms);
}

/* NULL: the library refuses to begin. */
static struct exchange *exchange_new(struct exchanges *all, struct ipc_server_conn *conn,
	const struct dir_auth_start *rq)
{
	struct exchange *x = mem_new(struct exchange);
	forget_old(all);
	x->pool = pool_new("exchange");
	x->id = all->next_id++;
	x->conn = conn;
	x->mechanism = pool_strdup(x->pool, rq->mechanism);
	x->service = pool_strdup(x->pool, rq->service);
	x->remote_ip = pool_strdup(x->pool, rq->remote_ip);
	x->until = clock_mono_ms() + EXCHANGE_MS;
	hash_set(all->by_id, hash_key_u64(&x->id), x);
	list_add_tail(&all->all, &x->link);
	if (sasl_exchange_init(&x->sasl, all->d, x->pool, x->mechanism, x->service) == 0)
		return x;
	forget(all, x);
	return NULL;
}

/* Kept for the step that may bring the message which names one. */
static void keep_bindings(struct exchange *x, const struct ipc_list *bindings)
{
	const struct dir_binding *from = bindings->v;
	struct dir_binding *v = pool_array(x->pool, bindings->n, sizeof(*v));
	for (size_t i = 0; i < bindings->n; i++)
		v[i] = (struct dir_binding){
			pool_strdup(x->pool, from[i].type), pool_copy(x->pool, from[i].data)};
	x->sasl.bindings = (struct ipc_list){v, bindings->n};
}

/* The library is satisfied; NULL, or why the login is refused nevertheless. */
static const char *succeed(struct exchanges *all, struct exchange *x, struct pool *pool,
	struct dir_auth_reply *reply)
{
	struct user_record record;
	const char *err;
	const char *key = sasl_exchange_user(&x->sasl, pool, &err);
	if (!key)
		return err;
	if (!records_user(all->d->records, pool, key, &record) || record.disabled)
		return "There is no such user any more.";
	if (!sasl_exchange_holds(&x->sasl, &record)) /* a client may take its time for the last step */
		return "The password has changed meanwhile.";
	reply->state = AUTH_OK;
	reply->user = key;
	reply->account = record.account;
	reply->ticket = tickets_issue(all->d->tickets, pool, key, record.account, x->service);
	return NULL;
}

/* The client is told at a time that depends on nothing but its earlier failures: what was spent on hashing counts. */
static void fail(struct exchanges *all, struct exchange *x, struct pool *pool, const char *why, int64_t began,
	struct dir_auth_reply *reply)
{
	int64_t delay = delays_failure(all->delays, x->remote_ip);
	int64_t left = delay - (clock_mono_ms() - began);
	reply->state = AUTH_FAILED;
	reply->text = pool_strdup(pool, why);
	reply->delay_ms = left > 0 ? (uint64_t)left : 0;
	log_info("authentication failed service=%s mechanism=%s user=%s remote=%s delay=%lld reason=%s",
		x->service, log_q(x->mechanism), log_q(x->sasl.name ? x->sasl.name : ""), x->remote_ip,
		(long long)delay, log_q(reply->text));
}

/* What a step of the library means to the caller; true when the exchange goes on. */
static bool conclude(struct exchanges *all, struct exchange *x, struct pool *pool, enum sasl_state state,
	int64_t began, struct dir_auth_reply *reply)
{
	const char *why = NULL;
	switch (state) {
	case SASL_STATE_MORE:
		if (++x->steps < EXCHANGE_STEPS) {
			reply->state = x->dropped ? AUTH_TEMPFAIL : AUTH_CONTINUE;
			reply->id = x->id;
			return !x->dropped;
		}
		why = "The exchange does not end.";
		break;
	case SASL_STATE_DONE:
		why = succeed(all, x, pool, reply);
		break;
	case SASL_STATE_NO_MECHANISM:
		reply->state = AUTH_BAD_MECHANISM;
		return false;
	case SASL_STATE_REFUSED:
		why = sasl_exchange_error(&x->sasl);
		break;
	}
	if (why)
		fail(all, x, pool, why, began, reply);
	return false;
}

static const struct dir_auth_reply empty_reply = {.user = "", .account = "", .text = ""};

/* One message of the client; NULL: none came with the start. */
static void turn(struct exchange *x, struct ipc_request *rq, const struct span *message)
{
	struct ipc_server_conn *conn = x->conn;
	struct exchanges *all = ((struct directoryd *)ipc_conn_arg(conn))->exchanges;
	struct dir_auth_reply reply = empty_reply;
	struct span answer;
	int64_t began = clock_mono_ms();
	x->busy = true;
	enum sasl_state state = message && x->steps
		? sasl_exchange_step(&x->sasl, *message, &answer)
		: sasl_exchange_begin(&x->sasl, x->mechanism, message, &answer);
	if (message) /* it may be a password */
		OPENSSL_cleanse((char *)(uintptr_t)message->p, message->n);
	bool more = conclude(all, x, rq->pool, state, began, &reply);
	if (reply.state == AUTH_CONTINUE || reply.state == AUTH_OK)
		reply.data = pool_copy(rq->pool, answer);
	ipc_reply(conn, rq, &reply);
	x->busy = false;
	if (!more)
		forget(all, x);
}

/* --- calls --- */

static bool word_in(const char *words, const char *word)
{
	struct span rest = span_of(words), piece;
	while (span_split(&rest, ' ', &piece))
		if (span_iis(piece, word))
			return true;
	return false;
}

static bool is_offered(const struct dir_auth_start *rq)
{
	return word_in(SASL_SCRAM_MECHANISMS, rq->mechanism)
		|| (rq->bindings.n && word_in(SASL_PLUS_MECHANISMS, rq->mechanism))
		|| (rq->tls && word_in(SASL_PLAIN_MECHANISMS, rq->mechanism));
}

static void refuse(struct ipc_server_conn *conn, struct ipc_request *rq, enum auth_state state)
{
	struct dir_auth_reply reply = empty_reply;
	reply.state = state;
	ipc_reply(conn, rq, &reply);
}

static void run_start(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_auth_start *start = body;
	struct exchange *x = is_offered(start) ? exchange_new(d->exchanges, conn, start) : NULL;
	if (!x) {
		refuse(conn, rq, is_offered(start) ? AUTH_TEMPFAIL : AUTH_BAD_MECHANISM);
		return;
	}
	keep_bindings(x, &start->bindings);
	turn(x, rq, start->has_initial ? &start->initial : NULL);
}

static void run_step(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_auth_step *step = body;
	struct exchange *x = hash_find(d->exchanges->by_id, hash_key_u64(&step->id));
	if (x && x->conn == conn && !x->busy && !step->cancel) {
		turn(x, rq, &step->data);
		return;
	}
	if (x && x->conn == conn && !x->busy)
		forget(d->exchanges, x);
	/* Not known: it took too long, or began before this process did. */
	refuse(conn, rq, step->cancel ? AUTH_FAILED : AUTH_TEMPFAIL);
}

static void run_mechanisms(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	static const struct dir_mechanisms_reply with_tls = {
		SASL_PLUS_MECHANISMS " " SASL_SCRAM_MECHANISMS " " SASL_PLAIN_MECHANISMS};
	static const struct dir_mechanisms_reply without_tls = {SASL_SCRAM_MECHANISMS};
	const struct dir_mechanisms_request *request = body;
	ipc_reply(conn, rq, request->tls ? &with_tls : &without_tls);
}

/* The user may have gone since the login, even another of the name may have come. */
static bool may_use(struct directoryd *d, struct pool *pool, const char *user, const char *account,
	struct user_record *record_r)
{
	return records_user(d->records, pool, user, record_r) && !record_r->disabled &&
	       strcmp(record_r->account, account) == 0;
}

static void run_redeem(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_redeem_request *request = body;
	struct dir_redeem_reply reply = {.user = "", .account = ""};
	struct user_record record;
	reply.ok = tickets_redeem(d->tickets, rq->pool, request->ticket, request->service, &reply.user,
			   &reply.account) &&
		   may_use(d, rq->pool, reply.user, reply.account, &record);
	if (reply.ok) {
		reply.quota_bytes = record.quota_bytes;
		reply.quota_messages = record.quota_messages;
	}
	ipc_reply(conn, rq, &reply);
}

static void run_check(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_check_request *request = body;
	struct user_record record;
	struct dir_check_reply reply = {
		.ok = strlen(request->user) <= NAME_OCTETS_MAX &&
		      may_use(ipc_conn_arg(conn), rq->pool, request->user, request->account, &record)};
	ipc_reply(conn, rq, &reply);
}

const struct ipc_handler auth_handlers[] = {
	{&dir_auth_start_msg, &dir_auth_reply_msg, run_start, false},
	{&dir_auth_step_msg, &dir_auth_reply_msg, run_step, false},
	{&dir_mechanisms_request_msg, &dir_mechanisms_reply_msg, run_mechanisms, true},
	{&dir_redeem_request_msg, &dir_redeem_reply_msg, run_redeem, false},
	{&dir_check_request_msg, &dir_check_reply_msg, run_check, false},
};
const size_t auth_handlers_n = COUNT_OF(auth_handlers);
