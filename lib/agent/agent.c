#include <unistd.h>

#include "agent/line.h"
#include "base/log.h"

#define RECONNECT_MS 200
#define SUBMIT_MS    60000
#define NOTED_MS     4000 /* longest wait, at a stop, for qmgr to have the last results on record */
#define STOP_STEP_MS 20

/* --- segments --- */

static void segment_leave(struct segment *s)
{
	if (--s->refs)
		return;
	close(s->fd);
	mem_free(&s);
}

static void forget_segment(struct line *line, uint64_t id)
{
	struct segment *s = hash_remove(line->segments, hash_key_u64(&id));
	if (s)
		segment_leave(s);
}

static void forget_all_segments(struct line *line)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(line->segments, &at, &key, &value)) {
		hash_remove(line->segments, key);
		segment_leave(value);
	}
}

static void take_segment(struct line *line, struct ipc_frame *frame)
{
	struct agent_segment body;
	const char *err;
	struct pool *pool = pool_new("segment");
	int rc = ipc_parse(pool, &agent_segment_msg, frame->payload, &body, &err);
	pool_free(&pool);
	if (rc < 0 || (!body.gone && frame->nfds != 1))
		log_panic("agent: a segment that can't be");
	forget_segment(line, body.id);
	if (body.gone)
		return;
	struct segment *s = mem_new(struct segment);
	*s = (struct segment){.id = body.id, .fd = frame->fds[0], .refs = 1};
	frame->fds[0] = -1;
	hash_set(line->segments, hash_key_u64(&s->id), s);
}

/* --- a job --- */

void work_send_result(struct work *w)
{
	struct line *line = w->line;
	struct agent_work_outcome *v = pool_array(w->job.pool, w->job.n, sizeof(*v));
	struct agent_result result = {
		.job = w->id, .host_down = w->job.host_down, .outcomes = {v, w->job.n}};
	for (size_t i = 0; i < w->job.n; i++) {
		const struct outcome *o = &w->job.recipients[i].outcome;
		v[i] = (struct agent_work_outcome){.fate = o->fate,
			.status = o->status,
			.text = o->text,
			.remote_mta = o->remote_mta};
	}
	if (w->generation == line->generation)
		ipc_client_notify(line->qmgr, &agent_result_msg, &result, NULL, 0);
}

void work_free(struct work *w)
{
	struct pool *pool = w->job.pool;
	str_fini(&w->key);
	pool_free(&pool);
}

static void close_message(struct work *w)
{
	if (w->segment)
		segment_leave(w->segment);
	else if (w->job.fd >= 0)
		close(w->job.fd);
	w->segment = NULL;
	w->job.fd = -1;
}

static void deliver(void *arg)
{
	struct work *w = arg;
	struct service_ctx *svc = w->line->svc;
	log_context_swap(&w->log);
	w->line->agent->deliver(svc, &w->job);
	log_context_swap(NULL);
	close_message(w);
	work_send_result(w);
	memory_finished(w);
	service_conn_release(svc);
}

static int fill_recipients(struct work *w, const struct agent_work *body)
{
	const struct agent_work_recipient *from = body->recipients.v;
	if (body->recipients.n != w->envelope.nrecipient)
		return -1;
	w->job.n = body->recipients.n;
	w->job.recipients = pool_array(w->job.pool, w->job.n, sizeof(*w->job.recipients));
	for (size_t i = 0; i < w->job.n; i++) {
		struct agent_recipient *r = &w->job.recipients[i];
		r->address = from[i].address;
		r->account = from[i].account;
		r->envelope = &w->envelope.recipients[i];
		r->index = (uint32_t)i;
		r->limits.quota_bytes = from[i].quota_bytes;
		r->limits.quota_messages = from[i].quota_messages;
		r->outcome = outcome_make(FATE_DEFERRED, "4.3.0", "The delivery was not finished.");
		if (*body->reason)
			r->outcome = (struct outcome){.fate = (enum fate)from[i].fate,
				.status = from[i].status,
				.text = from[i].text,
				.remote_mta = from[i].remote_mta};
	}
	return 0;
}

/* The message's descriptor: one that came along, or the segment's. */
static int find_message(struct work *w, const struct agent_work *body, struct ipc_frame *frame)
{
	w->job.fd = -1;
	if (body->segment) {
		w->segment = hash_find(w->line->segments, hash_key_u64(&body->segment));
		if (!w->segment)
			return -1;
		w->segment->refs++;
		w->job.fd = w->segment->fd;
	} else if (frame->nfds == 1) {
		w->job.fd = frame->fds[0];
		frame->fds[0] = -1;
	}
	return w->job.fd < 0 ? -1 : 0;
}

static void fill_job(struct work *w, const struct agent_work *body)
{
	w->id = body->job;
	w->job.envelope = &w->envelope;
	w->job.at = body->at;
	w->job.size = body->size;
	w->job.attempt = body->attempt;
	w->job.destination = body->destination;
	w->job.reason = body->reason;
	w->job.retry_until = body->retry_until;
	w->log.trace = w->envelope.trace.s;
}

static void take_work(struct line *line, struct ipc_frame *frame)
{
	struct agent_work body;
	const char *err = "it does not hold together";
	struct pool *pool = pool_new("job");
	struct work *w = pool_new_of(pool, struct work);
	w->line = line;
	w->generation = line->generation;
	w->job.pool = pool;
	list_init(&w->link);
	if (ipc_parse(pool, &agent_work_msg, frame->payload, &body, &err) < 0 ||
		envelope_parse(body.envelope, pool, &w->envelope) < 0 ||
		fill_recipients(w, &body) < 0 || find_message(w, &body, frame) < 0)
		log_panic("agent: a job that can't be: %s", err); /* qmgr and we differ: a bug */
	fill_job(w, &body);
	if (memory_takes(line, w)) {
		close_message(w);
		work_free(w);
		return;
	}
	memory_started(w);
	service_conn_hold(line->svc);
	fiber_start("deliver", deliver, w);
}

static void take_noted(struct line *line, struct ipc_frame *frame)
{
	struct agent_noted body;
	const char *err;
	struct pool *pool = pool_new("noted");
	if (ipc_parse(pool, &agent_noted_msg, frame->payload, &body, &err) == 0)
		memory_noted(line, body.results);
	pool_free(&pool);
}

static void take_notice(void *arg, struct ipc_frame *frame)
{
	struct line *line = arg;
	if (line->over)
		return; /* qmgr gives what it sent too late to others when this line ends */
	if (frame->type == agent_work_msg.type)
		take_work(line, frame);
	else if (frame->type == agent_segment_msg.type)
		take_segment(line, frame);
	else if (frame->type == agent_noted_msg.type)
		take_noted(line, frame);
}

/* --- the line --- */

static void line_ended(void *arg)
{
	struct line *line = arg;
	line->connected = false;
	line->generation++;
	forget_all_segments(line);
	memory_line_ended(line);
	fiber_wake_all(&line->ended);
}

static void say_hello(struct line *line, unsigned capacity)
{
	struct agent_hello hello = {
		.name = line->agent->name, .capacity = capacity, .segments = line->agent->segments};
	ipc_client_notify(line->qmgr, &agent_hello_msg, &hello, NULL, 0);
}

static void connect_once(struct line *line)
{
	const char *err;
	struct pool *pool = pool_new("connect");
	if (ipc_client_open(line->qmgr, pool, io_deadline(IPC_CALL_MS), &err) == 0) {
		line->connected = true;
		say_hello(line, line->agent->concurrency);
	}
	pool_free(&pool);
}

static void keep_connected(void *arg)
{
	struct line *line = arg;
	while (!line->svc->stopping) {
		connect_once(line);
		while (line->connected && !line->svc->stopping)
			fiber_wait(&line->ended, IO_FOREVER);
		if (!line->svc->stopping)
			io_sleep(RECONNECT_MS);
	}
}

/* What is under way is finished, nothing new begins; the last results are to reach qmgr. */
static void watch_stop(void *arg)
{
	struct line *line = arg;
	while (!line->svc->stopping)
		fiber_wait(service_stop_cond(line->svc), IO_FOREVER);
	service_conn_hold(line->svc);
	say_hello(line, 0);
	while (!list_is_empty(&line->running))
		io_sleep(STOP_STEP_MS);
	for (int i = 0; i < NOTED_MS / STOP_STEP_MS && !list_is_empty(&line->unnoted); i++)
		io_sleep(STOP_STEP_MS);
	line->over = true;
	io_sleep(STOP_STEP_MS);
	fiber_wake_all(&line->ended);
	service_conn_release(line->svc);
}

int agent_start(struct service_ctx *svc, const struct agent *agent, const char **err_r)
{
	(void)err_r;
	struct line *line = pool_new_of(svc->pool, struct line);
	line->svc = svc;
	line->agent = agent;
	line->segments = hash_new();
	memory_init(line);
	line->qmgr = service_ipc_client(svc, "queue-agent");
	ipc_client_on_notice(line->qmgr, take_notice, line);
	ipc_client_on_end(line->qmgr, line_ended, line);
	fiber_start("agent line", keep_connected, line);
	fiber_start("agent stop", watch_stop, line);
	return 0;
}

int agent_submit(struct service_ctx *svc, struct agent_job *job, const char *step,
	const struct envelope *env, struct span message, const char **err_r)
{
	(void)svc;
	struct work *w = container_of(job, struct work, job);
	struct str envelope = STR_IN(job->pool);
	struct agent_submit_reply reply;
	*err_r = "qmgr, whose job this was, is gone.";
	if (w->generation != w->line->generation)
		return -1;
	envelope_put(&envelope, env);
	struct agent_submit_request rq = {
		.job = w->id, .step = step, .envelope = str_span(&envelope), .message = message};
	struct ipc_call call = {.request = &agent_submit_request_msg,
		.body = &rq,
		.reply_type = &agent_submit_reply_msg,
		.reply = &reply,
		.deadline = io_deadline(SUBMIT_MS)};
	return ipc_client_call(w->line->qmgr, job->pool, &call, err_r) == 0 ? 0 : -1;
}
