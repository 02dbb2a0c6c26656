#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "imap/seqset.h"

static const struct {
	const char *in;
	uint32_t star;
	const char *out; /* NULL: malformed */
} rows[] = {
	{"1", 9, "1-1"},
	{"1:*", 9, "1-9"},
	{"*:1", 9, "1-9"},
	{"*", 9, "9-9"},
	{"12:*", 9, "9-12"},
	{"5,3,1", 9, "1-1 3-3 5-5"},
	{"5:3,4,1:2", 9, "1-5"},
	{"1:5,2:3", 9, "1-5"},
	{"1,2,3,10:12", 99, "1-3 10-12"},
	{"4294967294,*", 4294967294u, "4294967294-4294967294"},
	{"12:4294967295", 9, "12-4294967295"}, /* a number like others, and not "*" */
	{"4294967295:*", 9, "9-4294967295"},
	{"*", 0, ""},
	{"1:*", 0, "1-1"},
	{"4294967296", 9, NULL},
	{"0", 9, NULL},
	{"1:0", 9, NULL},
	{"", 9, NULL},
	{"1,", 9, NULL},
	{"1:", 9, NULL},
	{"1:2:3", 9, "1-2"},
	{"-1", 9, NULL},
	{"1,,2", 9, NULL},
};

static void sets_resolve_to_ascending_ranges(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse c;
		struct seqset set;
		struct str out = STR_IN(pool);
		imap_parse_init(&c, span_of(rows[i].in), pool);
		assert_int_equal(imap_parse_seqset(&c, &set), rows[i].out != NULL);
		if (!rows[i].out)
			continue;
		seqset_resolve(&set, rows[i].star);
		for (size_t k = 0; k < set.n; k++)
			str_printf(&out, "%s%u-%u", k ? " " : "", set.v[k].from, set.v[k].to);
		assert_string_equal(str_c(&out), rows[i].out);
		for (uint32_t v = 1; v < 20; v++) {
			bool in = false;
			for (size_t k = 0; k < set.n; k++)
				in |= set.v[k].from <= v && v <= set.v[k].to;
			assert_int_equal(seqset_has(&set, v), in);
		}
	}
	pool_free(&pool);
}

static void numbers_are_written_as_runs_in_their_order(void **state)
{
	static const uint32_t v[] = {1, 2, 3, 7, 5, 6, UINT32_MAX};
	struct str out = STR_INIT;

	(void)state;
	imap_put_numbers(&out, v, COUNT_OF(v), sizeof(v[0]));
	assert_string_equal(str_c(&out), "1:3,7,5:6,4294967295");
	str_reset(&out);
	imap_put_numbers(&out, v, 3, 2 * sizeof(v[0]));
	assert_string_equal(str_c(&out), "1,3,5");
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_resolve_to_ascending_ranges),
		cmocka_unit_test(numbers_are_written_as_runs_in_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
