#include "io/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

static int parse_unix(struct span path, struct net_addr *addr_r, const char **err_r)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&addr_r->sa;
	if (path.n == 0 || path.n >= sizeof(un->sun_path)) {
		*err_r = "The path of a Unix socket is empty or too long.";
		return -1;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.p, path.n);
	addr_r->len = sizeof(*un);
	return 0;
}

static bool parse_v6(struct span host, struct in6_addr *addr_r)
{
	char text[INET6_ADDRSTRLEN];
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET6, text, addr_r) == 1;
}

static bool parse_v4(struct span host, struct in_addr *addr_r)
{
	char text[INET_ADDRSTRLEN];
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET, text, addr_r) == 1;
}

static bool parse_host(struct span host, uint16_t port, struct net_addr *addr_r)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr_r->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr_r->sa;
	bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	bool any = span_is(host, "*");
	if (any || (bracketed && parse_v6(span_make(host.p + 1, host.n - 2), &v6->sin6_addr))) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		addr_r->len = sizeof(*v6);
		return true;
	}
	if (!parse_v4(host, &v4->sin_addr))
		return false;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	addr_r->len = sizeof(*v4);
	return true;
}

int net_parse(const char *text, struct net_addr *addr_r, const char **err_r)
{
	struct span s = span_of(text);
	memset(addr_r, 0, sizeof(*addr_r));
	if (span_has_prefix(s, SPAN_LIT("unix:")))
		return parse_unix(span_make(s.p + 5, s.n - 5), addr_r, err_r);
	size_t colon = s.n;
	while (colon && s.p[colon - 1] != ':')
		colon--;
	uint32_t port;
	if (!colon || !num_parse_u32(span_make(s.p + colon, s.n - colon), 65535, &port)) {
		*err_r = "The address has no port: it is written host:port.";
		return -1;
	}
	if (!parse_host(span_make(s.p, colon - 1), (uint16_t)port, addr_r)) {
		*err_r = "The host of the address is not *, an IPv4 address or an IPv6 address in "
			 "brackets.";
		return -1;
	}
	return 0;
}

void net_put_host(struct str *out, const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN] = "";
	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, text, sizeof(text));
	} else if (sa->sa_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(v6))
			inet_ntop(AF_INET, &v6->s6_addr[12], text, sizeof(text));
		else
			inet_ntop(AF_INET6, v6, text, sizeof(text));
	}
	str_puts(out, text[0] ? text : "unix");
}

struct span net_key(const char *ip, unsigned char buf[8])
{
	struct in6_addr v6;
	if (inet_pton(AF_INET6, ip, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
		return span_make(ip, strnlen(ip, INET6_ADDRSTRLEN));
	memcpy(buf, v6.s6_addr, 8);
	return span_make(buf, 8);
}

int net_port(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	if (sa->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return 0;
}

/* --- listening --- */

static int bind_unix(int fd, const struct net_addr *addr, unsigned mode)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->sa;
	struct stat st;
	if (lstat(un->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(un->sun_path);
	/* Nobody connects before listen, so that the mode may follow the bind. */
	if (bind(fd, (const struct sockaddr *)un, addr->len) < 0)
		return -1;
	return mode ? chmod(un->sun_path, mode) : 0;
}

static int bind_inet(int fd, const struct net_addr *addr)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addr->sa;
	int one = 1;
	/* Only "*" means both families: [::1] and [::] beside 0.0.0.0 must not collide. */
	int only = addr->sa.ss_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (addr->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	return bind(fd, (const struct sockaddr *)&addr->sa, addr->len);
}

/* "*" where the kernel has no IPv6: all of IPv4. */
static struct net_addr without_v6(const struct net_addr *addr)
{
	struct net_addr v4 = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in = (struct sockaddr_in *)&v4.sa;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)net_port((const struct sockaddr *)&addr->sa));
	return v4;
}

static const char *why_not(int cause)
{
	switch (cause) {
	case EADDRINUSE:
		return "The address is in use by another program.";
	case EACCES:
	case EPERM:
		return "The address may not be bound by this user.";
	case EADDRNOTAVAIL:
		return "The address is not one of this machine's.";
	case ENOENT:
		return "The folder of the Unix socket does not exist.";
	case EMFILE:
	case ENFILE:
		return "There are too many open descriptors.";
	default:
		return "The address can't be listened on.";
	}
}

int net_listen(const struct net_addr *addr, int backlog, unsigned mode, const char **err_r)
{
	struct net_addr v4;
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(addr->sa.ss_family, type, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && addr->sa.ss_family == AF_INET6) {
		v4 = without_v6(addr);
		addr = &v4;
		fd = socket(AF_INET, type, 0);
	}
	bool is_unix = addr->sa.ss_family == AF_UNIX;
	if (fd >= 0 && (is_unix ? bind_unix(fd, addr, mode) : bind_inet(fd, addr)) == 0 &&
		listen(fd, backlog) == 0)
		return fd;
	*err_r = why_not(errno);
	if (fd >= 0)
		close(fd);
	return -1;
}
