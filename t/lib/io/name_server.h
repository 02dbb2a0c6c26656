/* A name server for tests on a thread of its own, UDP and TCP on 127.0.0.1: names say how it
 * answers. */
#ifndef TEST_IO_NAME_SERVER_H
#define TEST_IO_NAME_SERVER_H

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "test.h"

struct name_server {
	pthread_t thread;
	int udp, tcp;
	_Atomic bool stop;
	_Atomic unsigned udp_queries, tcp_queries;
	char at[32]; /* for dns_new */
};

static inline void put_16(struct str *out, unsigned v)
{
	str_putc(out, (char)(v >> 8));
	str_putc(out, (char)v);
}

static inline void put_name(struct str *out, const char *name)
{
	struct span rest = span_of(name), label;
	while (rest.n && span_split(&rest, '.', &label)) {
		str_putc(out, (char)label.n);
		str_add_span(out, label);
	}
	str_putc(out, 0);
}

/* Answers collect here; data is the record's, at most 65535 bytes. */
struct reply {
	struct str answers;
	unsigned n, rcode;
	bool silent, garbage;
};

static inline void put_record(
	struct reply *r, const char *name, unsigned type, const struct str *data)
{
	put_name(&r->answers, name);
	put_16(&r->answers, type);
	put_16(&r->answers, ns_c_in);
	put_16(&r->answers, 0);
	put_16(&r->answers, 60);
	put_16(&r->answers, (unsigned)data->len);
	str_add(&r->answers, data->s, data->len);
	r->n++;
}

static inline void put_mx(struct reply *r, const char *name, unsigned preference, const char *host)
{
	struct str data = STR_INIT;
	put_16(&data, preference);
	put_name(&data, host);
	put_record(r, name, ns_t_mx, &data);
	str_fini(&data);
}

static inline void put_host(struct reply *r, const char *name, unsigned type, const char *host)
{
	struct str data = STR_INIT;
	put_name(&data, host);
	put_record(r, name, type, &data);
	str_fini(&data);
}

static inline void put_addr(struct reply *r, const char *name, const char *addr)
{
	struct str data = STR_INIT;
	uint8_t bytes[16];
	bool v6 = inet_pton(AF_INET6, addr, bytes) == 1;
	if (!v6)
		inet_pton(AF_INET, addr, bytes);
	str_add(&data, bytes, v6 ? 16 : 4);
	put_record(r, name, v6 ? ns_t_aaaa : ns_t_a, &data);
	str_fini(&data);
}

static inline void put_txt(struct reply *r, const char *name, const char *one, const char *two)
{
	struct str data = STR_INIT;
	str_putc(&data, (char)strlen(one));
	str_puts(&data, one);
	if (two) {
		str_putc(&data, (char)strlen(two));
		str_puts(&data, two);
	}
	put_record(r, name, ns_t_txt, &data);
	str_fini(&data);
}

void name_server_answer(struct reply *r, const char *name, unsigned type); /* the test's zone */

/* The whole message, or nothing when it is silent. udp: cut where it does not fit. */
static inline bool build_reply(struct span query, bool udp, struct str *out)
{
	struct str name = STR_INIT;
	struct reply r = {0};
	size_t at = 12;
	while (at < query.n && query.p[at]) {
		size_t n = (unsigned char)query.p[at];
		if (name.len)
			str_putc(&name, '.');
		str_add(&name, query.p + at + 1, n);
		at += n + 1;
	}
	unsigned type = (unsigned char)query.p[at + 1] * 256u + (unsigned char)query.p[at + 2];
	size_t question_end = at + 5;
	name_server_answer(&r, str_c(&name), type);
	bool cut = udp && question_end + r.answers.len > 1232;
	str_add(out, query.p, 2);
	str_putc(out, (char)(0x81 | (cut ? 2 : 0)));
	str_putc(out, (char)(0x80 | r.rcode));
	put_16(out, 1);
	put_16(out, cut ? 0 : r.n);
	put_16(out, 0);
	put_16(out, 0);
	str_add(out, query.p + 12, question_end - 12);
	if (!cut)
		str_add(out, r.answers.s, r.answers.len);
	if (r.garbage)
		str_truncate(out, out->len - 3);
	str_fini(&r.answers);
	str_fini(&name);
	return !r.silent;
}

static inline void answer_udp(struct name_server *ns)
{
	char query[1500];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct str out = STR_INIT;
	ssize_t n = recvfrom(ns->udp, query, sizeof(query), 0, (struct sockaddr *)&from, &len);
	atomic_fetch_add(&ns->udp_queries, 1);
	if (n > 16 && build_reply(span_make(query, (size_t)n), true, &out))
		(void)!sendto(ns->udp, out.s, out.len, 0, (struct sockaddr *)&from, len);
	str_fini(&out);
}

static inline void answer_tcp(struct name_server *ns)
{
	unsigned char query[1500];
	struct str body = STR_INIT, out = STR_INIT;
	int fd = accept(ns->tcp, NULL, NULL);
	atomic_fetch_add(&ns->tcp_queries, 1);
	if (fd >= 0 && recv(fd, query, 2, MSG_WAITALL) == 2) {
		size_t n = query[0] * 256u + query[1];
		if (n > 16 && n < sizeof(query) && recv(fd, query, n, MSG_WAITALL) == (ssize_t)n &&
			build_reply(span_make(query, n), false, &body)) {
			put_16(&out, (unsigned)body.len);
			str_add(&out, body.s, body.len);
			(void)!send(fd, out.s, out.len, MSG_NOSIGNAL);
		}
	}
	close(fd);
	str_fini(&body);
	str_fini(&out);
}

static inline void *name_server_main(void *arg)
{
	struct name_server *ns = arg;
	struct pollfd fds[2] = {
		{.fd = ns->udp, .events = POLLIN}, {.fd = ns->tcp, .events = POLLIN}};
	while (!atomic_load(&ns->stop)) {
		if (poll(fds, 2, 20) <= 0)
			continue;
		if (fds[0].revents)
			answer_udp(ns);
		if (fds[1].revents)
			answer_tcp(ns);
	}
	return NULL;
}

static inline void name_server_start(struct name_server *ns)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	memset(ns, 0, sizeof(*ns));
	/* the same port for both: the next try if the other has it */
	do {
		at.sin_port = 0;
		ns->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ns->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(ns->tcp, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(getsockname(ns->tcp, (struct sockaddr *)&at, &len), 0);
	} while (bind(ns->udp, (struct sockaddr *)&at, sizeof(at)) != 0 &&
		 close(ns->tcp) + close(ns->udp) == 0);
	assert_int_equal(listen(ns->tcp, 10), 0);
	snprintf(ns->at, sizeof(ns->at), "127.0.0.1:%d", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&ns->thread, NULL, name_server_main, ns), 0);
}

static inline void name_server_stop(struct name_server *ns)
{
	atomic_store(&ns->stop, true);
	pthread_join(ns->thread, NULL);
	close(ns->udp);
	close(ns->tcp);
}

#endif
