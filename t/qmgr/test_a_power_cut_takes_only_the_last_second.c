/*
 * A power cut takes stamps that were not synced. What had a row, because some of its recipients were served in an earlier
 * attempt, is not new then, and what an operator has removed does not come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "t/qmgr/run.h"

static void cut_power(const struct run *r)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint64_t none = 0;
	int folder = open_folder(r->dir, SEGMENT_FOLDER);
	segment_name(r->id, name);
	int fd = openat(folder, name, O_RDWR);
	assert_true(fd >= 0);
	for (unsigned n = 0; n < MESSAGES; n++)
		if (!is_durable(r, n))
			assert_int_equal(syscall(SYS_pwrite64, fd, &none, sizeof(none), r->at[n] + STAMP_AT), sizeof(none));
	close(fd);
	close(folder);
}

static void end_with_a_row(const struct run *r)
{
	struct qmgr *q = start(r);
	WAIT_FOR(message_find(q, r->id, r->at[1]));
	ledger_save(q->ledger, message_find(q, r->id, r->at[1]));
	ledger_sync(q->ledger);
	medium->fails = true;
	finish(q, r, 1, false);
	unsigned then = housekeepings;
	WAIT_FOR(housekeepings > then + 1);
	ledger_sync(q->ledger);
}

static void remove_and_die(const struct run *r)
{
	struct qmgr *q = start(r);
	medium->fails = true;
	WAIT_FOR(message_find(q, r->id, r->at[1]));
	message_remove(message_find(q, r->id, r->at[1]));
	ledger_sync(q->ledger);
}

/* Nobody delivers it, and it comes to its end. */
static void find_it_done(const struct run *r)
{
	struct qmgr *q = start(r);
	spool_wait_until_known(q->spool, io_deadline(PATIENCE_MS));
	CHECK(!message_find(q, r->id, r->at[1]));
	struct message *m = load_message(q->loader, r->id, r->at[1]);
	CHECK(m && m->removed);
	message_start(m);
	list_remove(&m->link);
	message_step(m);
	finish(q, r, 0, false);
	finish(q, r, 2, false);
	WAIT_FOR(medium->gone);
	CHECK(!medium->missing);
	WAIT_FOR(ledger_rows(q->ledger) == 0 && !ledger_has_row(q->ledger, r->id, r->at[1]));
}

static void what_was_served_before_is_not_served_again(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(end_with_a_row, &r);
	cut_power(&r);
	medium->fails = false;
	in_process(find_it_done, &r);
	end(&r);
}

static void what_an_operator_removed_does_not_come_back(void **state)
{
	struct run r;
	(void)state;
	begin(&r);
	in_process(remove_and_die, &r);
	cut_power(&r);
	medium->fails = false;
	in_process(find_it_done, &r);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_served_before_is_not_served_again),
		cmocka_unit_test(what_an_operator_removed_does_not_come_back),
	};
	const char *err;
	log_open("test", "stderr", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
