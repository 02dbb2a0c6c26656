/*
 * Design rule 8, for the stamps of what is done. After a sync that failed the next one says well, though what it should have
 * written is lost; until the stamps are written again and that is synced, the segment stays and so do the names of reports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "t/qmgr/run.h"

/* --- reports --- */

static void keep_a_report(const struct run *r)
{
	struct qmgr *q = start(r);
	medium->fails = true;
	finish(q, r, 1, true);
	WAIT_FOR(medium->failures >= 2);
	ledger_sync(q->ledger);
	CHECK(ledger_has_child(q->ledger, trace_of(1), STEP));
	CHECK(!is_durable(r, 1));
	medium->fails = false;
	WAIT_FOR(!ledger_has_child(q->ledger, trace_of(1), STEP));
	CHECK(is_durable(r, 1));
}

static void a_report_is_remembered(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(keep_a_report, &r);
	end(&r);
}

/* --- segments --- */

static void keep_a_segment(const struct run *r)
{
	struct qmgr *q = start(r);
	finish_others(q, r, 1);
	WAIT_FOR(is_durable(r, 0) && is_durable(r, 2));
	medium->fails = true;
	finish(q, r, 1, false);
	WAIT_FOR(medium->failures >= 2);
	CHECK(!medium->gone);
	medium->fails = false;
	WAIT_FOR(medium->gone);
	CHECK(!medium->missing);
}

static void a_segment_stays(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(keep_a_segment, &r);
	end(&r);
}

/* --- over the end of a process --- */

static void fail_and_die(const struct run *r)
{
	struct qmgr *q = start(r);
	medium->fails = true;
	finish(q, r, 1, false);
	WAIT_FOR(medium->failures >= 1);
}

static void go_on(const struct run *r)
{
	struct qmgr *q = start(r);
	CHECK(!message_find(q, r->id, r->at[1]));
	finish_others(q, r, 1);
	WAIT_FOR(medium->gone);
	CHECK(!medium->missing);
}

static void another_process_does_not_believe_it_either(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(fail_and_die, &r);
	medium->fails = false;
	in_process(go_on, &r);
	end(&r);
}

/* --- what an earlier qmgr wrote into its own segment --- */

static void make_it_our_own(const struct run *r)
{
	const char *err;
	struct qmgr *q = mem_new(struct qmgr);
	struct common_conf common = {.queue_dir = r->dir};
	struct service_ctx svc = {.pool = pool_new("process"), .common = &common};
	q->svc = &svc;
	CHECK(ledger_open(q, &err) == 0);
	CHECK(ledger_add_own_segment(q->ledger, r->id) == 0);
}

static void do_not_count_on_it(const struct run *r)
{
	struct qmgr *q = qmgr_start(r->dir);
	CHECK(medium->failures >= 1);
	qmgr_run(q);
	ledger_sync(q->ledger);
	CHECK(!ledger_has_child(q->ledger, trace_of(0), STEP));
	/* But what its owner acknowledged is delivered. */
	WAIT_FOR(message_find(q, r->id, r->at[2]));
}

static void count_on_it(const struct run *r)
{
	struct qmgr *q = qmgr_start(r->dir);
	CHECK(medium->syncs >= 1);
	qmgr_run(q);
	ledger_sync(q->ledger);
	CHECK(ledger_has_child(q->ledger, trace_of(0), STEP));
}

static void a_report_counts_as_made_when_it_is_synced(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(make_it_our_own, &r);
	medium->fails = true;
	in_process(do_not_count_on_it, &r);
	medium->fails = false;
	in_process(count_on_it, &r);
	end(&r);
}

/* --- the folder --- */

static bool has_position(struct qmgr *q, const struct run *r)
{
	uint64_t position;
	bool own;
	return ledger_segment(q->ledger, r->id, &position, &own) && position > r->at[0];
}

static void remove_it(const struct run *r)
{
	struct qmgr *q = start(r);
	finish(q, r, 0, false);
	WAIT_FOR(has_position(q, r));
	finish_others(q, r, 0);
	WAIT_FOR(medium->gone);
	WAIT_FOR(!spool_find(q->spool, r->id));
	unsigned then = housekeepings;
	WAIT_FOR(housekeepings > then + 1);
	ledger_sync(q->ledger);
	CHECK(has_position(q, r) == medium->folder_fails);
}

static void a_position_is_forgotten_when_the_name_is_durably_gone(void **state)
{
	struct run r;
	(void)state;
	for (int fails = 0; fails < 2; fails++) {
		begin(&r);
		medium->folder_fails = fails;
		in_process(remove_it, &r);
		end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_remembered),
		cmocka_unit_test(a_segment_stays),
		cmocka_unit_test(another_process_does_not_believe_it_either),
		cmocka_unit_test(a_report_counts_as_made_when_it_is_synced),
		cmocka_unit_test(a_position_is_forgotten_when_the_name_is_durably_gone),
	};
	const char *err;
	log_open("test", "stderr", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
