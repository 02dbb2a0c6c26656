/* Which addresses are this machine's: all of its interfaces' and loopback; and nobody else's. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "io/net.h"
#include "test.h"

static void of_all_machines(void **state)
{
	(void)state;
	const struct {
		const char *text;
		bool own;
	} rows[] = {
		{"127.0.0.1", true},
		{"127.200.3.4", true},
		{"0.0.0.0", true},
		{"::1", true},
		{"::", true},
		{"::ffff:127.0.0.1", true},
		{"::ffff:0.0.0.0", true},
		{"192.0.2.77", false},
		{"::ffff:192.0.2.77", false},
		{"2001:db8::77", false},
		{"224.0.0.1", false},
		{"255.255.255.255", false},
		{"ff02::1", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_addr addr;
		assert_true(net_parse_host(rows[i].text, &addr));
		if (net_is_own((const struct sockaddr *)&addr.sa) != rows[i].own)
			fail_msg("%s", rows[i].text);
	}
}

static void of_this_one(void **state)
{
	(void)state;
	struct ifaddrs *all;
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)i->ifa_addr;
		if (v6->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) && !v6->sin6_scope_id)
			continue;
		assert_true(net_is_own(i->ifa_addr));
	}
	freeifaddrs(all);
}

static void literals(void **state)
{
	(void)state;
	const struct {
		const char *text;
		bool own;
	} rows[] = {
		{"[127.0.0.1]", true},
		{"[IPv6:::1]", true},
		{"[ipv6:0:0::1]", true},
		{"[IPv6:::ffff:127.0.0.1]", true},
		{"[192.0.2.77]", false},
		{"[IPv6:2001:db8::77]", false},
		{"[::1]", false},
		{"[IPv6:127.0.0.1]", false},
		{"127.0.0.1", false},
		{"[127.0.0.1", false},
		{"[127.0.0.1]x", false},
		{"[127.0.0.1 ]", false},
		{"[127.1]", false},
		{"[]", false},
		{"[", false},
		{"]", false},
		{"", false},
		{"localhost", false},
		{"[IPv6:]", false},
		{"[IPv6:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (net_is_own_literal(span_of(rows[i].text)) != rows[i].own)
			fail_msg("%s", rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_all_machines),
		cmocka_unit_test(of_this_one),
		cmocka_unit_test(literals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
