/* Batches apply whole and in order; ranges come in the order of the keys' bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "t/lib/kv/folder.h"
#include "base/array.h"
#include "base/str.h"
#include "io/fiber.h"
#include "kv/kv.h"

enum { T_A, T_B };
static const char *const tables[] = {"a", "b", NULL};

struct fixture {
	char dir[64];
	struct kv *kv;
	struct pool *pool;
};

static void reopen(struct fixture *f)
{
	const char *err = "";
	kv_close(&f->kv);
	struct kv_conf conf = {.dir = f->dir, .tables = tables};
	if (kv_open(&conf, &f->kv, &err) != 0)
		fail_msg("%s", err);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	folder_make(f->dir);
	f->pool = pool_new("test");
	reopen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	kv_close(&f->kv);
	folder_remove(f->dir);
	pool_free(&f->pool);
	mem_free(&f);
	return 0;
}

static void put(struct fixture *f, unsigned table, const char *key, const char *value)
{
	struct kv_batch *b = kv_batch_new(f->kv);
	if (value)
		kv_batch_put(b, table, span_of(key), span_of(value));
	else
		kv_batch_delete(b, table, span_of(key));
	assert_int_equal(kv_batch_commit(&b, false), 0);
	assert_null(b);
}

static const char *get(struct fixture *f, unsigned table, const char *key)
{
	struct span value;
	int rc = kv_get(f->kv, table, span_of(key), f->pool, &value);
	assert_int_not_equal(rc, -1);
	return rc ? pool_span(f->pool, value) : NULL;
}

static void values_are_kept_per_table_and_over_a_restart(void **state)
{
	struct fixture *f = *state;
	put(f, T_A, "k", "in a");
	put(f, T_B, "k", "in b");
	assert_string_equal(get(f, T_A, "k"), "in a");
	assert_string_equal(get(f, T_B, "k"), "in b");
	put(f, T_A, "k", NULL);
	put(f, T_A, "absent", NULL);
	reopen(f);
	assert_null(get(f, T_A, "k"));
	assert_string_equal(get(f, T_B, "k"), "in b");
}

static void later_changes_of_a_batch_win(void **state)
{
	struct fixture *f = *state;
	struct kv_batch *b = kv_batch_new(f->kv);
	kv_batch_put(b, T_A, span_of("x"), span_of("1"));
	kv_batch_delete(b, T_A, span_of("x"));
	kv_batch_put(b, T_A, span_of("x"), span_of("2"));
	kv_batch_put(b, T_A, span_of("y"), span_of("1"));
	kv_batch_delete(b, T_A, span_of("y"));
	assert_int_equal(kv_batch_count(b), 5);
	assert_int_equal(kv_batch_commit(&b, true), 0);
	assert_string_equal(get(f, T_A, "x"), "2");
	assert_null(get(f, T_A, "y"));
}

static void an_aborted_batch_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct kv_batch *b = kv_batch_new(f->kv);
	kv_batch_put(b, T_A, span_of("x"), span_of("1"));
	kv_batch_abort(&b);
	assert_null(b);
	assert_null(get(f, T_A, "x"));
}

static void ranges(void **state)
{
	static const struct {
		const char *from;
		bool after;
		const char *prefix;
		size_t limit;
		const char *expect;
	} rows[] = {
		{"", false, "", 10, "a ab b ba bb c"},
		{"", false, "", 2, "a ab"},
		{"ab", false, "", 10, "ab b ba bb c"},
		{"ab", true, "", 2, "b ba"},
		{"aa", true, "", 2, "ab b"},
		{"", false, "b", 10, "b ba bb"},
		{"b", true, "b", 10, "ba bb"},
		{"bb", true, "b", 10, ""},
		{"zz", false, "", 10, ""},
		{"", false, "zz", 10, ""},
	};
	struct fixture *f = *state;
	static const char *const keys[] = {"ba", "a", "c", "bb", "b", "ab"};
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		put(f, T_A, keys[i], "value");
	put(f, T_B, "never", "seen");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct kv_range range = {.table = T_A,
			.from = span_of(rows[i].from),
			.after = rows[i].after,
			.prefix = span_of(rows[i].prefix),
			.limit = rows[i].limit,
			.keys_only = i % 2};
		struct kv_row *v;
		size_t n;
		struct str got = STR_IN(f->pool);
		assert_int_equal(kv_scan(f->kv, &range, f->pool, &v, &n), 0);
		for (size_t k = 0; k < n; k++) {
			str_printf(&got, "%s%.*s", k ? " " : "", (int)v[k].key.n, v[k].key.p);
			assert_int_equal(v[k].value.n, range.keys_only ? 0 : 5);
		}
		assert_string_equal(str_c(&got), rows[i].expect);
	}
	struct kv_range range = {.table = T_A, .limit = 100, .octets = 1};
	struct kv_row *v;
	size_t n;
	assert_int_equal(kv_scan(f->kv, &range, f->pool, &v, &n), 0);
	assert_int_equal(n, 1);
}

static void large_values_come_back(void **state)
{
	struct fixture *f = *state;
	struct str big = STR_INIT;
	for (int i = 0; i < 100000; i++)
		str_put_u64(&big, (uint64_t)i);
	put(f, T_A, "big", str_c(&big));
	reopen(f);
	assert_string_equal(get(f, T_A, "big"), str_c(&big));
	str_fini(&big);
}

struct writers {
	struct fixture *f;
	struct fiber_group group;
	int next;
};

static void write_some(void *arg)
{
	struct writers *w = arg;
	for (int i = 0; i < 50; i++) {
		char key[20];
		snprintf(key, sizeof(key), "%05d", w->next++);
		struct kv_batch *b = kv_batch_new(w->f->kv);
		kv_batch_put(b, T_A, span_of(key), span_of("x"));
		kv_batch_put(b, T_B, span_of(key), span_of("x"));
		assert_int_equal(kv_batch_commit(&b, true), 0);
	}
	fiber_group_leave(&w->group);
}

static void many_fibers_commit_at_once(void **state)
{
	struct writers w = {.f = *state};
	for (int i = 0; i < 20; i++) {
		fiber_group_enter(&w.group);
		fiber_start("writer", write_some, &w);
	}
	assert_int_equal(fiber_group_wait(&w.group, io_deadline(60000)), 0);
	for (unsigned t = T_A; t <= T_B; t++) {
		struct kv_range range = {.table = t, .limit = 5000};
		struct kv_row *v;
		size_t n;
		assert_int_equal(kv_scan(w.f->kv, &range, w.f->pool, &v, &n), 0);
		assert_int_equal(n, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			values_are_kept_per_table_and_over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(later_changes_of_a_batch_win, setup, teardown),
		cmocka_unit_test_setup_teardown(an_aborted_batch_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(large_values_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(many_fibers_commit_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
