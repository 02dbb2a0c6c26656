/* c-ares on the loop: its sockets are watches, its time-outs one timer. */
#include "io/dns_impl.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "base/array.h"
#include "io/loop.h"

#define TRY_MS	   2000 /* first try of a server; c-ares doubles it each round */
#define TRIES	   3
#define EDNS_BYTES 1232 /* fits every path unfragmented */

struct socket_watch {
	int fd;
	struct loop_watch *watch;
};

struct dns {
	ares_channel channel;
	bool hosts;
	struct loop_timer *timer;
	ARRAY(struct socket_watch) sockets;
};

static void set_timer(struct dns *dns);

static void on_timer(void *arg)
{
	struct dns *dns = arg;
	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(dns);
}

static void set_timer(struct dns *dns)
{
	struct timeval tv, *next = ares_timeout(dns->channel, NULL, &tv);
	loop_timer_remove(&dns->timer);
	if (next)
		dns->timer = loop_timer_add(
			next->tv_sec * 1000 + next->tv_usec / 1000 + 1, on_timer, dns);
}

static void on_socket(void *arg, int fd, int events)
{
	struct dns *dns = arg;
	ares_process_fd(dns->channel, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
		events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(dns);
}

/* c-ares tells what it wants of a socket; neither before it closes it. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = arg;
	int events = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
	size_t i = 0;
	while (i < dns->sockets.n && dns->sockets.v[i].fd != fd)
		i++;
	if (i == dns->sockets.n && events) {
		struct loop_watch *w = loop_watch_add(fd, events, false, on_socket, dns);
		*array_add(&dns->sockets) = (struct socket_watch){fd, w};
	} else if (i < dns->sockets.n && events) {
		loop_watch_set(dns->sockets.v[i].watch, events);
	} else if (i < dns->sockets.n) {
		loop_watch_remove(&dns->sockets.v[i].watch);
		array_remove(&dns->sockets, i);
	}
}

struct dns *dns_new(const char *servers, bool hosts, const char **err_r)
{
	struct dns *dns = mem_new(struct dns);
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS,
		.timeout = TRY_MS,
		.tries = TRIES,
		.ednspsz = EDNS_BYTES,
		.sock_state_cb = on_state,
		.sock_state_cb_data = dns,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
		   ARES_OPT_SOCK_STATE_CB;
	dns->hosts = hosts;
	*err_r = NULL;
	ares_library_init(ARES_LIB_INIT_ALL);
	if (ares_init_options(&dns->channel, &options, mask) != ARES_SUCCESS) {
		*err_r = "The resolver can't be set up from /etc/resolv.conf.";
		dns->channel = NULL;
	} else if (*servers && ares_set_servers_ports_csv(dns->channel, servers) != ARES_SUCCESS) {
		*err_r = "The list of name servers is not of addresses, with ports behind colons.";
	}
	if (*err_r)
		dns_free(&dns);
	return dns;
}

void dns_free(struct dns **dns)
{
	if (!*dns)
		return;
	if ((*dns)->channel)
		ares_destroy((*dns)->channel); /* answers every query, closes every socket */
	loop_timer_remove(&(*dns)->timer);
	array_fini(&(*dns)->sockets);
	ares_library_cleanup();
	mem_free(dns);
}

/* --- queries --- */

enum dns_status dns_status_of(int ares_status)
{
	switch (ares_status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME: /* no such name can exist */
		return DNS_NONE;
	default:
		return DNS_TEMPFAIL;
	}
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int n)
{
	struct dns_query *q = arg;
	(void)timeouts;
	q->finished = true;
	q->status = status;
	if (q->abandoned) {
		dns_query_drop(&q);
		return;
	}
	if (status == ARES_SUCCESS)
		str_add(&q->answer, bytes, (size_t)n);
	fiber_wake_all(&q->done);
}

struct dns_query *dns_ask(struct dns *dns, const char *name, int type)
{
	struct dns_query *q = mem_new(struct dns_query);
	size_t n = strlen(name);
	if (n == 0 || n > DNS_NAME_MAX + 1) {
		q->finished = true;
		q->status = ARES_EBADNAME;
		return q;
	}
	ares_query(dns->channel, name, ns_c_in, type, on_answer, q);
	set_timer(dns);
	return q;
}

enum dns_status dns_await(struct dns_query *q, int64_t deadline)
{
	while (!q->finished)
		if (fiber_wait(&q->done, deadline) < 0)
			return DNS_TEMPFAIL;
	return dns_status_of(q->status);
}

void dns_query_drop(struct dns_query **q)
{
	if (!(*q)->finished) {
		(*q)->abandoned = true; /* on_answer frees it */
		*q = NULL;
		return;
	}
	str_fini(&(*q)->answer);
	mem_free(q);
}

/* --- /etc/hosts --- */

void dns_hosts_file(
	struct dns *dns, const char *host, int family, struct sockaddr_storage *addrs, size_t *n)
{
	struct hostent *entry;
	if (!dns->hosts ||
		ares_gethostbyname_file(dns->channel, host, family, &entry) != ARES_SUCCESS)
		return;
	for (char **at = entry->h_addr_list; *at && *n < DNS_ADDR_MAX; at++) {
		struct sockaddr_storage *sa = &addrs[(*n)++];
		sa->ss_family = (sa_family_t)family;
		if (family == AF_INET6)
			memcpy(&((struct sockaddr_in6 *)sa)->sin6_addr, *at, 16);
		else
			memcpy(&((struct sockaddr_in *)sa)->sin_addr, *at, 4);
	}
	ares_free_hostent(entry);
}
