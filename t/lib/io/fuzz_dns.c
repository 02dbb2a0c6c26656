/*
 * Answers of name servers. The first octet is the number of records, what follows are their octets; they stand behind a right
 * header and the question, to whose name 0xc00c points. Every question is answered with them: whatever they are, hosts are names
 * of hosts, lists keep their limits and order, and what can't be read is no "there is none".
 *
 * The resolver's queries are replaced by ones that have their answer: the file under test is compiled in here.
 */
#include <stdlib.h>

#define dns_ask        fuzz_ask
#define dns_await      fuzz_await
#define dns_query_drop fuzz_query_drop
#define dns_hosts_file fuzz_hosts_file
#define dns_mx         fuzz_mx
#define dns_addr       fuzz_addr
#define dns_ptr        fuzz_ptr
#define dns_txt        fuzz_txt
#define dns_is_host    fuzz_is_host
#include "lib/io/dns_answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is the resolver. */
struct dns {
	struct span records;
	uint8_t count;
};

static void put_labels(struct str *out, const char *name)
{
	struct span rest = span_of(name), label;
	while (rest.n && span_split(&rest, '.', &label)) {
		str_putc(out, (char)label.n);
		str_add_span(out, label);
	}
	str_putc(out, 0);
}

struct dns_query *dns_ask(struct dns *dns, const char *name, int type)
{
	const char header[] = {1, 2, (char)0x81, (char)0x80, 0, 1, 0, (char)dns->count, 0, 0, 0, 0};
	const char kind[] = {0, (char)type, 0, 1};
	struct dns_query *q = mem_new(struct dns_query);
	q->finished = true;
	str_add(&q->answer, header, sizeof(header));
	put_labels(&q->answer, name);
	str_add(&q->answer, kind, sizeof(kind));
	str_add_span(&q->answer, dns->records);
	return q;
}

enum dns_status dns_await(struct dns_query *q, int64_t deadline)
{
	(void)q;
	(void)deadline;
	return DNS_OK;
}

void dns_query_drop(struct dns_query **q)
{
	str_fini(&(*q)->answer);
	mem_free(q);
}

void dns_hosts_file(struct dns *dns, const char *host, int family, struct sockaddr_storage *addrs, size_t *n)
{
	(void)dns;
	(void)host;
	(void)family;
	(void)addrs;
	(void)n;
}

static void ask_mx(struct dns *dns, struct pool *pool)
{
	struct dns_mx *mx;
	size_t n;
	enum dns_status status = dns_mx(dns, pool, "a.test", 0, &mx, &n);
	if ((status == DNS_OK) != (n > 0) || n > DNS_MX_MAX)
		abort();
	for (size_t i = 0; i < n; i++)
		if ((*mx[i].host && !dns_is_host(mx[i].host)) || (i && mx[i].preference < mx[i - 1].preference))
			abort();
}

static void ask_addr(struct dns *dns, struct pool *pool)
{
	struct sockaddr_storage *addr;
	bool v4 = false;
	size_t n;
	enum dns_status status = dns_addr(dns, pool, "a.test", 25, 0, &addr, &n);
	if ((status == DNS_OK) != (n > 0) || n > DNS_ADDR_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (addr[i].ss_family != AF_INET && (addr[i].ss_family != AF_INET6 || v4))
			abort();
		v4 = addr[i].ss_family == AF_INET;
	}
}

static void ask_ptr(struct dns *dns, struct pool *pool)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	const char *name;
	if (dns_ptr(dns, pool, (struct sockaddr *)&addr, 0, &name) == DNS_OK && !dns_is_host(name))
		abort();
	if (dns_ptr(dns, pool, (struct sockaddr *)&six, 0, &name) == DNS_OK && !dns_is_host(name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct dns dns = {.records = span_make(data + 1, size - 1), .count = data[0]};
	struct pool *pool = pool_new("fuzz");
	const char **txt;
	size_t n;
	ask_mx(&dns, pool);
	ask_addr(&dns, pool);
	ask_ptr(&dns, pool);
	dns_txt(&dns, pool, "a.test", 0, &txt, &n);
	for (size_t i = 0; i < n; i++)
		if (strlen(txt[i]) > size)
			abort();
	if (n > DNS_TXT_MAX)
		abort();
	pool_free(&pool);
	return 0;
}
