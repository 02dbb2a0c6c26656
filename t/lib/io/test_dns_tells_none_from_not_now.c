/* DNS answers: found, authoritatively none, and not known now are three things, whatever the server
 * does. */
#include "io/dns.h"
#include "name_server.h"
#include "test.h"

void name_server_answer(struct reply *r, const char *name, unsigned type)
{
	char host[64];
	if (strcmp(name, "mx.test") == 0 && type == ns_t_mx) {
		put_mx(r, name, 20, "c.mx.test");
		put_mx(r, name, 10, "a.mx.test");
		put_mx(r, name, 10, "b.mx.test");
	} else if (strcmp(name, "null.test") == 0 && type == ns_t_mx) {
		put_mx(r, name, 0, "");
	} else if (strcmp(name, "many.test") == 0 && type == ns_t_mx) {
		for (unsigned i = 0; i < 80; i++) {
			snprintf(host, sizeof(host), "host-%u.many.test", i);
			put_mx(r, name, 100 - i, host);
		}
	} else if (strcmp(name, "evil.test") == 0 && type == ns_t_mx) {
		put_mx(r, name, 5, "a b;c\r\n.test");
	} else if (strcmp(name, "mixed.test") == 0 && type == ns_t_mx) {
		put_mx(r, name, 5, "good.test");
		put_mx(r, name, 1, "b@d.test");
	} else if (strcmp(name, "host.test") == 0 || strcmp(name, "real.test") == 0) {
		if (type == ns_t_a) {
			put_addr(r, name, "192.0.2.1");
			put_addr(r, name, "192.0.2.2");
		} else if (type == ns_t_aaaa) {
			put_addr(r, name, "2001:db8::1");
		}
	} else if (strcmp(name, "v4.test") == 0) {
		if (type == ns_t_a)
			put_addr(r, name, "192.0.2.4");
	} else if (strcmp(name, "half.test") == 0) {
		if (type == ns_t_a)
			put_addr(r, name, "192.0.2.5");
		else
			r->rcode = ns_r_servfail;
	} else if (strcmp(name, "other-half.test") == 0) {
		if (type == ns_t_a)
			r->rcode = ns_r_servfail;
	} else if (strcmp(name, "alias.test") == 0) {
		put_host(r, name, ns_t_cname, "real.test");
		if (type == ns_t_a)
			put_addr(r, "real.test", "192.0.2.6");
	} else if (strcmp(name, "crowd.test") == 0) {
		for (unsigned i = 0; i < 100; i++) {
			snprintf(host, sizeof(host), type == ns_t_a ? "192.0.2.%u" : "2001:db8::%x",
				i + 1);
			put_addr(r, name, host);
		}
	} else if (strcmp(name, "1.2.0.192.in-addr.arpa") == 0) {
		put_host(r, name, ns_t_ptr, "one.test");
	} else if (strncmp(name, "1.0.0.0.", 8) == 0 && strstr(name, "8.b.d.0.1.0.0.2.ip6.arpa")) {
		put_host(r, name, ns_t_ptr, "six.test");
	} else if (strcmp(name, "2.2.0.192.in-addr.arpa") == 0) {
		put_host(r, name, ns_t_ptr, "evil name\n.test");
	} else if (strcmp(name, "txt.test") == 0 && type == ns_t_txt) {
		put_txt(r, name, "v=spf1 ", "-all");
		put_txt(r, name, "other", NULL);
	} else if (strcmp(name, "servfail.test") == 0) {
		r->rcode = ns_r_servfail;
	} else if (strcmp(name, "refused.test") == 0) {
		r->rcode = ns_r_refused;
	} else if (strcmp(name, "silent.test") == 0) {
		r->silent = true;
	} else if (strcmp(name, "garbage.test") == 0) {
		put_mx(r, name, 1, "x.test");
		r->garbage = true;
	} else if (strcmp(name, "nodata.test") != 0) {
		r->rcode = ns_r_nxdomain;
	}
}

static struct name_server server;
static struct dns *dns;
static struct pool *pool;

static int64_t soon(void)
{
	return io_deadline(10000);
}

static void exchangers(void **state)
{
	(void)state;
	struct dns_mx *mx;
	size_t n;
	bool a_first = false, b_first = false;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(dns_mx(dns, pool, "mx.test", soon(), &mx, &n), DNS_OK);
		assert_int_equal(n, 3);
		assert_int_equal(mx[0].preference, 10);
		a_first |= strcmp(mx[0].host, "a.mx.test") == 0;
		b_first |= strcmp(mx[0].host, "b.mx.test") == 0;
		assert_string_equal(mx[2].host, "c.mx.test");
	}
	assert_true(a_first && b_first); /* equal ones take turns */
	assert_int_equal(dns_mx(dns, pool, "mx.test.", soon(), &mx, &n), DNS_OK);
	assert_int_equal(dns_mx(dns, pool, "null.test", soon(), &mx, &n), DNS_OK);
	assert_int_equal(n, 1);
	assert_string_equal(mx[0].host, "");
}

static void too_many_come_by_tcp_and_the_best_are_kept(void **state)
{
	(void)state;
	struct dns_mx *mx;
	size_t n;
	assert_int_equal(dns_mx(dns, pool, "many.test", soon(), &mx, &n), DNS_OK);
	assert_int_equal(n, DNS_MX_MAX);
	assert_string_equal(mx[0].host, "host-79.many.test");
	assert_int_equal(mx[DNS_MX_MAX - 1].preference, 84);
	assert_int_equal(server.tcp_queries, 1);
}

static void statuses(void **state)
{
	(void)state;
	struct dns_mx *mx;
	size_t n;
	char long_name[400];
	memset(long_name, 'x', sizeof(long_name));
	long_name[399] = '\0';
	const struct {
		const char *name;
		enum dns_status status;
	} rows[] = {
		{"nowhere.test", DNS_NONE},
		{"nodata.test", DNS_NONE},
		{"servfail.test", DNS_TEMPFAIL},
		{"refused.test", DNS_TEMPFAIL},
		{"garbage.test", DNS_TEMPFAIL},
		{"evil.test", DNS_TEMPFAIL},
		{"", DNS_NONE},
		{"a..b", DNS_NONE},
		{long_name, DNS_NONE},
		{"mixed.test", DNS_OK},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(dns_mx(dns, pool, rows[i].name, soon(), &mx, &n), rows[i].status);
		assert_int_equal(n, rows[i].status == DNS_OK);
	}
}

static void silence_ends_at_the_deadline(void **state)
{
	(void)state;
	struct dns_mx *mx;
	size_t n;
	int64_t start = clock_mono_ms();
	assert_int_equal(dns_mx(dns, pool, "silent.test", io_deadline(100), &mx, &n), DNS_TEMPFAIL);
	assert_in_range(clock_mono_ms() - start, 100, 1500);
	/* the question left behind troubles nobody */
	assert_int_equal(dns_mx(dns, pool, "mx.test", soon(), &mx, &n), DNS_OK);
}

static void expect_addr(const struct sockaddr_storage *sa, const char *want)
{
	char text[INET6_ADDRSTRLEN];
	const void *addr = sa->ss_family == AF_INET
				   ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
				   : &((const struct sockaddr_in6 *)sa)->sin6_addr;
	assert_non_null(inet_ntop(sa->ss_family, addr, text, sizeof(text)));
	assert_string_equal(text, want);
	assert_int_equal(ntohs(((const struct sockaddr_in *)sa)->sin_port), 25);
}

static void addresses(void **state)
{
	(void)state;
	const struct {
		const char *name;
		enum dns_status status;
		size_t n;
		const char *first;
	} rows[] = {
		{"host.test", DNS_OK, 3, "2001:db8::1"},
		{"v4.test", DNS_OK, 1, "192.0.2.4"},
		{"half.test", DNS_OK, 1, "192.0.2.5"},
		{"alias.test", DNS_OK, 1, "192.0.2.6"},
		{"192.0.2.77", DNS_OK, 1, "192.0.2.77"},
		{"2001:db8::77", DNS_OK, 1, "2001:db8::77"},
		{"crowd.test", DNS_OK, DNS_ADDR_MAX, "2001:db8::1"},
		{"other-half.test", DNS_TEMPFAIL, 0, NULL},
		{"servfail.test", DNS_TEMPFAIL, 0, NULL},
		{"nowhere.test", DNS_NONE, 0, NULL},
		{"nodata.test", DNS_NONE, 0, NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage *sa;
		size_t n;
		assert_int_equal(
			dns_addr(dns, pool, rows[i].name, 25, soon(), &sa, &n), rows[i].status);
		assert_int_equal(n, rows[i].n);
		if (n)
			expect_addr(&sa[0], rows[i].first);
		if (n > 1)
			assert_int_equal(
				sa[n - 1].ss_family, AF_INET); /* both families have room */
	}
}

static enum dns_status ptr_of(const char *text, const char **name_r)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return dns_ptr(dns, pool, (struct sockaddr *)&v4, soon(), name_r);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return dns_ptr(dns, pool, (struct sockaddr *)&v6, soon(), name_r);
}

static void names_of_addresses(void **state)
{
	(void)state;
	const char *name;
	assert_int_equal(ptr_of("192.0.2.1", &name), DNS_OK);
	assert_string_equal(name, "one.test");
	assert_int_equal(ptr_of("::ffff:192.0.2.1", &name), DNS_OK);
	assert_string_equal(name, "one.test");
	assert_int_equal(ptr_of("2001:db8::1", &name), DNS_OK);
	assert_string_equal(name, "six.test");
	assert_int_not_equal(
		ptr_of("192.0.2.2", &name), DNS_OK); /* no name at all rather than that */
	assert_null(name);
	assert_int_equal(ptr_of("192.0.2.9", &name), DNS_NONE);
}

static void texts(void **state)
{
	(void)state;
	const char **txt;
	size_t n;
	assert_int_equal(dns_txt(dns, pool, "txt.test", soon(), &txt, &n), DNS_OK);
	assert_int_equal(n, 2);
	assert_string_equal(txt[0], "v=spf1 -all");
	assert_string_equal(txt[1], "other");
	assert_int_equal(dns_txt(dns, pool, "nodata.test", soon(), &txt, &n), DNS_NONE);
	assert_int_equal(n, 0);
}

static void look_up(void *arg)
{
	struct dns_mx *mx;
	size_t n;
	assert_int_equal(dns_mx(dns, pool, "mx.test", soon(), &mx, &n), DNS_OK);
	++*(int *)arg;
}

static void hundreds_of_fibers_ask_at_once(void **state)
{
	(void)state;
	int n = 0;
	for (int i = 0; i < 300; i++)
		fiber_start("asks", look_up, &n);
	run_fibers();
	assert_int_equal(n, 300);
}

static void leave_behind(void *arg)
{
	struct dns_mx *mx;
	size_t n;
	*(int *)arg = (int)dns_mx(arg ? dns : NULL, pool, "silent.test", IO_FOREVER, &mx, &n);
}

static void closing_answers_who_still_waits(void **state)
{
	(void)state;
	int status = -1;
	fiber_start("asks", leave_behind, &status);
	loop_turn(0);
	dns_free(&dns);
	run_fibers();
	assert_int_equal(status, DNS_TEMPFAIL);
	const char *err = NULL;
	assert_null(dns_new("not an address", false, &err));
	assert_non_null(err);
	dns = dns_new("", true, &err);
	assert_non_null(dns);
	struct sockaddr_storage *sa;
	size_t n;
	assert_int_equal(dns_addr(dns, pool, "localhost", 25, soon(), &sa, &n), DNS_OK);
	assert_true(n >= 1);
}

static int set_up(void **state)
{
	const char *err;
	(void)state;
	name_server_start(&server);
	dns = dns_new(server.at, false, &err);
	pool = pool_new("test");
	return !dns;
}

static int tear_down(void **state)
{
	(void)state;
	dns_free(&dns);
	pool_free(&pool);
	name_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchangers),
		cmocka_unit_test(too_many_come_by_tcp_and_the_best_are_kept),
		cmocka_unit_test(statuses),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(addresses),
		cmocka_unit_test(names_of_addresses),
		cmocka_unit_test(texts),
		cmocka_unit_test(hundreds_of_fibers_ask_at_once),
		cmocka_unit_test(closing_answers_who_still_waits),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
