#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/directoryd/directoryd.h"

static const struct directoryd d = {.default_domain = "our.test"};

static const struct {
	const char *text, *key;
} addresses[] = {
	{"anna@our.test", "anna@our.test"},
	{"Anna@Our.Test.", "anna@our.test"},
	{"anna", "anna@our.test"},
	{"a@b@our.test", "a@b@our.test"}, /* the last @ counts */
	{"gr\xc3\xbcn@b\xc3\xbc.test", "gr\xc3\xbcn@b\xc3\xbc.test"},
	{"a b@our.test", "a b@our.test"},
	{"", NULL},
	{"@", NULL},
	{"@our.test", NULL},
	{"anna@", NULL},
	{"anna@.", NULL},
	{"anna@our..test", NULL},
	{"anna@our.test..", NULL},
	{"anna@.test", NULL},
	{"an\nna@our.test", NULL},
	{"anna\x7f@our.test", NULL},
	{"anna@our test", NULL},
	{"anna@our/test", NULL},
	{"anna@our,test", NULL},
	{"\xff@our.test", NULL},
	{"anna@\xc3.test", NULL},
};

static void addresses_become_keys(void **state)
{
	struct pool *pool = pool_new("test");
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		const char *key = name_parse(&d, pool, addresses[i].text);
		if (addresses[i].key)
			assert_string_equal(key, addresses[i].key);
		else
			assert_null(key);
	}
	pool_free(&pool);
}

static void keys_are_short(void **state)
{
	struct pool *pool = pool_new("test");
	char local[NAME_OCTETS_MAX + 1], domain[258];
	(void)state;
	memset(local, 'x', sizeof(local) - 1);
	local[NAME_OCTETS_MAX] = '\0';
	memset(domain, 'y', sizeof(domain) - 1);
	domain[257] = '\0';
	assert_null(name_key(&d, pool, local, "our.test"));
	local[NAME_OCTETS_MAX - 9] = '\0';
	assert_non_null(name_key(&d, pool, local, "our.test"));
	assert_null(name_domain(pool, domain));
	domain[255] = '\0';
	assert_non_null(name_domain(pool, domain));
	assert_null(name_key(&d, pool, local, domain));
	pool_free(&pool);
}

static void keys_belong_to_domains(void **state)
{
	(void)state;
	assert_true(name_is_in(SPAN_LIT("a@our.test"), "our.test"));
	assert_true(name_is_in(SPAN_LIT("@our.test"), "our.test"));
	assert_true(name_is_in(SPAN_LIT("a@b@our.test"), "our.test"));
	assert_false(name_is_in(SPAN_LIT("our.test"), "our.test"));
	assert_false(name_is_in(SPAN_LIT("a@not-our.test"), "our.test"));
	assert_false(name_is_in(SPAN_LIT("a@x.our.test"), "our.test"));
	assert_false(name_is_in(SPAN_LIT(""), "our.test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_become_keys),
		cmocka_unit_test(keys_are_short),
		cmocka_unit_test(keys_belong_to_domains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
