/* The client's side of run_dir/submit against a server that plays a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/stream.h"
#include "submit/client.h"

#define RULES_MAX 8
#define WAIT_MS	  30000
#define SHORT_MS  100

/* What it says: to a line that begins so, else the usual. "" hangs up, "-" says nothing. */
struct rule {
	const char *line, *reply;
};

struct server {
	struct rule rules[RULES_MAX];
	const char *extensions; /* lines of EHLO */
	char folder[32], path[64];
	int fd;
	struct str said; /* every line that came; of a message its text as it was on the wire */
};

static const char *usual(const struct server *s, struct span line)
{
	if (span_has_prefix(line, span_of("EHLO")))
		return s->extensions;
	if (span_has_prefix(line, span_of("DATA")))
		return "354 go on";
	return span_has_prefix(line, span_of("QUIT")) ? "221 bye" : "250 ok";
}

static const char *reply_to(const struct server *s, struct span line)
{
	for (size_t i = 0; i < RULES_MAX && s->rules[i].line; i++)
		if (span_has_prefix(line, span_of(s->rules[i].line)))
			return s->rules[i].reply;
	return usual(s, line);
}

/* False: no more is said. */
static bool say(struct stream *st, const char *text)
{
	if (!*text)
		return false;
	if (strcmp(text, "-") != 0) {
		stream_puts(st, text);
		stream_puts(st, "\r\n");
	}
	return stream_flush(st) == 0;
}

/* Up to the line with a dot alone. */
static void take_message(struct server *s, struct stream *st)
{
	struct span line;
	while (stream_read_line(st, 4096, &line, NULL) == 1 && !span_is(line, "."))
		str_printf(&s->said, "%.*s|", (int)line.n, line.p);
}

static void serve(void *arg)
{
	struct server *s = arg;
	struct sockaddr_storage peer;
	socklen_t n = sizeof(peer);
	struct span line;
	int fd = io_accept(s->fd, &peer, &n, io_deadline(WAIT_MS));
	assert_true(fd >= 0);
	struct stream *st = stream_new(fd);
	bool open = say(st, reply_to(s, span_of("greeting")));
	while (open && stream_read_line(st, 4096, &line, NULL) == 1) {
		const char *reply = reply_to(s, line);
		str_printf(&s->said, "%.*s\n", (int)line.n, line.p);
		open = say(st, reply);
		if (span_is(line, "DATA") && *reply == '3') {
			take_message(s, st);
			open = say(st, reply_to(s, span_of("dot")));
		}
	}
	stream_close(&st);
}

static void start(struct server *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (!s->extensions)
		s->extensions = "250-here\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 1000000";
	snprintf(s->folder, sizeof(s->folder), "/tmp/submit.XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/submit", s->folder);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	fiber_start("server", serve, s);
}

static void stop(struct server *s)
{
	alarm(60);
	while (fiber_count())
		loop_turn(100);
	alarm(0);
	close(s->fd);
	unlink(s->path);
	rmdir(s->folder);
	str_fini(&s->said);
}

static struct submit_message message(struct submit_recipient *v, size_t n)
{
	return (struct submit_message){.sender = "joe@x.test",
		.envid = "",
		.body = SPAN_LIT("Subject: x\n\nhello\n.dot\n"),
		.recipients = v,
		.nrecipient = n};
}

struct row {
	const char *name;
	struct rule rules[RULES_MAX];
	enum handed fates[3]; /* of a@, b@, c@ */
	const char *reply;    /* of b@; NULL: none */
};

static const struct row rows[] = {
	{"all is well", {{NULL, NULL}}, {0}, NULL},
	{"one is refused", {{"RCPT TO:<b@", "550 5.1.1 nobody"}},
		{HANDED_TAKEN, HANDED_REFUSED, HANDED_TAKEN}, "550 5.1.1 nobody"},
	{"one has to wait", {{"RCPT TO:<b@", "452 4.2.2 full"}},
		{HANDED_TAKEN, HANDED_LATER, HANDED_TAKEN}, "452 4.2.2 full"},
	{"all are refused, each in its way",
		{{"RCPT TO:<b@", "452 4.2.2 full"}, {"RCPT", "550 5.1.1 nobody"}},
		{HANDED_REFUSED, HANDED_LATER, HANDED_REFUSED}, "452 4.2.2 full"},
	{"the sender is refused", {{"MAIL", "553 5.1.7 not you"}},
		{HANDED_REFUSED, HANDED_REFUSED, HANDED_REFUSED}, "553 5.1.7 not you"},
	{"the sender has to wait", {{"MAIL", "452 4.3.1 disk"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "452 4.3.1 disk"},
	{"the message is refused, and so is one recipient for itself",
		{{"dot", "554 5.6.0 no"}, {"RCPT TO:<c@", "450 4.2.0 wait"}},
		{HANDED_REFUSED, HANDED_REFUSED, HANDED_LATER}, "554 5.6.0 no"},
	{"the message has to wait", {{"dot", "451 4.3.0 later"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "451 4.3.0 later"},
	{"DATA is refused", {{"DATA", "503 5.5.1 no"}},
		{HANDED_REFUSED, HANDED_REFUSED, HANDED_REFUSED}, "503 5.5.1 no"},
	{"DATA is misunderstood", {{"DATA", "250 ok"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "the server ended the connection"},
	{"the end of data is misunderstood", {{"dot", "354 go on"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "354 go on"},
	{"a recipient is misunderstood", {{"RCPT TO:<b@", "354 go on"}},
		{HANDED_TAKEN, HANDED_LATER, HANDED_TAKEN}, "354 go on"},
	{"it hangs up at the end of data", {{"dot", ""}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "the server ended the connection"},
	{"it hangs up amid the recipients", {{"RCPT TO:<b@", ""}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "the server ended the connection"},
	{"a reply is none", {{"RCPT TO:<b@", "what?"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "the server ended the connection"},
	{"it is too busy", {{"greeting", "421 4.3.2 busy"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "421 4.3.2 busy"},
	{"its greeting refuses", {{"greeting", "554 5.3.2 no"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "554 5.3.2 no"},
	{"it does no EHLO", {{"EHLO", "502 5.5.1 no"}},
		{HANDED_LATER, HANDED_LATER, HANDED_LATER}, "502 5.5.1 no"},
};

static void as_the_server_says(void **state)
{
	(void)state;
	for (const struct row *r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++) {
		struct pool *pool = pool_new("test");
		struct server s = {.fd = -1};
		struct submit_recipient v[3] = {
			{.address = "a@x.test"}, {.address = "b@x.test"}, {.address = "c@x.test"}};
		struct submit_message m = message(v, 3);
		memcpy(s.rules, r->rules, sizeof(s.rules));
		start(&s);
		submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
		for (size_t i = 0; i < 3; i++)
			if (v[i].fate != r->fates[i])
				fail_msg("%s: %s is %d, %s", r->name, v[i].address, v[i].fate,
					v[i].reply ? v[i].reply : "");
		if (r->reply)
			assert_string_equal(v[1].reply, r->reply);
		else
			assert_null(v[1].reply);
		stop(&s);
		pool_free(&pool);
	}
}

static void what_goes_over_the_wire(void **state)
{
	struct pool *pool = pool_new("test");
	struct server s = {.fd = -1};
	struct submit_recipient v[] = {{.address = "a@x.test"}};
	struct submit_message m = message(v, 1);
	(void)state;
	m.envid = "id 1";
	m.ret = DSN_RET_HDRS;
	m.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
	start(&s);
	submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
	assert_int_equal(v[0].fate, HANDED_TAKEN);
	assert_string_equal(str_c(&s.said),
		"EHLO localhost\n"
		"MAIL FROM:<joe@x.test> SIZE=23 RET=HDRS ENVID=id+201\n"
		"RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@x.test\n"
		"DATA\nSubject: x||hello|..dot|RSET\nQUIT\n");
	stop(&s);
	pool_free(&pool);
}

/* Who handed it in is said where it is listened to. */
static void on_behalf_of_another(void **state)
{
	(void)state;
	for (int offers = 0; offers < 2; offers++) {
		struct pool *pool = pool_new("test");
		struct server s = {.fd = -1, .extensions = offers ? "250-here\r\n250 AUTH" : "250 here"};
		struct submit_recipient v[] = {{.address = "a@x.test"}};
		struct submit_message m = message(v, 1);
		m.auth = "uid7@x.test";
		start(&s);
		submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
		assert_int_equal(v[0].fate, HANDED_TAKEN);
		assert_int_equal(!!strstr(str_c(&s.said), " AUTH=uid7@x.test\n"), offers);
		stop(&s);
		pool_free(&pool);
	}
}

/* An address that the server could not understand goes no further than here; the others do. */
static void an_address_that_can_not_be_sent(void **state)
{
	struct pool *pool = pool_new("test");
	struct server s = {.fd = -1, .extensions = "250 here"};
	struct submit_recipient v[] = {{.address = "a@x.test"}, {.address = "b\r\nDATA@x.test"}};
	struct submit_message m = message(v, 2);
	(void)state;
	start(&s);
	submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
	assert_int_equal(v[0].fate, HANDED_TAKEN);
	assert_int_equal(v[1].fate, HANDED_REFUSED);
	assert_non_null(strstr(v[1].reply, "no address"));
	assert_non_null(strstr(str_c(&s.said), "\nDATA\n"));
	assert_null(strstr(str_c(&s.said), "TO:<b"));
	stop(&s);
	pool_free(&pool);
}

static void a_sender_that_can_not_be_sent(void **state)
{
	struct pool *pool = pool_new("test");
	struct server s = {.fd = -1, .extensions = "250 here"};
	struct submit_recipient v[] = {{.address = "a@x.test"}};
	struct submit_message m = message(v, 1);
	(void)state;
	m.sender = "jo\xc3\xa9@x.test"; /* there is no SMTPUTF8 */
	start(&s);
	submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
	assert_int_equal(v[0].fate, HANDED_REFUSED);
	assert_non_null(strstr(v[0].reply, "5.1.7"));
	assert_null(strstr(str_c(&s.said), "MAIL"));
	stop(&s);
	pool_free(&pool);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	while ((text = strstr(text, what))) {
		text++;
		n++;
	}
	return n;
}

/* More than one transaction holds: several, and what one of them meets is no other's. */
static void many_recipients(void **state)
{
	enum { N = SUBMIT_RECIPIENTS_MAX + 3 };
	struct pool *pool = pool_new("test");
	struct server s = {.fd = -1, .rules = {{"RCPT TO:<u502@", "550 5.1.1 nobody"}}};
	struct submit_recipient *v = pool_array(pool, N, sizeof(*v));
	struct submit_message m = message(v, N);
	(void)state;
	for (size_t i = 0; i < N; i++)
		v[i].address = pool_printf(pool, "u%zu@x.test", i);
	start(&s);
	submit_send(pool, s.path, WAIT_MS, WAIT_MS, &m);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(v[i].fate, i == 502 ? HANDED_REFUSED : HANDED_TAKEN);
	assert_int_equal(count(str_c(&s.said), "MAIL FROM"), 2);
	assert_int_equal(count(str_c(&s.said), "RCPT TO"), N);
	assert_int_equal(count(str_c(&s.said), "hello"), 2);
	assert_int_equal(count(str_c(&s.said), "EHLO"), 1);
	stop(&s);
	pool_free(&pool);
}

static void no_server(void **state)
{
	struct pool *pool = pool_new("test");
	struct submit_recipient v[] = {{.address = "a@x.test"}};
	struct submit_message m = message(v, 1);
	(void)state;
	submit_send(pool, "/nonexistent/submit", WAIT_MS, WAIT_MS, &m);
	assert_int_equal(v[0].fate, HANDED_LATER);
	assert_string_equal(v[0].reply, "the server is not running");
	pool_free(&pool);
}

/* The limit of what it does not answer, once; only of the message's fate more than that. */
static void a_silent_server_costs_the_limit_once(void **state)
{
	static const char *const silent[] = {"greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"};
	(void)state;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		bool at_end = strcmp(silent[i], "dot") == 0;
		struct pool *pool = pool_new("test");
		struct server s = {.fd = -1, .rules = {{silent[i], "-"}}};
		struct submit_recipient v[] = {{.address = "a@x.test"}};
		struct submit_message m = message(v, 1);
		start(&s);
		int64_t began = clock_mono_ms();
		submit_send(pool, s.path, SHORT_MS, at_end ? 3 * SHORT_MS : WAIT_MS, &m);
		int64_t took = clock_mono_ms() - began;
		assert_int_equal(v[0].fate, HANDED_LATER);
		assert_in_range(took, at_end ? 3 * SHORT_MS : SHORT_MS, WAIT_MS / 2);
		assert_null(strstr(str_c(&s.said), "QUIT")); /* not waited for once more */
		stop(&s);
		pool_free(&pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_server_says),
		cmocka_unit_test(what_goes_over_the_wire),
		cmocka_unit_test(on_behalf_of_another),
		cmocka_unit_test(an_address_that_can_not_be_sent),
		cmocka_unit_test(a_sender_that_can_not_be_sent),
		cmocka_unit_test(many_recipients),
		cmocka_unit_test(no_server),
		cmocka_unit_test(a_silent_server_costs_the_limit_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
