/*
 * The smtp agent and what hosts answer it. The first octet chooses the job, the second the size of the pieces that arrive; then
 * come the replies, which 0xff cuts into connections. At 0xfe a host waits for the next of the two jobs, so that it has an idle
 * connection kept. Whatever hosts say, every recipient has a valid outcome of one line, nobody was served without a message's end
 * on the wire, and what was sent are lines.
 *
 * Connecting and DNS are replaced: the files that use them are compiled in here.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define io_connect fuzz_connect
#define dns_mx     fuzz_mx
#define dns_addr   fuzz_addr
#include "qmgr/smtp/link.c"
#include "qmgr/smtp/target.c"

#include "io/loop.h"
#include "os/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_LMTP = 1, WITH_8BIT = 2, WITH_UTF8 = 4, WITH_DSN = 8, WITH_TLS = 16, WITH_SMART_HOST = 32 };

/* The input's hosts: connections and resolver have no argument that it could come in. */
static struct span script;
static size_t step;
static bool gate_open;
static struct fiber_cond gate;
static struct str sent; /* by the agent, on all connections */
static bool served;     /* some recipient */

/* --- a host --- */

struct host {
	int in, out;
	struct span bytes;
};

static void send_pieces(void *arg)
{
	struct host *h = arg;
	bool alive = true;
	while (alive && h->bytes.n) {
		size_t n = span_index(h->bytes, 0, (char)0xfe);
		for (size_t at = 0; alive && at < n;) {
			size_t some = n - at < step ? n - at : step;
			ssize_t done = io_write(h->out, h->bytes.p + at, some, IO_FOREVER);
			alive = done > 0;
			at += alive ? (size_t)done : 0;
			fiber_yield();
		}
		if (n < h->bytes.n)
			n++;
		h->bytes = span_make(h->bytes.p + n, h->bytes.n - n);
		while (h->bytes.n && !gate_open)
			fiber_wait(&gate, IO_FOREVER);
	}
	shutdown(h->out, SHUT_WR);
	io_close(&h->out);
	if (h->in < 0)
		mem_free(&h);
}

static void read_all(void *arg)
{
	struct host *h = arg;
	char block[4096];
	for (ssize_t n; (n = io_read(h->in, block, sizeof(block), IO_FOREVER)) > 0;)
		str_add(&sent, block, (size_t)n);
	io_close(&h->in);
	if (h->out < 0)
		mem_free(&h);
}

int io_connect(const struct sockaddr *to, socklen_t len, const struct sockaddr *bind_to, socklen_t bind_len,
	int64_t deadline)
{
	int sv[2];
	(void)to;
	(void)len;
	(void)bind_to;
	(void)bind_len;
	(void)deadline;
	if (!script.n) {
		errno = ECONNREFUSED;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
		abort();
	struct host *h = mem_new(struct host);
	size_t n = span_index(script, 0, (char)0xff);
	h->bytes = span_make(script.p, n);
	script = n < script.n ? span_make(script.p + n + 1, script.n - n - 1) : span_make("", 0);
	h->out = sv[0];
	h->in = fcntl(sv[0], F_DUPFD_CLOEXEC, 3);
	fiber_start("host reads", read_all, h);
	fiber_start("host sends", send_pieces, h);
	return sv[1];
}

/* --- the resolver --- */

enum dns_status dns_mx(struct dns *dns, struct pool *pool, const char *domain, int64_t deadline, struct dns_mx **mx_r,
	size_t *n_r)
{
	(void)dns;
	(void)domain;
	(void)deadline;
	*mx_r = pool_array(pool, 2, sizeof(**mx_r));
	(*mx_r)[0].host = "one.test";
	(*mx_r)[1].host = "two.test";
	*n_r = 2;
	return DNS_OK;
}

enum dns_status dns_addr(struct dns *dns, struct pool *pool, const char *host, uint16_t port, int64_t deadline,
	struct sockaddr_storage **addr_r, size_t *n_r)
{
	(void)dns;
	(void)host;
	(void)deadline;
	struct sockaddr_in *v4 = (struct sockaddr_in *)(*addr_r = pool_array(pool, 1, sizeof(**addr_r)));
	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	v4->sin_addr.s_addr = htonl(0xc0000201);
	*n_r = 1;
	return DNS_OK;
}

/* --- a job --- */

static const char text_7bit[] = "Subject: x\r\n\r\n.\r\n..a\r\nend without end";
static const char text_8bit[] = "Subject: \xc3\xa4\r\n\r\n\xff\r\n.\r\n";

static int message_file(struct span text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	if (fd < 0 || os_write_all(fd, text.p, text.n) < 0)
		abort();
	return fd;
}

static void check_outcomes(const struct agent_job *job)
{
	for (size_t i = 0; i < job->n; i++) {
		const struct outcome *o = &job->recipients[i].outcome;
		if (!outcome_is_valid(o) || !o->text)
			log_panic("an outcome is not valid");
		for (const char *p = o->text; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				log_panic("an outcome is more than a line");
		served |= o->fate != FATE_DEFERRED && o->fate != FATE_FAILED;
	}
}

struct work {
	struct smtp_agent *agent;
	unsigned how;
	bool done;
};

static void run_job(void *arg)
{
	struct work *w = arg;
	struct pool *pool = pool_new("job");
	struct recipient whom[] = {
		{.address = "a@sandbox.test", .orcpt = ""},
		{.address = w->how & WITH_UTF8 ? "\xc3\xa4@sandbox.test" : "\"b b\"@sandbox.test", .orcpt = ""},
		{.address = "c@sandbox.test", .orcpt = w->how & WITH_DSN ? "rfc822;o@x.test" : "",
			.notify = w->how & WITH_DSN ? NOTIFY_SUCCESS | NOTIFY_DELAY : 0},
	};
	struct envelope e = {.trace = trace_id_make(1), .sender = w->how & WITH_DSN ? "" : "s@elsewhere.test", .envid = "x y",
		.smtputf8 = w->how & WITH_UTF8, .body = w->how & WITH_8BIT ? BODY_8BITMIME : BODY_7BIT,
		.recipients = whom, .nrecipient = COUNT_OF(whom)};
	struct agent_recipient recipients[COUNT_OF(whom)];
	for (size_t i = 0; i < COUNT_OF(whom); i++)
		recipients[i] = (struct agent_recipient){.address = whom[i].address, .account = "", .envelope = &whom[i],
			.outcome = {.fate = FATE_DEFERRED, .status = "nobody said"}};
	struct span text = w->how & (WITH_8BIT | WITH_UTF8) ? SPAN_LIT(text_8bit) : SPAN_LIT(text_7bit);
	struct agent_job job = {.pool = pool, .envelope = &e, .attempt = 1, .recipients = recipients,
		.n = COUNT_OF(whom), .fd = message_file(text), .size = text.n,
		.destination = w->how & WITH_LMTP ? "lmtp:[192.0.2.7]" : "sandbox.test"};
	smtp_deliver(w->agent, &job);
	check_outcomes(&job);
	close(job.fd);
	pool_free(&pool);
	w->done = true;
}

static void run_job_to_end(struct work *w)
{
	w->done = false;
	fiber_start("job", run_job, w);
	/* A host that waits for the next job while this one waits for it has waited enough. */
	for (unsigned turns = 1; !w->done; turns++) {
		loop_turn(0);
		if (turns % 64 == 0) {
			gate_open = true;
			fiber_wake_all(&gate);
		}
	}
}

static struct smtp_agent *new_agent(unsigned how)
{
	static struct smtp_conf conf;
	static struct pool *pool;
	struct smtp_agent *agent;
	const char *err;
	if (!pool && conf_defaults(pool = pool_new("conf"), smtp_conf_rows, "/", &conf, &err) < 0)
		abort();
	conf.tls = how & WITH_TLS ? "may" : "no";
	conf.smart_host = how & WITH_SMART_HOST ? "[192.0.2.8]:26" : "";
	conf.messages_per_connection = 2;
	if (smtp_agent_new(pool, &conf, "client.test", "127.0.0.1:9", "", &agent, &err) < 0)
		abort();
	return agent;
}

static void check_sent(void)
{
	struct span all = span_make(str_c(&sent), sent.len);
	if (memmem(all.p, all.n, "STARTTLS\r\n", 10))
		return;
	if (served && !memmem(all.p, all.n, "\r\n.\r\n", 5))
		log_panic("delivered without a message");
	for (size_t i = 0; i < all.n; i++)
		if (!all.p[i] || (all.p[i] == '\n') != (i && all.p[i - 1] == '\r'))
			log_panic("what was sent are no lines");
}

__attribute__((constructor)) static void be_quiet(void)
{
	const char *err;
	log_open("fuzz", "/dev/null", LOG_LEVEL_PANIC, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smtp_agent *agents[64];
	if (size < 2)
		return 0;
	struct smtp_agent **agent = &agents[data[0] & 63 & (WITH_TLS | WITH_SMART_HOST)];
	struct work w = {.how = data[0]};
	script = span_make(data + 2, size - 2);
	step = data[1] ? data[1] : 5000;
	gate_open = served = false;
	str_reset(&sent);
	if (!*agent)
		*agent = new_agent(w.how);
	w.agent = *agent;
	run_job_to_end(&w);
	gate_open = true;
	fiber_wake_all(&gate);
	run_job_to_end(&w);
	idle_close_all(w.agent);
	while (fiber_count())
		loop_turn(1000);
	check_sent();
	return 0;
}
