/*
 * Asynchronous DNS (c-ares) for fibers; outside fibers it blocks. Every answer tells three things
 * apart: found, authoritatively none, and not known now. Mail is bounced only on the second.
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/pool.h"

enum dns_status {
	DNS_OK,
	DNS_NONE,     /* NXDOMAIN, or the name has no such records */
	DNS_TEMPFAIL, /* time-out, SERVFAIL, no server: try later */
};

struct dns; /* a resolver with its sockets, for one thread */

/* servers: "127.0.0.1:5353,[::1]:53", or "" for /etc/resolv.conf. hosts: also /etc/hosts. */
struct dns *dns_new(const char *servers, bool hosts, const char **err_r);
void dns_free(struct dns **dns);

struct dns_mx {
	const char *host; /* no final dot; "" for a null MX (RFC 7505) */
	uint16_t preference;
};
#define DNS_MX_MAX   64
#define DNS_ADDR_MAX 64

/* Sorted by preference, equal ones shuffled. */
enum dns_status dns_mx(struct dns *dns, struct pool *pool, const char *domain, int64_t deadline,
	struct dns_mx **mx_r, size_t *n_r);
/* A and AAAA; AAAA first where both are. Ports are set to port. */
enum dns_status dns_addr(struct dns *dns, struct pool *pool, const char *host, uint16_t port,
	int64_t deadline, struct sockaddr_storage **addr_r, size_t *n_r);
enum dns_status dns_ptr(struct dns *dns, struct pool *pool, const struct sockaddr *addr,
	int64_t deadline, const char **name_r);
enum dns_status dns_txt(struct dns *dns, struct pool *pool, const char *name, int64_t deadline,
	const char ***txt_r, size_t *n_r);

#endif
