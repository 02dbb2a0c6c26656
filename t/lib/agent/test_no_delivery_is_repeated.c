/* A qmgr that dies forgets what it gave out; its successor gives it out again (line.h). */
#include "fake.h"

#include "agent/line.h"

#define KEPT_MAX 20000 /* ORPHANS_MAX of memory.c */

static const struct agent smtp = {.name = "smtp", .concurrency = 5, .deliver = fake_deliver};
static const struct agent local = {
	.name = "local", .concurrency = 5, .segments = true, .deliver = fake_deliver};

static void a_new_qmgr(struct fake *f)
{
	fake_die(f);
	fake_accept(f, 5);
}

static void one_under_way_answers_for_the_new_one(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give_one(&f, 1, "T");
	fake_until(&f, f.began == 1);
	a_new_qmgr(&f);
	fake_give_one(&f, 71, "T");
	io_sleep(20);
	a_new_qmgr(&f); /* and once more */
	fake_give_one(&f, 91, "T");
	io_sleep(20);
	fake_open_gate(&f);
	fake_result(&f, 91, "delivery 0");
	assert_int_equal(f.began, 1);
	fake_stop(&f);
}

static void one_that_ended_meanwhile_answers_at_once(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	f.gate = true;
	fake_give_one(&f, 1, "T");
	fake_until(&f, f.began == 1);
	a_new_qmgr(&f);
	fake_open_gate(&f);
	fake_until(&f, f.ended == 1);
	fake_give_one(&f, 71, "T");
	fake_result(&f, 71, "delivery 0");
	assert_int_equal(f.began, 1);
	fake_stop(&f);
}

static void a_result_is_kept_until_it_is_on_record(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	fake_give_one(&f, 1, "T");
	fake_result(&f, 1, "delivery 0");
	fake_give_one(&f, 2, "V2");
	fake_result(&f, 2, "delivery 1");
	fake_note(&f, 1); /* of T, not of V2 */
	a_new_qmgr(&f);
	fake_give_one(&f, 71, "V2");
	fake_result(&f, 71, "delivery 1");
	assert_int_equal(f.began, 2);
	fake_give_one(&f, 72, "T"); /* nobody knows it any more */
	fake_result(&f, 72, "delivery 2");
	a_new_qmgr(&f); /* what was adopted is not on record either */
	fake_give_one(&f, 81, "V2");
	fake_result(&f, 81, "delivery 1");
	fake_stop(&f);
}

/* qmgr counts the results of its connection. */
static void each_line_counts_from_its_beginning(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	for (unsigned run = 0; run < 3; run++) {
		fake_give_one(&f, run, "T");
		fake_result(&f, run, pool_printf(f.pool, "delivery %u", run));
		fake_note(&f, 1);
		a_new_qmgr(&f);
	}
	fake_stop(&f);
}

/* Message, purpose and recipients make a delivery. */
static void another_delivery_is_made(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	fake_give_one(&f, 1, "T");
	fake_result(&f, 1, "delivery 0");
	a_new_qmgr(&f);
	fake_give(&f, 2, "T", "b@far.test", "", 0, fake_memfd("...hello"));
	fake_result(&f, 2, "delivery 1");
	fake_give(&f, 3, "T", "a@far.test", AGENT_REASON_DELAYED, 0, fake_memfd("...hello"));
	fake_result(&f, 3, "delivery 2");
	fake_give_one(&f, 4, "TT");
	fake_result(&f, 4, "delivery 3");
	fake_give_one(&f, 5, "T");
	fake_result(&f, 5, "delivery 0");
	fake_stop(&f);
}

/* The same twice on one line is two jobs: qmgr knows what it does. */
static void the_same_qmgr_is_obeyed(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &smtp);
	fake_give_one(&f, 1, "T");
	fake_result(&f, 1, "delivery 0");
	fake_give_one(&f, 2, "T");
	fake_result(&f, 2, "delivery 1");
	a_new_qmgr(&f); /* both are about the same; one of them answers */
	fake_give_one(&f, 3, "T");
	fake_result(&f, 3, "delivery 1");
	assert_int_equal(f.began, 2);
	fake_stop(&f);
}

/* The store takes each delivery once by itself. */
static void who_gets_segments_remembers_nothing(void **state)
{
	struct fake f;
	(void)state;
	fake_start(&f, &local);
	f.gate = true;
	fake_give_one(&f, 1, "T");
	fake_until(&f, f.began == 1);
	a_new_qmgr(&f);
	fake_give_one(&f, 71, "T");
	fake_until(&f, f.began == 2);
	fake_open_gate(&f);
	fake_result(&f, 71, "delivery 1");
	fake_until(&f, f.ended == 2);
	fake_stop(&f);
}

/* --- memory.c by itself --- */

static struct work *work_of(struct line *line, const char *trace)
{
	struct pool *pool = pool_new("job");
	struct work *w = pool_new_of(pool, struct work);
	struct agent_recipient *r = pool_new_of(pool, struct agent_recipient);
	r->address = "a@far.test";
	w->job = (struct agent_job){.pool = pool, .recipients = r, .n = 1, .reason = "", .fd = -1};
	w->envelope.sender = "";
	memcpy(w->envelope.trace.s, trace, strlen(trace) + 1);
	w->line = line;
	w->generation = line->generation;
	list_init(&w->link);
	return w;
}

/* True when an older one stands for it; it is kept if not. */
static bool is_known(struct line *line, const char *trace)
{
	struct work *w = work_of(line, trace);
	bool known = memory_takes(line, w);
	if (known) {
		work_free(w);
		return true;
	}
	memory_started(w);
	memory_finished(w);
	return false;
}

static void end_line(struct line *line)
{
	line->generation++;
	memory_line_ended(line);
}

static void the_oldest_are_forgotten_first(void **state)
{
	struct pool *pool = pool_new("test");
	struct line line = {.agent = &smtp, .qmgr = ipc_client_new("/nonexistent/queue-agent")};
	(void)state;
	memory_init(&line);
	for (unsigned i = 0; i < KEPT_MAX + 2; i++)
		assert_false(is_known(&line, pool_printf(pool, "t%u", i)));
	end_line(&line);
	assert_int_equal(hash_count(line.orphans), KEPT_MAX + 2);
	assert_true(is_known(&line, "t2"));
	assert_int_equal(hash_count(line.orphans), KEPT_MAX - 1);
	assert_false(is_known(&line, "t0"));
	assert_false(is_known(&line, "t1"));
	assert_true(is_known(&line, pool_printf(pool, "t%u", KEPT_MAX + 1)));
	memory_noted(&line, UINT64_MAX);
	assert_true(list_is_empty(&line.unnoted));
	end_line(&line);
	list_each (l, &line.orphan_list)
		work_free(list_entry(l, struct work, link));
	hash_free(&line.orphans);
	ipc_client_free(&line.qmgr);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_under_way_answers_for_the_new_one),
		cmocka_unit_test(one_that_ended_meanwhile_answers_at_once),
		cmocka_unit_test(a_result_is_kept_until_it_is_on_record),
		cmocka_unit_test(each_line_counts_from_its_beginning),
		cmocka_unit_test(another_delivery_is_made),
		cmocka_unit_test(the_same_qmgr_is_obeyed),
		cmocka_unit_test(who_gets_segments_remembers_nothing),
		cmocka_unit_test(the_oldest_are_forgotten_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
