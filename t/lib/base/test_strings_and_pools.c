#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "base/str.h"

static void a_string_grows_and_stays_terminated(void **state)
{
	struct str s = STR_INIT;
	(void)state;
	assert_string_equal(str_c(&s), "");
	for (int i = 0; i < 1000; i++) {
		str_putc(&s, 'x');
		assert_int_equal(s.s[s.len], 0);
	}
	assert_int_equal(s.len, 1000);
	str_truncate(&s, 3);
	assert_string_equal(str_c(&s), "xxx");
	str_printf(&s, "-%d-%s", 42, "y");
	assert_string_equal(str_c(&s), "xxx-42-y");
	str_consume(&s, 4);
	assert_string_equal(str_c(&s), "42-y");
	str_consume(&s, 100);
	assert_int_equal(s.len, 0);
	str_put_u64(&s, 0);
	str_put_u64(&s, UINT64_MAX);
	assert_string_equal(str_c(&s), "018446744073709551615");
	str_fini(&s);
}

static void a_string_in_a_pool_goes_with_it(void **state)
{
	struct pool *pool = pool_new("test");
	struct str s = STR_IN(pool);
	(void)state;
	for (int i = 0; i < 10000; i++)
		str_puts(&s, "abc");
	assert_int_equal(s.len, 30000);
	pool_free(&pool);
	assert_null(pool);
	pool_free(&pool);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void pool_memory_is_zeroed_and_reusable(void **state)
{
	struct pool *pool = pool_new("test");
	int cleaned = 0;
	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 3000; n += 7) {
			char *p = pool_alloc(pool, n);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, n);
		}
		pool_on_reset(pool, count, &cleaned);
		assert_true(pool_used(pool) > 100000);
		pool_reset(pool);
		assert_int_equal(pool_used(pool), 0);
		assert_int_equal(cleaned, round + 1);
	}
	pool_free(&pool);
	assert_int_equal(cleaned, 3);
}

static void an_array_grows_in_heap_and_pool(void **state)
{
	struct pool *pool = pool_new("test");
	ARRAY(uint32_t) heap = ARRAY_INIT;
	ARRAY(uint32_t) pooled = ARRAY_IN(pool);
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(*array_add(&heap), 0);
		heap.v[i] = i;
		*array_add(&pooled) = i;
	}
	array_remove(&heap, 500);
	assert_int_equal(heap.n, 999);
	assert_int_equal(heap.v[500], 501);
	array_append(&pooled, heap.v, 3);
	assert_int_equal(pooled.v[1002], 2);
	array_fini(&heap);
	assert_null(heap.v);
	array_fini(&pooled);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_grows_and_stays_terminated),
		cmocka_unit_test(a_string_in_a_pool_goes_with_it),
		cmocka_unit_test(pool_memory_is_zeroed_and_reusable),
		cmocka_unit_test(an_array_grows_in_heap_and_pool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
