/* Addresses as text and lists of networks: what is meant, and nothing that only looks like it. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "io/net.h"
#include "test.h"

static void addresses(void **state)
{
	(void)state;
	const struct {
		const char *text, *host;
		int family, port;
	} rows[] = {
		{"127.0.0.1:25", "127.0.0.1", AF_INET, 25},
		{"[::1]:65535", "::1", AF_INET6, 65535},
		{"[2001:db8::5]:0", "2001:db8::5", AF_INET6, 0},
		{"[::ffff:192.0.2.7]:1", "192.0.2.7", AF_INET6, 1},
		{"*:25", "::", AF_INET6, 25},
		{"unix:/run/x", "unix", AF_UNIX, 0},
		{"127.0.0.1", NULL, 0, 0},
		{"127.0.0.1:", NULL, 0, 0},
		{"127.0.0.1:65536", NULL, 0, 0},
		{"127.0.0.1:25x", NULL, 0, 0},
		{"127.0.0.1:-1", NULL, 0, 0},
		{"::1:25", NULL, 0, 0},
		{"[::1:25", NULL, 0, 0},
		{"[127.0.0.1]:25", NULL, 0, 0},
		{"localhost:25", NULL, 0, 0},
		{":25", NULL, 0, 0},
		{"", NULL, 0, 0},
		{"unix:", NULL, 0, 0},
		{"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:1", NULL, 0, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_addr addr;
		struct str host = STR_INIT;
		const char *err = NULL;
		int rc = net_parse(rows[i].text, &addr, &err);
		assert_int_equal(rc, rows[i].host ? 0 : -1);
		if (rc == 0) {
			const struct sockaddr *sa = (const struct sockaddr *)&addr.sa;
			net_put_host(&host, sa);
			assert_string_equal(str_c(&host), rows[i].host);
			assert_int_equal(sa->sa_family, rows[i].family);
			assert_int_equal(net_port(sa), rows[i].port);
		} else {
			assert_non_null(err);
		}
		str_fini(&host);
	}
}

static bool list_has(const struct net_list *list, const char *host)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return net_list_has(list, (struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
	return net_list_has(list, (struct sockaddr *)&v6);
}

static void lists(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct net_list *list;
	const char *err;
	const char *text = " 127.0.0.0/8\t[::1]/128, 10.1.2.3\n2001:db8:80::/41 192.0.2.64/26";
	assert_int_equal(net_list_parse(pool, text, &list, &err), 0);
	const struct {
		const char *host;
		bool in;
	} rows[] = {
		{"127.0.0.1", true},
		{"127.255.255.255", true},
		{"128.0.0.1", false},
		{"10.1.2.3", true},
		{"10.1.2.4", false},
		{"::1", true},
		{"::2", false},
		{"::ffff:10.1.2.3", true},
		{"192.0.2.63", false},
		{"192.0.2.64", true},
		{"192.0.2.127", true},
		{"192.0.2.128", false},
		{"2001:db8:80::", true},
		{"2001:db8:ff:ffff::1", true},
		{"2001:db8:7f::1", false},
		{"2001:db8:100::", false},
		{"::7f00:1", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(list_has(list, rows[i].host), rows[i].in);
	struct sockaddr local = {.sa_family = AF_UNIX};
	assert_false(net_list_has(list, &local));
	assert_int_equal(net_list_parse(pool, "", &list, &err), 0);
	assert_false(list_has(list, "127.0.0.1"));
	assert_int_equal(net_list_parse(pool, "0.0.0.0/0", &list, &err), 0);
	assert_true(list_has(list, "8.8.8.8"));
	assert_false(list_has(list, "2001:db8::1"));
	assert_int_equal(net_list_parse(pool, "::/0", &list, &err), 0);
	assert_true(list_has(list, "8.8.8.8"));
	pool_free(&pool);
}

static void mistakes_in_lists(void **state)
{
	(void)state;
	const char *const rows[] = {"127.0.0.0/33", "::1/129", "10.0.0.1/8", "10.0.0.0/",
		"10.0.0.0/-1", "10/8", "host", "/8", "[::1", "2001:db8::1/32", "127.0.0.1 x"};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pool *pool = pool_new("test");
		struct net_list *list;
		const char *err = NULL;
		assert_int_equal(net_list_parse(pool, rows[i], &list, &err), -1);
		assert_non_null(err);
		pool_free(&pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(lists),
		cmocka_unit_test(mistakes_in_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
