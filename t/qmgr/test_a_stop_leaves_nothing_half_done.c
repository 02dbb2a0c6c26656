/*
 * A stop right after a message has ended: its stamp is durable, and nothing is remembered of it. Else the names of its reports
 * would stay in the database for weeks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "t/qmgr/run.h"

/* Between two rounds of who does so every second anyway. False when one came in between after all. */
static bool ends_and_stops(struct qmgr *q, const struct run *r, unsigned n, bool with_row)
{
	WAIT_FOR(message_find(q, r->id, r->at[n]));
	struct message *m = message_find(q, r->id, r->at[n]);
	if (with_row)
		ledger_save(q->ledger, m);
	WAIT_FOR(!m->saving);
	unsigned before = housekeepings;
	WAIT_FOR(housekeepings > before);
	before = housekeepings;
	finish(q, r, n, true);
	ledger_settle(q->ledger);
	bool remembered = ledger_has_child(q->ledger, trace_of(n), STEP);
	if (housekeepings != before)
		return false;
	CHECK(!remembered);
	CHECK(is_durable(r, n));
	CHECK(!ledger_has_row(q->ledger, r->id, r->at[n]));
	return true;
}

static void stop_without_a_row(const struct run *r)
{
	struct qmgr *q = start(r);
	unsigned n = 0;
	while (n < MESSAGES && !ends_and_stops(q, r, n, false))
		n++;
}

static void stop_with_a_row(const struct run *r)
{
	struct qmgr *q = start(r);
	unsigned n = 0;
	while (n < MESSAGES && !ends_and_stops(q, r, n, true))
		n++;
}

static void a_message_of_the_first_attempt(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(stop_without_a_row, &r);
	end(&r);
}

static void a_message_with_a_row(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(stop_with_a_row, &r);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_of_the_first_attempt),
		cmocka_unit_test(a_message_with_a_row),
	};
	const char *err;
	log_open("test", "stderr", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
