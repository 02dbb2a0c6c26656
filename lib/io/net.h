/* Addresses as text, listening sockets, networks. */
#ifndef IO_NET_H
#define IO_NET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/str.h"

struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "127.0.0.1:25", "[::1]:25", "*:25" (all, v6 socket with v4), "unix:/path". No name look-ups. */
int net_parse(const char *text, struct net_addr *addr_r, const char **err_r);
/* "192.0.2.1" or "2001:db8::1" without port; v4-mapped as v4; "unix" for Unix sockets. */
void net_put_host(struct str *out, const struct sockaddr *sa);
int net_port(const struct sockaddr *sa);
/* "192.0.2.1" or "2001:db8::1", port 0. False: it is neither. */
bool net_parse_host(const char *text, struct net_addr *addr_r);

/* What counts as one in limits and queues: of IPv6 the network half (in buf), for one host owns the rest; else the text, which may be
 * none of an address, as far as one is long. */
struct span net_key(const char *ip, unsigned char buf[8]);

/* Is it this machine's: loopback, "any", or of one of its interfaces now? Asks the kernel. */
bool net_is_own(const struct sockaddr *sa);
/* The same of a domain literal (RFC 5321 4.1.3), "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
bool net_is_own_literal(struct span domain);

/* Bound, listening, non-blocking, close-on-exec, TCP_NODELAY inherited by accepted sockets; mode is
 * for Unix sockets (0 keeps the umask's), whose stale file is replaced. -1 with *err_r. */
int net_listen(const struct net_addr *addr, int backlog, unsigned mode, const char **err_r);

/* "127.0.0.0/8 [::1]/128 10.1.2.3": parsed once, matched often. */
struct net_list;
int net_list_parse(
	struct pool *pool, const char *text, struct net_list **list_r, const char **err_r);
bool net_list_has(const struct net_list *list, const struct sockaddr *sa);

#endif
