/* Rows of the queue database come back as they were, damaged ones not at all; keys sort as their
 * numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/array.h"
#include "queue/queue.h"

static struct queue_row sample(struct queue_recipient *v)
{
	v[0] = (struct queue_recipient){.address = "list@here.test",
		.sender = "",
		.parent = QUEUE_NO_PARENT,
		.state = RCPT_EXPANDED,
		.last = {FATE_EXPANDED, "2.0.0", "expanded", ""},
		.agent = "alias"};
	v[1] = (struct queue_recipient){.address = "a@b.test",
		.sender = "owner-list@here.test",
		.parent = 0,
		.notify = 6,
		.state = RCPT_SENT,
		.attempts = 3,
		.last = {FATE_DEFERRED, "4.2.0", "not now", "mx.b.test"},
		.agent = "smtp"};
	v[2] = (struct queue_recipient){.address = "c@d.test",
		.sender = "",
		.origin = 1,
		.parent = QUEUE_NO_PARENT,
		.state = RCPT_FAILED,
		.reported = true,
		.last = {FATE_FAILED, "5.1.1", "nobody", ""},
		.agent = "local"};
	return (struct queue_row){.trace = "0123456789ABCDEF",
		.sender = "s@here.test",
		.arrival_s = 17,
		.next_s = 400,
		.size = 12345,
		.attempts = 2,
		.warned = true,
		.done = true,
		.parent = true,
		.recipients = v,
		.n = 3};
}

static void a_row_comes_back(void **state)
{
	struct queue_recipient v[3];
	struct queue_row row = sample(v), back;
	struct pool *pool = pool_new("test");
	struct str blob = STR_IN(pool), again = STR_IN(pool);
	(void)state;
	queue_row_put(&blob, &row);
	assert_int_equal(queue_row_parse(str_span(&blob), pool, &back), 0);
	assert_string_equal(back.trace, row.trace);
	assert_int_equal(back.n, 3);
	assert_true(back.warned && back.parent && back.done && !back.held);
	/* An agent that had it when qmgr died does not have it any more. */
	assert_int_equal(back.recipients[1].state, RCPT_WAITING);
	assert_string_equal(back.recipients[1].last.remote_mta, "mx.b.test");
	assert_int_equal(back.recipients[2].parent, QUEUE_NO_PARENT);
	assert_true(back.recipients[2].reported);
	queue_row_put(&again, &back);
	assert_true(span_eq(str_span(&blob), str_span(&again)));
	pool_free(&pool);
}

static void every_cut_is_refused(void **state)
{
	struct queue_recipient v[3];
	struct queue_row row = sample(v), back;
	struct pool *pool = pool_new("test");
	struct str blob = STR_IN(pool);
	(void)state;
	queue_row_put(&blob, &row);
	for (size_t n = 0; n < blob.len; n++)
		assert_int_equal(queue_row_parse(span_make(blob.s, n), pool, &back), -1);
	str_putc(&blob, 'x');
	assert_int_equal(queue_row_parse(str_span(&blob), pool, &back), -1);
	pool_free(&pool);
}

static void keys_sort_as_numbers(void **state)
{
	static const uint64_t numbers[] = {0, 1, 255, 256, 65535, 1ull << 32, UINT64_MAX};
	struct str a = STR_INIT, b = STR_INIT;
	(void)state;
	for (size_t i = 0; i + 1 < COUNT_OF(numbers); i++) {
		uint64_t segment, at;
		int64_t due;
		str_reset(&a);
		str_reset(&b);
		queue_place_put(&a, numbers[i], UINT64_MAX);
		queue_place_put(&b, numbers[i + 1], 0);
		assert_true(memcmp(a.s, b.s, QUEUE_PLACE_LEN) < 0);
		assert_true(queue_place_parse(str_span(&b), &segment, &at));
		assert_true(segment == numbers[i + 1] && at == 0);
		str_reset(&a);
		queue_due_put(&a, 77, numbers[i], 5);
		assert_true(queue_due_parse(str_span(&a), &due, &segment, &at));
		assert_true(due == 77 && segment == numbers[i] && at == 5);
		assert_false(queue_place_parse(str_span(&a), &segment, &at));
	}
	str_fini(&a);
	str_fini(&b);
}

static void children_have_the_same_id_each_time(void **state)
{
	struct trace_id a, b, c, parsed;
	(void)state;
	queue_child_trace("0123456789ABCDEF", "failed.1", &a);
	queue_child_trace("0123456789ABCDEF", "failed.1", &b);
	queue_child_trace("0123456789ABCDEF", "failed.2", &c);
	assert_string_equal(a.s, b.s);
	assert_string_not_equal(a.s, c.s);
	assert_memory_equal(a.s, "0123456789A", 11);
	assert_true(trace_id_parse(span_of(a.s), &parsed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_back),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(keys_sort_as_numbers),
		cmocka_unit_test(children_have_the_same_id_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
