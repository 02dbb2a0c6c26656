/* Inside lib/io only: queries (dns.c) and what their answers say (dns_answer.c). */
#ifndef IO_DNS_IMPL_H
#define IO_DNS_IMPL_H

#include <arpa/nameser.h>

#include "base/str.h"
#include "io/dns.h"
#include "io/fiber.h"

#define DNS_NAME_MAX 253 /* RFC 1035, 2.3.4, as text */

/* One question; lives until c-ares has answered, though the asker may have left. */
struct dns_query {
	struct fiber_cond done;
	bool finished, abandoned;
	int status; /* ARES_* */
	struct str answer;
};

struct dns_query *dns_ask(struct dns *dns, const char *name, int type);
/* OK: the answer is there for parsing; at the deadline TEMPFAIL. */
enum dns_status dns_await(struct dns_query *q, int64_t deadline);
void dns_query_drop(struct dns_query **q);

enum dns_status dns_status_of(int ares_status);
bool dns_is_host(const char *name);

/* /etc/hosts, when the resolver uses it: addresses appended at *n. */
void dns_hosts_file(
	struct dns *dns, const char *host, int family, struct sockaddr_storage *addrs, size_t *n);

#endif
