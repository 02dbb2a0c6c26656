#include "master/directoryd/directoryd.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

/*
 * SASL exchanges through libsasl2. The library calls back for secrets: SCRAM asks the auxiliary property plug-in below for
 * authPassword, PLAIN and LOGIN ask to check a password. Both callbacks run in the fiber of the call and may wait: the
 * library keeps no lock and each exchange has a connection object of its own.
 */
#define EXCHANGES_MAX     20000
#define EXCHANGE_MS       (2 * 60 * 1000)
#define EXCHANGE_STEPS    10    /* a client that never ends is cut off */
#define FAILURES_REMEMBERED_MAX 100000
#define FAILURE_DELAY_MAX 16    /* times the first delay */
#define FAILURE_FORGET_MS (10 * 60 * 1000)

struct exchange {
	struct list link; /* oldest first */
	uint64_t id;
	struct ipc_server_conn *conn;
	struct directoryd *d;
	sasl_conn_t *sasl;
	sasl_callback_t callbacks[3];
	struct pool *pool;
	const char *mechanism, *service, *remote_ip;
	int64_t until;
	unsigned steps;
	bool sha256, busy, dropped;
	sasl_channel_binding_t binding;
};

struct failures {
	unsigned count;
	int64_t last;
};

struct exchanges {
	struct directoryd *d;
	struct hash *by_id;
	struct list all;
	uint64_t next_id;
	struct hash *failures; /* remote address -> struct failures */
};

/* libsasl2 gives a property plug-in no context of its caller's: the exchange that is being stepped. Set around each call
 * into the library and again after each wait inside a callback. */
static struct exchange *current;

/* --- callbacks --- */

static const char *const plain_mechanisms = "PLAIN LOGIN";
static const char *const scram_mechanisms = "SCRAM-SHA-256 SCRAM-SHA-1";

static int option(void *context, const char *plugin, const char *name, const char **value_r,
	unsigned *length_r)
{
	static const struct {
		const char *name, *value;
	} options[] = {
		{"auxprop_plugin", "thurn"},
		{"pwcheck_method", "auxprop"},
		{"mech_list", "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN"},
		{"log_level", "1"},
	};
	(void)context;
	(void)plugin;
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strcmp(name, options[i].name) == 0) {
			*value_r = options[i].value;
			if (length_r)
				*length_r = (unsigned)strlen(options[i].value);
			return SASL_OK;
		}
	return SASL_FAIL;
}

static int say(void *context, int level, const char *text)
{
	(void)context;
	if (level <= SASL_LOG_ERR)
		log_warning("libsasl2: %s", text);
	return SASL_OK;
}

static const char *user_key(struct exchange *x, const char *user, size_t length)
{
	return name_parse(x->d, x->pool, pool_strndup(x->pool, user, length));
}

static int check_password(sasl_conn_t *sasl, void *context, const char *user, const char *password,
	unsigned length, struct propctx *properties)
{
	struct exchange *x = context;
	struct user_record record;
	(void)sasl;
	(void)properties;
	const char *key = user_key(x, user, strlen(user));
	int found = key ? records_user(x->d->records, x->pool, key, &record) : 0;
	bool right = found >= 0
		&& passwords_check(x->d->passwords, found == 1 ? &record : NULL, key ? key : "",
			password, length);
	current = x;
	return found < 0 ? SASL_UNAVAIL : right ? SASL_OK : SASL_BADAUTH;
}

/* The stored keys, or made-up ones for whom we don't know: the client learns nothing before its proof is wrong. */
static const char *scram_keys(struct exchange *x, const char *user, size_t length)
{
	struct user_record record;
	const char *key = user_key(x, user, length);
	int found = key ? records_user(x->d->records, x->pool, key, &record) : 0;
	current = x;
	if (found == 1 && !record.disabled && *record.scram256)
		return x->sha256 ? record.scram256 : record.scram1;
	return passwords_fake_scram(x->d->passwords, x->pool,
		key ? key : pool_strndup(x->pool, user, length), x->sha256);
}

static int look_up_properties(void *context, sasl_server_params_t *params, unsigned flags,
	const char *user, unsigned length)
{
	(void)context;
	struct exchange *x = current;
	if (flags & SASL_AUXPROP_AUTHZID)
		return SASL_OK; /* nothing is asked about whom to become */
	for (const struct propval *p = params->utils->prop_get(params->propctx); p && p->name; p++)
		if (strcmp(p->name, "*authPassword") == 0 && !p->values)
			params->utils->prop_set(
				params->propctx, p->name, scram_keys(x, user, length), -1);
	return SASL_OK;
}

static int plug_in(const sasl_utils_t *utils, int version, int *version_r,
	sasl_auxprop_plug_t **plug_r, const char *name)
{
	static sasl_auxprop_plug_t plug; /* the library's type is not const */
	(void)utils;
	(void)version;
	(void)name;
	plug.auxprop_lookup = look_up_properties;
	plug.name = (char *)(uintptr_t)"thurn";
	*version_r = SASL_AUXPROP_PLUG_VERSION;
	*plug_r = &plug;
	return SASL_OK;
}

int sasl_start(struct directoryd *d, const char **err_r)
{
	/* The library casts every callback to one type. */
	static const sasl_callback_t callbacks[] = {
		{SASL_CB_GETOPT, (int (*)(void))(uintptr_t)option, NULL},
		{SASL_CB_LOG, (int (*)(void))(uintptr_t)say, NULL},
		{SASL_CB_LIST_END, NULL, NULL},
	};
	if (sasl_server_init(callbacks, "thurn") != SASL_OK
		|| sasl_auxprop_add_plugin("thurn", plug_in) != SASL_OK) {
		*err_r = "libsasl2 can't be started.";
		return -1;
	}
	/* One connection made and thrown away loads what the library opens late (design rule 23). */
	sasl_conn_t *sasl;
	const char *names = NULL;
	if (sasl_server_new("smtp", "localhost", "", NULL, NULL, NULL, 0, &sasl) == SASL_OK) {
		sasl_listmech(sasl, NULL, "", " ", "", &names, NULL, NULL);
		if (!names || !strstr(names, "SCRAM-SHA-256") || !strstr(names, "PLAIN"))
			log_warning("SASL plug-ins are missing: libsasl2 offers only %s",
				names ? names : "nothing");
		sasl_dispose(&sasl);
	}
	struct exchanges *all = mem_new(struct exchanges);
	all->d = d;
	all->by_id = hash_new();
	all->failures = hash_new();
	list_init(&all->all);
	d->exchanges = all;
	return 0;
}

/* --- the life of an exchange --- */

static void forget(struct exchanges *all, struct exchange *x)
{
	hash_remove(all->by_id, hash_key_u64(&x->id));
	list_remove(&x->link);
	if (x->busy) {
		x->dropped = true; /* whoever steps it frees it */
		return;
	}
	sasl_dispose(&x->sasl);
	pool_free(&x->pool);
	mem_free(&x);
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

static void empty_failures(struct exchanges *all)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(all->failures, &at, &key, &value)) {
		mem_free(&value);
		hash_remove(all->failures, key);
	}
}

void sasl_stop(struct directoryd *d)
{
	struct exchanges *all = d->exchanges;
	list_each (at, &all->all)
		forget(all, list_entry(at, struct exchange, link));
	empty_failures(all);
	hash_free(&all->failures);
	hash_free(&all->by_id);
	mem_free(&d->exchanges);
	sasl_done();
}

/* Doubles with each failure from one address; forgotten after some quiet minutes. */
static uint64_t failure_delay(struct exchanges *all, const char *remote_ip)
{
	int64_t now = clock_mono_ms();
	struct failures *f = hash_find(all->failures, span_of(remote_ip));
	if (!f) {
		if (hash_count(all->failures) >= FAILURES_REMEMBERED_MAX)
			empty_failures(all);
		f = mem_new(struct failures);
		hash_set(all->failures, span_of(remote_ip), f);
	}
	if (now - f->last > FAILURE_FORGET_MS)
		f->count = 0;
	f->last = now;
	uint64_t times = f->count < 5 ? 1u << f->count : FAILURE_DELAY_MAX;
	f->count++;
	return (uint64_t)all->d->conf->failure_delay * (times < FAILURE_DELAY_MAX ? times : FAILURE_DELAY_MAX);
}

static struct exchange *exchange_new(struct directoryd *d, struct ipc_server_conn *conn,
	const struct dir_auth_start *rq)
{
	struct exchange *x = mem_new(struct exchange);
	struct exchanges *all = d->exchanges;
	forget_old(all);
	x->pool = pool_new("exchange");
	x->id = ++all->next_id;
	x->conn = conn;
	x->d = d;
	x->mechanism = pool_strdup(x->pool, rq->mechanism);
	x->service = pool_strdup(x->pool, rq->service);
	x->remote_ip = pool_strdup(x->pool, rq->remote_ip);
	x->sha256 = strstr(rq->mechanism, "256") != NULL;
	x->until = clock_mono_ms() + EXCHANGE_MS;
	x->callbacks[0] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS,
		(int (*)(void))(uintptr_t)check_password, x};
	x->callbacks[1] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	hash_set(all->by_id, hash_key_u64(&x->id), x);
	list_add_tail(&all->all, &x->link);
	return x;
}

static int exchange_begin(struct exchange *x, const struct dir_auth_start *rq)
{
	int rc = sasl_server_new(x->service, x->d->svc->common->hostname, "", NULL, NULL,
		x->callbacks, SASL_SUCCESS_DATA, &x->sasl);
	if (rc == SASL_OK && rq->binding.n) {
		x->binding.name = pool_strdup(x->pool, rq->binding_type);
		x->binding.data = pool_memdup(x->pool, rq->binding.p, rq->binding.n);
		x->binding.len = rq->binding.n;
		sasl_setprop(x->sasl, SASL_CHANNEL_BINDING, &x->binding);
	}
	return rc;
}

static void succeed(struct exchange *x, struct pool *pool, struct dir_auth_reply *reply)
{
	const void *user = NULL, *authenticated = NULL;
	struct user_record record;
	sasl_getprop(x->sasl, SASL_USERNAME, &user);
	sasl_getprop(x->sasl, SASL_AUTHUSER, &authenticated);
	const char *key = user ? name_parse(x->d, pool, user) : NULL;
	const char *by = authenticated ? name_parse(x->d, pool, authenticated) : NULL;
	reply->state = AUTH_FAILED;
	if (!key || !by || strcmp(key, by) != 0) {
		reply->text = "The authorization identity is another user's.";
		return;
	}
	if (records_user(x->d->records, pool, key, &record) != 1 || record.disabled) {
		reply->text = "There is no such user any more.";
		return;
	}
	reply->state = AUTH_OK;
	reply->user = key;
	reply->account = record.account;
	reply->ticket = tickets_issue(x->d->tickets, pool, key, record.account, x->service);
}

/* What a step of the library means to the caller; true when the exchange goes on. */
static bool conclude(struct exchange *x, struct pool *pool, int rc, const char *out, unsigned n,
	struct dir_auth_reply *reply)
{
	reply->data = out ? pool_copy(pool, span_make(out, n)) : span_of("");
	if (rc == SASL_CONTINUE && ++x->steps < EXCHANGE_STEPS) {
		reply->state = AUTH_CONTINUE;
		reply->id = x->id;
		return true;
	}
	if (rc == SASL_OK)
		succeed(x, pool, reply);
	else
		reply->state = rc == SASL_NOMECH				 ? AUTH_BAD_MECHANISM
			: rc == SASL_UNAVAIL || rc == SASL_NOMEM || rc == SASL_FAIL ? AUTH_TEMPFAIL
										  : AUTH_FAILED;
	if (reply->state == AUTH_FAILED) {
		if (!*reply->text)
			reply->text = pool_strdup(pool, sasl_errdetail(x->sasl));
		reply->delay_ms = failure_delay(x->d->exchanges, x->remote_ip);
		log_info("authentication failed service=%s mechanism=%s remote=%s delay=%d reason=%s",
			x->service, log_q(x->mechanism), x->remote_ip, (int)reply->delay_ms,
			log_q(reply->text));
	}
	return false;
}

static bool word_in(const char *words, const char *word)
{
	struct span rest = span_of(words), piece;
	while (span_split(&rest, ' ', &piece))
		if (span_iis(piece, word))
			return true;
	return false;
}

static const struct dir_auth_reply empty_reply = {.user = "", .account = "", .text = ""};

static void run_start(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_auth_start *start = body;
	struct dir_auth_reply reply = empty_reply;
	const char *out = NULL;
	unsigned n = 0;
	bool plain = word_in(plain_mechanisms, start->mechanism);
	if (!(plain && start->tls) && !word_in(scram_mechanisms, start->mechanism)) {
		reply.state = AUTH_BAD_MECHANISM;
		ipc_reply(conn, rq, &reply);
		return;
	}
	struct exchange *x = exchange_new(d, conn, start);
	int rc = exchange_begin(x, start);
	x->busy = true;
	current = x;
	if (rc == SASL_OK)
		rc = sasl_server_start(x->sasl, x->mechanism,
			start->has_initial ? start->initial.p : NULL, (unsigned)start->initial.n,
			&out, &n);
	x->busy = false;
	bool more = conclude(x, rq->pool, rc, out, n, &reply);
	if (!x->dropped)
		ipc_reply(conn, rq, &reply);
	if (!more || x->dropped)
		forget(d->exchanges, x);
}

static void run_step(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_auth_step *step = body;
	struct dir_auth_reply reply = empty_reply;
	struct exchange *x = hash_find(d->exchanges->by_id, hash_key_u64(&step->id));
	const char *out = NULL;
	unsigned n = 0;
	reply.state = AUTH_FAILED;
	if (!x || x->conn != conn || x->busy || step->cancel) {
		if (x && x->conn == conn && !x->busy)
			forget(d->exchanges, x);
		ipc_reply(conn, rq, &reply);
		return;
	}
	x->busy = true;
	current = x;
	int rc = sasl_server_step(x->sasl, step->data.p, (unsigned)step->data.n, &out, &n);
	x->busy = false;
	bool more = conclude(x, rq->pool, rc, out, n, &reply);
	if (!x->dropped)
		ipc_reply(conn, rq, &reply);
	if (!more || x->dropped)
		forget(d->exchanges, x);
}

static void run_mechanisms(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_mechanisms_request *request = body;
	struct dir_mechanisms_reply reply = {
		.names = request->tls ? pool_printf(rq->pool, "%s %s", scram_mechanisms,
						plain_mechanisms)
				      : scram_mechanisms};
	ipc_reply(conn, rq, &reply);
}

static void run_redeem(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_redeem_request *request = body;
	struct dir_redeem_reply reply = {.user = "", .account = ""};
	struct user_record record;
	reply.ok = tickets_redeem(d->tickets, rq->pool, request->ticket, request->service,
		&reply.user, &reply.account);
	if (reply.ok && records_user(d->records, rq->pool, reply.user, &record) == 1) {
		reply.quota_bytes = record.quota_bytes;
		reply.quota_messages = record.quota_messages;
	}
	ipc_reply(conn, rq, &reply);
}

const struct ipc_handler auth_handlers[] = {
	{&dir_auth_start_msg, &dir_auth_reply_msg, run_start, false},
	{&dir_auth_step_msg, &dir_auth_reply_msg, run_step, false},
	{&dir_mechanisms_request_msg, &dir_mechanisms_reply_msg, run_mechanisms, true},
	{&dir_redeem_request_msg, &dir_redeem_reply_msg, run_redeem, false},
};
const size_t auth_handlers_n = COUNT_OF(auth_handlers);
