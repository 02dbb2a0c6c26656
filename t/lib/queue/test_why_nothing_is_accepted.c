/* Before a message: whether it may be accepted, and what stands against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "queue/segment.h"
#include "queue/submit.h"

#define HUGE_RESERVE (UINT64_C(1) << 60)
#define CROWD 50

/* Where segments come from: answer < 0 is what it says after that time. */
struct source {
	int answer;
	int64_t ms;
	unsigned asked;
	char path[32]; /* of the last */
};

static int give(void *arg, uint64_t *id_r, const char **err_r)
{
	struct source *s = arg;
	s->asked++;
	if (s->ms)
		io_sleep(s->ms);
	*err_r = "There is none.";
	if (s->answer < 0)
		return s->answer;
	snprintf(s->path, sizeof(s->path), "/tmp/segment-XXXXXX");
	int fd = mkstemp(s->path);
	*id_r = s->asked;
	return fd;
}

static struct submitter *submitter_of(struct source *s, uint64_t reserve)
{
	struct submitter_conf conf = {.source = give, .arg = s, .segment_size = 1 << 20, .memory_max = 1 << 20,
		.disk_reserve = reserve};
	return submitter_new(&conf);
}

static void end(struct submitter **s, const struct source *source)
{
	submitter_free(s);
	if (*source->path)
		unlink(source->path);
}

static void each_reason_has_its_name(void **state)
{
	static const struct {
		int answer;
		uint64_t reserve, size;
		enum submit_status status;
	} rows[] = {
		{0, 0, 1000, SUBMIT_OK},
		{0, HUGE_RESERVE, 1000, SUBMIT_DISK_FULL},
		{0, 0, HUGE_RESERVE, SUBMIT_DISK_FULL},
		{SEGMENT_NO_SPACE, 0, 1000, SUBMIT_DISK_FULL},
		{-1, 0, 1000, SUBMIT_FAILED},
		{-1, HUGE_RESERVE, 1000, SUBMIT_FAILED}, /* nothing is known of a disk */
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct source source = {.answer = rows[i].answer};
		struct submitter *s = submitter_of(&source, rows[i].reserve);
		assert_int_equal(submitter_may_accept(s, rows[i].size), rows[i].status);
		source.answer = 0; /* refusals are not kept */
		if (rows[i].answer < 0)
			assert_int_equal(submitter_may_accept(s, 1), rows[i].reserve ? SUBMIT_DISK_FULL : SUBMIT_OK);
		end(&s, &source);
	}
}

static void a_message_that_came_meanwhile_is_told_the_same(void **state)
{
	static const struct {
		int answer;
		enum submit_status status;
	} rows[] = {{-1, SUBMIT_FAILED}, {SEGMENT_NO_SPACE, SUBMIT_DISK_FULL}, {0, SUBMIT_OK}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct source source = {.answer = rows[i].answer};
		struct submitter *s = submitter_of(&source, 0);
		struct submission *m = submission_new(s);
		struct recipient to = {.address = "anna@our.test"};
		struct envelope env = {.sender = "", .recipients = &to, .nrecipient = 1};
		const char *err = "";
		assert_int_equal(submission_write(m, "x\r\n", 3), 0);
		assert_int_equal(submission_commit(&m, &env, SPAN_LIT(""), &err), rows[i].status);
		if (rows[i].answer < 0)
			assert_string_equal(err, "There is none.");
		end(&s, &source);
	}
}

struct one {
	struct submitter *s;
	unsigned *failed;
};

static void ask(void *arg)
{
	struct one *o = arg;
	*o->failed += submitter_may_accept(o->s, 1) == SUBMIT_FAILED;
}

/* master is there but does not answer: each question takes its time, but not one after the other. */
static void a_crowd_waits_once(void **state)
{
	struct source source = {.answer = -1, .ms = 100};
	struct submitter *s = submitter_of(&source, 0);
	unsigned failed = 0;
	struct one o = {s, &failed};
	(void)state;
	for (int i = 0; i < CROWD; i++)
		fiber_start("one", ask, &o);
	for (int turns = 0; failed < CROWD && turns < 5000; turns++)
		io_sleep(1);
	assert_int_equal(failed, CROWD);
	assert_int_equal(source.asked, 1);
	assert_int_equal(submitter_may_accept(s, 1), SUBMIT_FAILED); /* who comes later asks anew */
	assert_int_equal(source.asked, 2);
	end(&s, &source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_has_its_name),
		cmocka_unit_test(a_message_that_came_meanwhile_is_told_the_same),
		cmocka_unit_test(a_crowd_waits_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
