/* The tables of parameters themselves: what generated files and programs rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "params/params.h"

static void every_default_is_a_value_of_its_row(void **state)
{
	(void)state;
	for (const struct params_table *t = params_tables; t->rows; t++) {
		struct pool *pool = pool_new("test");
		void *values = pool_alloc(pool, t->size);
		const char *err = "";
		if (conf_defaults(pool, t->rows, "/", values, &err) < 0)
			fail_msg("[%s] %s", t->program, err);
		pool_free(&pool);
	}
}

static void names_are_unique_and_explained(void **state)
{
	(void)state;
	for (const struct params_table *t = params_tables; t->rows; t++)
		for (const struct conf_row *r = t->rows; r->type != CONF_TYPE_END; r++) {
			size_t n = strlen(r->help);
			if (conf_find_row(t->rows, r->name) != r)
				fail_msg("[%s] %s stands twice", t->program, r->name);
			if (n < 10 || r->help[n - 1] != '.')
				fail_msg("[%s] %s has no sentence", t->program, r->name);
			if (r->offset >= t->size)
				fail_msg("[%s] %s lies outside its struct", t->program, r->name);
		}
}

static void no_program_row_hides_one_of_services(void **state)
{
	(void)state;
	for (const struct params_table *t = params_tables; t->rows; t++)
		for (const struct conf_row *r = service_conf_rows; r->type != CONF_TYPE_END; r++)
			if (t->program[0] && t->rows != service_conf_rows && conf_find_row(t->rows, r->name))
				fail_msg("[%s] %s means a service's row too", t->program, r->name);
}

static void tables_are_found_by_program(void **state)
{
	(void)state;
	for (const struct params_table *t = params_tables; t->rows; t++)
		assert_ptr_equal(params_table_find(t->program), t);
	assert_null(params_table_find("no such program"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_a_value_of_its_row),
		cmocka_unit_test(names_are_unique_and_explained),
		cmocka_unit_test(no_program_row_hides_one_of_services),
		cmocka_unit_test(tables_are_found_by_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
