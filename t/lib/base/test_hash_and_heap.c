#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/heap.h"
#include "base/pool.h"

#define KEYS 5000

static void a_hash_agrees_with_an_array(void **state)
{
	static char *model[KEYS];
	static char value[2];
	struct hash *h = hash_new();
	size_t count = 0;
	(void)state;
	srandom(7);
	for (int step = 0; step < 200000; step++) {
		uint64_t key = (uint64_t)random() % KEYS;
		struct span k = hash_key_u64(&key);
		assert_ptr_equal(hash_find(h, k), model[key]);
		if (random() % 2) {
			char *v = &value[random() % 2];
			count += !model[key];
			assert_ptr_equal(hash_set(h, k, v), model[key]);
			model[key] = v;
		} else {
			count -= model[key] != NULL;
			assert_ptr_equal(hash_remove(h, k), model[key]);
			model[key] = NULL;
		}
		assert_int_equal(hash_count(h), count);
	}
	size_t at = 0, seen = 0;
	struct span key;
	void *found;
	while (hash_next(h, &at, &key, &found)) {
		uint64_t n;
		memcpy(&n, key.p, sizeof(n));
		assert_ptr_equal(found, model[n]);
		seen++;
	}
	assert_int_equal(seen, count);
	hash_free(&h);
}

static void hash_keys_are_bytes(void **state)
{
	struct hash *h = hash_new();
	static char a, b, c;
	(void)state;
	hash_set(h, SPAN_LIT(""), &a);
	hash_set(h, SPAN_LIT("x\0y"), &b);
	hash_set(h, SPAN_LIT("x"), &c);
	assert_ptr_equal(hash_find(h, SPAN_LIT("")), &a);
	assert_ptr_equal(hash_find(h, SPAN_LIT("x\0y")), &b);
	assert_ptr_equal(hash_find(h, SPAN_LIT("x")), &c);
	assert_null(hash_find(h, SPAN_LIT("x\0")));
	hash_free(&h);
}

static void a_heap_gives_the_smallest_first(void **state)
{
	struct heap heap = {0};
	struct heap_node *nodes = mem_alloc(KEYS * sizeof(*nodes));
	(void)state;
	srandom(11);
	for (size_t i = 0; i < KEYS; i++)
		heap_add(&heap, &nodes[i], random() % 1000);
	for (size_t i = 0; i < KEYS; i += 3) {
		heap_remove(&heap, &nodes[i]);
		heap_remove(&heap, &nodes[i]);
		assert_false(heap_has(&nodes[i]));
	}
	int64_t last = -1;
	size_t n = 0;
	for (struct heap_node *node; (node = heap_first(&heap)); n++) {
		assert_true(node->key >= last);
		last = node->key;
		heap_remove(&heap, node);
	}
	assert_int_equal(n, KEYS - (KEYS + 2) / 3);
	heap_fini(&heap);
	mem_free(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_agrees_with_an_array),
		cmocka_unit_test(hash_keys_are_bytes),
		cmocka_unit_test(a_heap_gives_the_smallest_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
