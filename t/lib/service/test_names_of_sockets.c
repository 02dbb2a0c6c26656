/* unix:NAME stays below run_dir; other addresses pass as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "service/shared.h"

static const struct {
	const char *word, *address; /* NULL: refused */
} rows[] = {
	{"127.0.0.1:25", "127.0.0.1:25"},
	{"*:25", "*:25"},
	{"unix:queue", "unix:/run/thurn/queue"},
	{"unix:queue-admin", "unix:/run/thurn/queue-admin"},
	{"unix:", NULL},
	{"unix:.", NULL},
	{"unix:..", NULL},
	{"unix:.hidden", NULL},
	{"unix:../queue", NULL},
	{"unix:a/b", NULL},
	{"unix:/etc/x", NULL},
	{"unix:master", NULL},
};

static void names_are_plain(void **state)
{
	struct common_conf common = {.run_dir = "/run/thurn"};
	struct pool *pool = pool_new("test");
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *address = NULL, *err = NULL;
		int rc = service_listen_address(pool, &common, span_of(rows[i].word), &address, &err);
		assert_int_equal(rc, rows[i].address ? 0 : -1);
		if (rows[i].address)
			assert_string_equal(address, rows[i].address);
		else
			assert_non_null(err);
	}
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_plain)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
