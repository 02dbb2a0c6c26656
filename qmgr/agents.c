#include "qmgr/agents.h"

#include "agent/agent.h"
#include "mail/outcome.h"
#include "qmgr/copies.h"
#include "qmgr/ledger.h"
#include "queue/agent_messages.h"
#include "queue/messages.h"

struct agents {
	struct dispatch *d;
	struct list conns;
	uint64_t next_id;
	size_t busy;
};

struct agent_conn {
	struct list link;
	struct agents *agents;
	struct ipc_server_conn *conn;
	enum agent_kind kind;
	size_t capacity, busy;
	bool segments;
	struct hash *known;		  /* segments it has */
	struct hash *jobs;		  /* by id */
	uint64_t results, settled, noted; /* taken in; on record; said to the agent */
};

/* Who may say that it is which agent. */
static const char *const agent_users[AGENT_KINDS] = {
	[AGENT_LOCAL] = "store", [AGENT_SMTP] = "smtp", [AGENT_BOUNCE] = "queue"};

struct agents *agents_new(struct dispatch *d)
{
	struct agents *a = mem_new(struct agents);
	a->d = d;
	list_init(&a->conns);
	return a;
}

size_t agents_busy(const struct agents *a)
{
	return a->busy;
}

struct agent_conn *agents_free(struct agents *a, enum agent_kind kind, uint64_t affinity)
{
	struct agent_conn *best = NULL, *all[64];
	size_t n = 0;
	list_each (l, &a->conns) {
		struct agent_conn *c = list_entry(l, struct agent_conn, link);
		if (c->kind != kind || !c->capacity || !ipc_is_open(ipc_conn_ipc(c->conn)))
			continue;
		if (n < COUNT_OF(all))
			all[n++] = c;
		if (c->busy < c->capacity && (!best || c->busy < best->busy))
			best = c;
	}
	/* The same account goes to the same process as long as that has room. */
	if (n && kind == AGENT_LOCAL && all[affinity % n]->busy < all[affinity % n]->capacity)
		return all[affinity % n];
	return best;
}

/* --- sending --- */

static int send_segment(struct agent_conn *conn, struct segment *s)
{
	struct agent_segment body = {.id = s->id};
	if (hash_find(conn->known, hash_key_u64(&s->id)))
		return 0;
	int fd = segment_shared(s);
	if (fd < 0 || ipc_send(ipc_conn_ipc(conn->conn), &agent_segment_msg, 0, &body, &fd, 1) < 0)
		return -1;
	hash_set(conn->known, hash_key_u64(&s->id), conn);
	return 0;
}

/* The envelope with just the recipients of the job. */
static struct span envelope_of(const struct job *job, struct str *out)
{
	const struct message *m = job->m;
	struct envelope e = m->env;
	struct recipient *v = pool_array(out->pool, job->n, sizeof(*v));
	for (size_t i = 0; i < job->n; i++) {
		const struct queue_recipient *r = &m->rcpts.v[job->v[i].index];
		v[i] = (struct recipient){.address = r->address,
			.orcpt = m->env.recipients[r->origin].orcpt,
			.notify = r->notify};
	}
	e.sender = job->sender;
	e.recipients = v;
	e.nrecipient = job->n;
	envelope_put(out, &e);
	return str_span(out);
}

static struct ipc_list recipients_of(const struct job *job, struct pool *pool)
{
	const struct message *m = job->m;
	struct agent_work_recipient *v = pool_array(pool, job->n, sizeof(*v));
	for (size_t i = 0; i < job->n; i++) {
		const struct queue_recipient *r = &m->rcpts.v[job->v[i].index];
		v[i] = (struct agent_work_recipient){.address = r->address,
			.account = job->v[i].account,
			.quota_bytes = job->v[i].quota_bytes,
			.quota_messages = job->v[i].quota_messages,
			.fate = r->last.fate,
			.status = r->last.status,
			.text = r->last.text,
			.remote_mta = r->last.remote_mta};
	}
	return (struct ipc_list){v, job->n};
}

static int send_work(struct agent_conn *conn, struct job *job, int fd)
{
	const struct message *m = job->m;
	struct pool *pool = pool_new("work");
	struct str envelope = STR_IN(pool);
	struct agent_work body = {
		.job = job->id,
		.segment = conn->segments ? m->segment->id : 0,
		.at = conn->segments ? m->body_at : 0,
		.size = m->body_size,
		.attempt = m->attempts + 1,
		.envelope = envelope_of(job, &envelope),
		.destination = job->host,
		.reason = job->reason,
		.retry_until = message_expires(m->q, m->env.sender, m->env.arrival_us / 1000000),
		.recipients = recipients_of(job, pool),
	};
	int rc = ipc_send(
		ipc_conn_ipc(conn->conn), &agent_work_msg, 0, &body, &fd, conn->segments ? 0 : 1);
	pool_free(&pool);
	return rc;
}

static void give(struct agent_conn *conn, struct job *job)
{
	job->id = ++conn->agents->next_id;
	job->conn = conn;
	conn->busy++;
	conn->agents->busy++;
	hash_set(conn->jobs, hash_key_u64(&job->id), job);
	if (!conn->segments)
		copies_hold(job->m->q->copies, job->m);
}

static struct job *take_back(struct agent_conn *conn, uint64_t id)
{
	struct job *job = hash_remove(conn->jobs, hash_key_u64(&id));
	if (!job)
		return NULL;
	conn->busy--;
	conn->agents->busy--;
	if (!conn->segments)
		copies_leave(job->m->q->copies, job->m);
	return job;
}

/* What the connection, if it is still there, does not take for reasons of the message's own is
 * back. */
static bool is_back(struct agent_conn *conn, struct job *job, int rc)
{
	if (rc == 0 || !ipc_is_open(ipc_conn_ipc(conn->conn)))
		return false; /* a connection that just ended gives its jobs back by itself */
	take_back(conn, job->id);
	return true;
}

struct copying {
	struct agent_conn *conn;
	struct job *job;
	uint64_t id;
};

/* The agent may go meanwhile, and the job to another one. */
static void copy_and_send(void *arg)
{
	struct copying c = *(struct copying *)arg;
	struct message *m = c.job->m;
	struct qmgr *q = m->q;
	mem_free(&arg);
	int rc = copies_make(q->copies, m);
	copies_leave(q->copies, m);
	m->jobs--;
	if (c.job->id != c.id || c.job->conn != c.conn)
		message_step(m);
	else if (is_back(c.conn, c.job, rc < 0 ? rc : send_work(c.conn, c.job, m->copy.fd)))
		dispatch_unreadable(q->dispatch, c.job);
}

/* A large message is copied by a fiber of its own: the others' deliveries go on. */
static void send_later(struct agent_conn *conn, struct job *job)
{
	struct copying *c = mem_new(struct copying);
	*c = (struct copying){.conn = conn, .job = job, .id = job->id};
	job->m->jobs++; /* so that it, and the job in its pool, stay */
	copies_hold(job->m->q->copies, job->m);
	fiber_start("copy", copy_and_send, c);
}

static int send_now(struct agent_conn *conn, struct job *job)
{
	struct message *m = job->m;
	int rc = conn->segments ? send_segment(conn, m->segment) : copies_make(m->q->copies, m);
	return rc < 0 ? rc : send_work(conn, job, m->copy.fd);
}

int agents_send(struct agent_conn *conn, struct job *job)
{
	give(conn, job);
	if (!conn->segments && copies_lane(job->m) == LANE_LARGE)
		send_later(conn, job);
	else if (is_back(conn, job, send_now(conn, job)))
		return -1;
	return 0;
}

void agents_forget_segment(struct dispatch *d, uint64_t id)
{
	struct agent_segment body = {.id = id, .gone = true};
	list_each (l, &dispatch_agents(d)->conns) {
		struct agent_conn *c = list_entry(l, struct agent_conn, link);
		if (hash_remove(c->known, hash_key_u64(&id)))
			ipc_send(ipc_conn_ipc(c->conn), &agent_segment_msg, 0, &body, NULL, 0);
	}
}

void agents_note(struct agents *a)
{
	list_each (l, &a->conns) {
		struct agent_conn *c = list_entry(l, struct agent_conn, link);
		struct agent_noted body = {.results = c->settled};
		if (c->settled > c->noted)
			ipc_send(ipc_conn_ipc(c->conn), &agent_noted_msg, 0, &body, NULL, 0);
		c->noted = c->settled;
		c->settled = c->results;
	}
}

/* --- what agents say --- */

static struct agent_conn *conn_of(struct ipc_server_conn *conn)
{
	struct qmgr *q = ipc_conn_arg(conn);
	struct agent_conn *c = ipc_conn_data(conn);
	if (c)
		return c;
	c = mem_new(struct agent_conn);
	c->agents = dispatch_agents(q->dispatch);
	c->conn = conn;
	c->known = hash_new();
	c->jobs = hash_new();
	list_add_tail(&c->agents->conns, &c->link);
	ipc_conn_set_data(conn, c);
	return c;
}

static bool may_be(struct ipc_server_conn *conn, enum agent_kind kind)
{
	struct qmgr *q = ipc_conn_arg(conn);
	const char *user = service_uid_user(q->svc, (uid_t)ipc_peer_uid(ipc_conn_ipc(conn)));
	return user && (strcmp(user, agent_users[kind]) == 0 || strcmp(user, "root") == 0);
}

static void run_hello(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	(void)rq;
	const struct agent_hello *hello = body;
	for (enum agent_kind kind = 0; kind < AGENT_KINDS; kind++) {
		if (strcmp(hello->name, agent_names[kind]) != 0 || !may_be(conn, kind))
			continue;
		struct agent_conn *c = conn_of(conn);
		c->kind = kind;
		c->capacity =
			hello->capacity < AGENT_CAPACITY_MAX ? hello->capacity : AGENT_CAPACITY_MAX;
		c->segments = hello->segments && kind != AGENT_SMTP;
		log_debug("agent is here name=%s capacity=%zu", hello->name, c->capacity);
		dispatch_kick(c->agents->d);
		return;
	}
	log_error("a process that may not says it is an agent name=%s uid=%d", log_q(hello->name),
		ipc_peer_uid(ipc_conn_ipc(conn)));
}

static struct outcome outcome_of(const struct agent_work_outcome *w)
{
	struct outcome o = {.fate = (enum fate)w->fate,
		.status = w->status,
		.text = w->text,
		.remote_mta = w->remote_mta};
	if (w->fate <= FATE_FAILED && outcome_is_valid(&o))
		return o;
	log_error("an agent's outcome is none fate=%u status=%s", w->fate, log_q(w->status));
	return outcome_make(FATE_DEFERRED, "4.3.0", "The delivery agent gave no valid answer.");
}

static void run_result(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct agent_result *result = body;
	const struct agent_work_outcome *from = result->outcomes.v;
	struct agent_conn *c = ipc_conn_data(conn);
	struct job *job = c ? take_back(c, result->job) : NULL;
	if (c)
		c->results++;
	if (!job)
		return;
	struct outcome *v = pool_array(rq->pool, job->n, sizeof(*v));
	static const struct agent_work_outcome none = {.fate = FATE_DEFERRED,
		.status = "4.3.0",
		.text = "The delivery agent gave no answer.",
		.remote_mta = ""};
	for (size_t i = 0; i < job->n; i++)
		v[i] = outcome_of(i < result->outcomes.n ? &from[i] : &none);
	dispatch_result(c->agents->d, job, v, result->host_down);
}

/* --- mail made of mail --- */

/* As an attribute of the child, so that the scanner knows what it is (rule 5). */
static void name_parent(
	struct envelope *env, struct pool *pool, const char *parent, const char *step)
{
	struct attribute *v = pool_array(pool, env->nattribute + 2, sizeof(*v));
	for (size_t i = 0; i < env->nattribute; i++)
		v[i] = env->attributes[i];
	v[env->nattribute++] = (struct attribute){ATTRIBUTE_PARENT, parent};
	v[env->nattribute++] = (struct attribute){ATTRIBUTE_STEP, step};
	env->attributes = v;
}

static int append_child(
	struct qmgr *q, const struct envelope *env, struct span message, const char **err_r)
{
	struct submission *s = submission_new(q->own);
	submission_write(s, message.p, message.n);
	return submission_commit(&s, env, SPAN_LIT(""), err_r) == SUBMIT_OK ? 0 : -1;
}

static void make_child(struct ipc_server_conn *conn, struct ipc_request *rq,
	const struct agent_submit_request *body, const char *parent, struct envelope *env)
{
	struct qmgr *q = ipc_conn_arg(conn);
	struct agent_submit_reply reply = {.trace = env->trace.s};
	const char *err;
	if (ledger_has_child(q->ledger, parent, body->step)) {
		ipc_reply(conn, rq, &reply);
		return;
	}
	name_parent(env, rq->pool, parent, body->step);
	if (append_child(q, env, body->message, &err) < 0) {
		ipc_refuse(conn, rq, err);
		return;
	}
	ledger_add_child(q->ledger, parent, body->step);
	spool_check(q->spool);
	ipc_reply(conn, rq, &reply);
}

static void run_submit(struct ipc_server_conn *conn, struct ipc_request *rq, void *arg)
{
	const struct agent_submit_request *body = arg;
	struct agent_conn *c = ipc_conn_data(conn);
	struct job *job = c ? hash_find(c->jobs, hash_key_u64(&body->job)) : NULL;
	struct envelope env;
	if (c && c->kind == AGENT_SMTP) { /* it reads strangers' replies, and writes nothing */
		ipc_refuse(conn, rq, "This agent makes no mail.");
		return;
	}
	if (!job || !*body->step || envelope_parse(body->envelope, rq->pool, &env) < 0) {
		ipc_refuse(
			conn, rq, "The new message belongs to no job, or its envelope is damaged.");
		return;
	}
	struct message *m = job->m;
	const char *parent = pool_strdup(rq->pool, m->env.trace.s);
	queue_child_trace(parent, body->step, &env.trace);
	m->parent = true;
	struct log_context log = {.trace = parent};
	struct log_context *before = log_context_swap(&log);
	log_info("made a message of this one step=%s child=%s", body->step, env.trace.s);
	make_child(conn, rq, body, parent, &env);
	log_context_swap(before);
}

/* --- connections --- */

static const struct ipc_handler handlers[] = {
	{&agent_hello_msg, NULL, run_hello, true},
	{&agent_result_msg, NULL, run_result, true},
	{&agent_submit_request_msg, &agent_submit_reply_msg, run_submit, false},
};

static void gone(struct ipc_server_conn *conn)
{
	struct agent_conn *c = ipc_conn_data(conn);
	size_t at = 0;
	struct span key;
	void *value;
	if (!c)
		return;
	struct agents *a = c->agents;
	list_remove(&c->link);
	if (c->busy)
		log_warning("an agent ended with jobs, which go to others agent=%s jobs=%zu",
			agent_names[c->kind], c->busy);
	while (hash_next(c->jobs, &at, &key, &value)) {
		struct job *job = value;
		take_back(c, job->id);
		dispatch_again(a->d, job);
	}
	hash_free(&c->jobs);
	hash_free(&c->known);
	mem_free(&c);
}

void agents_serve(struct qmgr *q, int fd)
{
	ipc_serve(fd, handlers, COUNT_OF(handlers), q, gone);
}
