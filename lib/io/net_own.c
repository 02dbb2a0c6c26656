/* Whose address is it: this machine's, or somebody else's? */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "io/net.h"

/* Nobody's: kept for documents (RFC 5737, RFC 3849). */
#define NOBODY_V4 "192.0.2.1"
#define NOBODY_V6 "2001:db8::1"

bool net_parse_host(const char *text, struct net_addr *addr_r)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr_r->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr_r->sa;
	*addr_r = (struct net_addr){0};
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		addr_r->len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		addr_r->len = sizeof(*v6);
	}
	return addr_r->len;
}

/* An IPv4 address in IPv6's clothes is that IPv4 address. Port 0. */
static void normalize(const struct sockaddr *sa, struct net_addr *out)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->sa;
	bool mapped = sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
	*out = (struct net_addr){.len = sa->sa_family == AF_INET6 && !mapped
						? sizeof(struct sockaddr_in6)
						: sizeof(struct sockaddr_in)};
	if (mapped) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, v6->sin6_addr.s6_addr + 12, 4);
		return;
	}
	memcpy(&out->sa, sa, out->len);
	v4->sin_port = 0; /* stands in the same place for both */
}

/* 1 yes; 0 no; -1 an interface has it or not. */
static int judge(const struct net_addr *a)
{
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;
	uint32_t v4 = ntohl(((const struct sockaddr_in *)&a->sa)->sin_addr.s_addr);
	if (a->sa.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ? 1
			: IN6_IS_ADDR_MULTICAST(v6)                             ? 0
										: -1;
	return v4 >> 24 == 127 || v4 >> 24 == 0 ? 1 : v4 >> 28 >= 14 ? 0 : -1;
}

/* Only a machine's own addresses can be bound to, and that is known without the right to list them. */
static bool can_bind(const struct net_addr *a)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Where ip_nonlocal_bind is set anything can: what goes to an own address comes from it. (From the first of its network, where
 * an interface has several of one: the others are not known to be ours then.) */
static bool comes_back(const struct net_addr *to)
{
	struct net_addr from = {.len = sizeof(from.sa)}, there = *to, plain;
	int fd = socket(to->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	((struct sockaddr_in *)&there.sa)->sin_port = htons(9); /* nothing is sent */
	bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&there.sa, there.len) == 0 &&
		  getsockname(fd, (struct sockaddr *)&from.sa, &from.len) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	normalize((const struct sockaddr *)&from.sa, &plain);
	return memcmp(&plain.sa, &to->sa, to->len) == 0;
}

bool net_is_own(const struct sockaddr *sa)
{
	struct net_addr a, nobody;
	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return false;
	normalize(sa, &a);
	int rc = judge(&a);
	if (rc >= 0)
		return rc;
	if (!can_bind(&a))
		return false;
	net_parse_host(a.sa.ss_family == AF_INET6 ? NOBODY_V6 : NOBODY_V4, &nobody);
	return !can_bind(&nobody) || comes_back(&a);
}

bool net_is_own_literal(struct span domain)
{
	char host[INET6_ADDRSTRLEN];
	struct net_addr addr;
	if (domain.n < 2 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
		return false;
	struct span text = span_make(domain.p + 1, domain.n - 2);
	bool v6 = span_ihas_prefix(text, SPAN_LIT("IPv6:"));
	if (v6)
		text = span_make(text.p + 5, text.n - 5);
	if (text.n >= sizeof(host))
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	return net_parse_host(host, &addr) && v6 == (addr.sa.ss_family == AF_INET6) &&
	       net_is_own((const struct sockaddr *)&addr.sa);
}
