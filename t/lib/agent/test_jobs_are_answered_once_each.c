/* Jobs come over the line, each is answered with an outcome for each recipient. */
#include "fake.h"

static const struct agent smtp = {.name = "smtp", .concurrency = 5, .deliver = fake_deliver};
static const struct agent local = {
	.name = "local", .concurrency = 6, .segments = true, .deliver = fake_deliver};

static void a_job_is_what_qmgr_said(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give_one(&f, 11, "1TRACE");
	fake_until(&f, f.began == 1);
	const struct agent_job *job = f.jobs[0];
	assert_string_equal(f.text[0], "hello");
	assert_string_equal(job->envelope->trace.s, "1TRACE0000000000");
	assert_string_equal(job->envelope->sender, "joe@x.test");
	assert_string_equal(job->destination, "far.test");
	assert_string_equal(job->reason, "");
	assert_int_equal(job->attempt, 2);
	assert_int_equal(job->retry_until, 1234567);
	assert_int_equal(job->n, 2);
	assert_string_equal(job->recipients[0].address, "a@far.test");
	assert_string_equal(job->recipients[0].account, "acc");
	assert_int_equal(job->recipients[0].limits.quota_bytes, 7);
	assert_int_equal(job->recipients[0].limits.quota_messages, 8);
	assert_string_equal(job->recipients[1].envelope->address, "second@far.test");
	assert_int_equal(job->recipients[1].index, 1);
	assert_int_equal(f.holds, 1); /* it counts as work of the process */
	f.host_down = true;
	fake_open_gate(&f);
	struct agent_result result = fake_result(&f, 11, "delivery 0");
	assert_true(result.host_down);
	const struct agent_work_outcome *v = result.outcomes.v;
	assert_int_equal(v[1].fate, FATE_RELAYED);
	assert_string_equal(v[1].status, "2.0.0");
	assert_string_equal(v[1].remote_mta, "mx.test");
	fake_stop(&f);
}

static void jobs_run_beside_each_other(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	for (uint64_t i = 0; i < 5; i++)
		fake_give_one(&f, i + 1, i % 2 ? "1" : "2");
	fake_until(&f, f.began == 5);
	fake_open_gate(&f);
	for (uint64_t i = 0; i < 5; i++)
		fake_result(&f, i + 1, pool_printf(f.pool, "delivery %u", (unsigned)i));
	fake_stop(&f);
}

static void what_the_agent_says_nothing_of_is_tried_again(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.unfilled = true;
	fake_give_one(&f, 1, "T");
	struct agent_result result = fake_result(&f, 1, "The delivery was not finished.");
	const struct agent_work_outcome *v = result.outcomes.v;
	assert_int_equal(v[0].fate, FATE_DEFERRED);
	assert_string_equal(v[0].status, "4.3.0");
	fake_stop(&f);
}

/* To make a report the agent must know what became of each recipient. */
static void a_reason_brings_the_fates_along(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give(&f, 1, "T", "a@far.test", AGENT_REASON_FAILED, 0, fake_memfd("...hello"));
	fake_until(&f, f.began == 1);
	assert_string_equal(f.jobs[0]->reason, "failed");
	assert_int_equal(f.jobs[0]->recipients[1].outcome.fate, FATE_FAILED);
	assert_string_equal(f.jobs[0]->recipients[1].outcome.status, "5.2.2");
	assert_string_equal(f.jobs[0]->recipients[1].outcome.remote_mta, "mx");
	fake_open_gate(&f);
	fake_result(&f, 1, "delivery 0");
	fake_stop(&f);
}

static int open_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_segment(struct fake *f, uint64_t id, const char *text)
{
	struct agent_segment body = {.id = id, .gone = !text};
	int fd = text ? fake_memfd(text) : -1;
	assert_int_equal(ipc_send(f->qmgr, &agent_segment_msg, 0, &body, &fd, fd >= 0), 0);
	assert_int_equal(ipc_flush(f->qmgr, io_deadline(WAIT_MS)), 0);
	if (fd >= 0)
		close(fd);
}

/* It stays open for the jobs that read it, no longer. */
static void segments_are_kept_while_they_are_read(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &local);
	int before = open_descriptors();
	send_segment(&f, 9, "...first");
	send_segment(&f, 10, "...other");
	f.gate = true;
	fake_give(&f, 1, "T", "a@x.test", "", 9, -1);
	fake_give(&f, 2, "V2", "a@x.test", "", 9, -1);
	fake_give(&f, 3, "V", "a@x.test", "", 10, -1);
	fake_until(&f, f.began == 3);
	assert_string_equal(f.text[0], "first");
	assert_string_equal(f.text[1], "first");
	assert_string_equal(f.text[2], "other");
	assert_int_equal(open_descriptors(), before + 2);
	send_segment(&f, 9, NULL);
	send_segment(&f, 77, NULL); /* which it never had */
	fake_give(&f, 4, "W", "a@x.test", "", 10, -1);
	fake_until(&f, f.began == 4); /* so the notices have been read */
	assert_int_equal(open_descriptors(), before + 2);
	fake_open_gate(&f);
	for (uint64_t i = 1; i <= 4; i++)
		fake_result(&f, i, pool_printf(f.pool, "delivery %u", (unsigned)i - 1));
	assert_int_equal(open_descriptors(), before + 1);
	fake_die(&f);
	fake_accept(&f, 6);
	assert_int_equal(open_descriptors(), before); /* a new line knows none */
	fake_stop(&f);
}

static void a_stop_ends_what_is_under_way(void **state)
{
	struct fake f;
	struct agent_hello hello;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give_one(&f, 1, "T");
	fake_until(&f, f.began == 1);
	f.svc.stopping = true;
	fiber_wake_all(&f.stop);
	fake_hear(&f, &agent_hello_msg, &hello);
	assert_string_equal(hello.name, "smtp");
	assert_int_equal(hello.capacity, 0);
	io_sleep(50);
	assert_int_equal(f.holds, 2); /* the job and the stop itself */
	fake_open_gate(&f);
	fake_result(&f, 1, "delivery 0");
	io_sleep(50);
	assert_int_equal(f.holds, 1); /* the result is not on record yet */
	fake_note(&f, 1);
	fake_until(&f, f.holds == 0);
	fake_give_one(&f, 2, "T"); /* qmgr had sent it before it heard: the process is ending */
	io_sleep(50);
	assert_int_equal(f.began, 1);
	fake_die(&f);
	fake_until(&f, fiber_count() == 0);
}

struct submission {
	struct fake *f;
	struct agent_job *job;
	int rc;
	const char *err;
	bool done;
};

static void submit(void *arg)
{
	struct submission *s = arg;
	struct recipient to = {.address = "joe@x.test", .orcpt = ""};
	struct envelope e = {.sender = "", .recipients = &to, .nrecipient = 1};
	s->rc = agent_submit(&s->f->svc, s->job, "report", &e, SPAN_LIT("Subject: x\r\n\r\n"), &s->err);
	s->done = true;
}

/* Mail made of mail: the call names its parent; only the qmgr that gave the job out can take it. */
static void what_a_job_makes_goes_to_its_qmgr(void **state)
{
	struct fake f;
	struct agent_submit_request rq;
	struct agent_submit_reply reply = {.trace = "child"};
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give_one(&f, 21, "T");
	fake_until(&f, f.began == 1);
	for (int refused = 0; refused < 2; refused++) {
		struct submission s = {.f = &f, .job = f.jobs[0]};
		fiber_start("submit", submit, &s);
		fake_hear(&f, &agent_submit_request_msg, &rq);
		assert_int_equal(rq.job, 21);
		assert_string_equal(rq.step, "report");
		assert_true(span_is(rq.message, "Subject: x\r\n\r\n"));
		if (refused)
			ipc_send_error(f.qmgr, f.frame.id, "The queue is full.");
		else
			ipc_send(f.qmgr, &agent_submit_reply_msg, f.frame.id, &reply, NULL, 0);
		fake_until(&f, s.done);
		assert_int_equal(s.rc, refused ? -1 : 0);
		if (refused)
			assert_non_null(strstr(s.err, "The queue is full."));
	}
	fake_die(&f);
	fake_accept(&f, 5);
	struct submission late = {.f = &f, .job = f.jobs[0]};
	fiber_start("submit", submit, &late);
	fake_until(&f, late.done);
	assert_int_equal(late.rc, -1);
	assert_non_null(strstr(late.err, "gone"));
	fake_open_gate(&f);
	fake_until(&f, f.ended == 1);
	fake_stop(&f);
}

static void it_comes_again_until_there_is_a_qmgr(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.away = true;
	fake_die(&f);
	io_sleep(50);
	assert_int_equal(f.fresh, -1);
	f.away = false;
	fake_accept(&f, 5);
	fake_give_one(&f, 1, "T");
	fake_result(&f, 1, "delivery 0");
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_what_qmgr_said),
		cmocka_unit_test(jobs_run_beside_each_other),
		cmocka_unit_test(what_the_agent_says_nothing_of_is_tried_again),
		cmocka_unit_test(a_reason_brings_the_fates_along),
		cmocka_unit_test(segments_are_kept_while_they_are_read),
		cmocka_unit_test(a_stop_ends_what_is_under_way),
		cmocka_unit_test(what_a_job_makes_goes_to_its_qmgr),
		cmocka_unit_test(it_comes_again_until_there_is_a_qmgr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
