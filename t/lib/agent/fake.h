/*
 * A qmgr that the test plays and a service engine of a few lines: what lib/agent needs around it.
 * The functions of service.h that it calls are defined here, so that the library's stay out.
 */
#ifndef TEST_AGENT_FAKE_H
#define TEST_AGENT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/ipc.h"
#include "queue/agent_messages.h"
#include "service/service.h"

#define WAIT_MS	      30000
#define DELIVERED_MAX 64
#define RUNS_MAX      16

struct fake {
	struct service_ctx svc;
	struct fiber_cond stop;
	unsigned holds;
	bool away;	  /* no connection is to be had */
	struct ipc *qmgr; /* our side of the line */
	int fresh;	  /* the same before its first use, -1 none */
	struct ipc_frame frame;
	struct pool *pool;
	/* deliveries */
	bool gate; /* closed: deliveries wait */
	struct fiber_cond opened;
	unsigned began, ended;
	struct agent_job *jobs[DELIVERED_MAX]; /* while they run */
	char text[DELIVERED_MAX][32];	       /* what they read */
	bool host_down, unfilled;
};

static inline struct fake *fake_of(struct service_ctx *svc)
{
	return svc->state;
}

/* --- the engine --- */

static inline int fake_connect(void *arg)
{
	struct fake *f = arg;
	int pair[2];
	if (f->away)
		return -1;
	assert_int_equal(f->fresh, -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	f->fresh = pair[1];
	return pair[0];
}

struct ipc_client *service_ipc_client(struct service_ctx *svc, const char *unix_name)
{
	assert_string_equal(unix_name, "queue-agent");
	return ipc_client_new_connector(fake_connect, fake_of(svc));
}

void service_conn_hold(struct service_ctx *svc)
{
	fake_of(svc)->holds++;
}

void service_conn_release(struct service_ctx *svc)
{
	assert_true(fake_of(svc)->holds > 0);
	fake_of(svc)->holds--;
}

struct fiber_cond *service_stop_cond(struct service_ctx *svc)
{
	return &fake_of(svc)->stop;
}

/* --- waiting --- */

#define fake_until(f, condition)                                                                   \
	do {                                                                                       \
		int64_t until_ = clock_mono_ms() + WAIT_MS;                                        \
		while (!(condition) && clock_mono_ms() < until_)                                   \
			io_sleep(1);                                                               \
		assert_true(condition);                                                            \
	} while (0)

/* --- deliveries --- */

static inline void fake_deliver(struct service_ctx *svc, struct agent_job *job)
{
	struct fake *f = fake_of(svc);
	unsigned at = f->began++;
	assert_true(at < DELIVERED_MAX);
	f->jobs[at] = job;
	ssize_t n = pread(job->fd, f->text[at], sizeof(f->text[at]) - 1, (off_t)job->at);
	assert_true(n >= (ssize_t)job->size);
	f->text[at][job->size] = '\0';
	while (f->gate)
		fiber_wait(&f->opened, IO_FOREVER);
	job->host_down = f->host_down;
	for (size_t i = 0; i < job->n && !f->unfilled; i++)
		job->recipients[i].outcome = (struct outcome){.fate = FATE_RELAYED,
			.status = "2.0.0",
			.text = pool_printf(job->pool, "delivery %u", at),
			.remote_mta = "mx.test"};
	f->ended++;
}

static inline void fake_open_gate(struct fake *f)
{
	f->gate = false;
	fiber_wake_all(&f->opened);
}

/* --- what qmgr says and hears --- */

/* The next frame is one of that type. */
static inline void fake_hear(struct fake *f, const struct ipc_msg *msg, void *body)
{
	const char *err = "";
	ipc_frame_close(&f->frame);
	assert_int_equal(ipc_receive(f->qmgr, &f->frame, io_deadline(WAIT_MS)), 1);
	assert_int_equal(f->frame.type, msg->type);
	assert_int_equal(ipc_parse(f->pool, msg, f->frame.payload, body, &err), 0);
}

/* The agent has connected and said hello. */
static inline void fake_accept(struct fake *f, uint64_t capacity)
{
	struct agent_hello hello;
	fake_until(f, f->fresh >= 0);
	f->qmgr = ipc_new(f->fresh);
	f->fresh = -1;
	fake_hear(f, &agent_hello_msg, &hello);
	assert_int_equal(hello.capacity, capacity);
}

/* qmgr dies; the agent has noticed when it comes again. */
static inline void fake_die(struct fake *f)
{
	ipc_frame_close(&f->frame);
	ipc_close(&f->qmgr);
}

static inline int fake_memfd(const char *text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static inline struct span fake_envelope(struct fake *f, const char *trace, const char *to)
{
	struct str out = STR_IN(f->pool);
	struct recipient r[] = {{.address = to, .orcpt = ""}, {.address = "second@far.test", .orcpt = ""}};
	struct envelope e = {.sender = "joe@x.test", .recipients = r, .nrecipient = 2};
	memset(e.trace.s, '0', TRACE_ID_LEN);
	memcpy(e.trace.s, trace, strlen(trace));
	envelope_put(&out, &e);
	return str_span(&out);
}

/* Gives out a job of that message for two recipients; fd is closed unless -1. trace: the
 * beginning of its id. */
static inline void fake_give(struct fake *f, uint64_t id, const char *trace, const char *to,
	const char *reason, uint64_t segment, int fd)
{
	struct agent_work_recipient r[] = {
		{.address = to, .account = "acc", .quota_bytes = 7, .quota_messages = 8},
		{.address = "second@far.test", .account = ""}};
	struct agent_work work = {.job = id,
		.segment = segment,
		.at = 3,
		.size = 5,
		.attempt = 2,
		.envelope = fake_envelope(f, trace, to),
		.destination = "far.test",
		.reason = reason,
		.retry_until = 1234567,
		.recipients = {r, 2}};
	if (*reason)
		for (int i = 0; i < 2; i++) {
			r[i].fate = FATE_FAILED;
			r[i].status = i ? "5.2.2" : "5.1.1";
			r[i].text = "no";
			r[i].remote_mta = "mx";
		}
	assert_int_equal(ipc_send(f->qmgr, &agent_work_msg, 0, &work, &fd, fd >= 0), 0);
	if (fd >= 0)
		close(fd);
}

/* One by itself. */
static inline void fake_give_one(struct fake *f, uint64_t id, const char *trace)
{
	fake_give(f, id, trace, "a@far.test", "", 0, fake_memfd("...hello"));
}

/* The next result is that job's; its texts say which delivery made it. */
static inline struct agent_result fake_result(struct fake *f, uint64_t id, const char *text)
{
	struct agent_result result;
	fake_hear(f, &agent_result_msg, &result);
	assert_int_equal(result.job, id);
	assert_int_equal(result.outcomes.n, 2);
	const struct agent_work_outcome *v = result.outcomes.v;
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(v[i].text, text);
	return result;
}

static inline void fake_note(struct fake *f, uint64_t results)
{
	struct agent_noted noted = {.results = results};
	assert_int_equal(ipc_send(f->qmgr, &agent_noted_msg, 0, &noted, NULL, 0), 0);
	assert_int_equal(ipc_flush(f->qmgr, io_deadline(WAIT_MS)), 0);
}

/* --- life --- */

/* A line lives as long as its process: the pools stay, and the leak checker can see them. */
static struct pool *fake_kept[RUNS_MAX];

static inline void fake_keep(struct fake *f)
{
	size_t i = 0;
	while (fake_kept[i])
		assert_true(++i < RUNS_MAX);
	fake_kept[i] = f->pool;
}

static inline void fake_start(struct fake *f, const struct agent *agent)
{
	const char *err = "";
	*f = (struct fake){.fresh = -1, .pool = pool_new("test")};
	f->svc.state = f;
	f->svc.pool = f->pool;
	fake_keep(f);
	assert_int_equal(agent_start(&f->svc, agent, &err), 0);
	fake_accept(f, agent->concurrency);
}

static inline void fake_stop(struct fake *f)
{
	struct agent_hello hello;
	f->svc.stopping = true;
	fiber_wake_all(&f->stop);
	fake_hear(f, &agent_hello_msg, &hello);
	assert_int_equal(hello.capacity, 0);
	fake_note(f, UINT64_MAX);
	fake_until(f, f->holds == 0);
	fake_die(f);
	fake_until(f, fiber_count() == 0);
}

#endif
