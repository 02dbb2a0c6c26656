/* Commands: the right verb and arguments, or the right refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp/command.h"

#define ALL                                                                                        \
	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_UTF8 | SMTP_EXT_DSN | SMTP_EXT_AUTH)

static void verbs(void **state)
{
	static const struct {
		const char *line;
		unsigned code; /* 0: fine */
		enum smtp_verb verb;
		const char *args;
	} table[] = {
		{"EHLO a.example", 0, SMTP_EHLO, "a.example"},
		{"ehlo   a.example  ", 0, SMTP_EHLO, "a.example"},
		{"EHLO", 501, SMTP_EHLO, NULL},
		{"MAIL FROM:<a@b>", 0, SMTP_MAIL, "FROM:<a@b>"},
		{"DATA", 0, SMTP_DATA, ""},
		{"DATA x", 501, SMTP_DATA, NULL},
		{"QUIT ", 0, SMTP_QUIT, ""},
		{"NOOP anything at all", 0, SMTP_NOOP, "anything at all"},
		{"NOOP", 0, SMTP_NOOP, ""},
		{"", 500, SMTP_UNKNOWN, NULL},
		{"XYZZY", 500, SMTP_UNKNOWN, NULL},
		{"ETRN x", 500, SMTP_UNKNOWN, NULL},
		{"GET / HTTP/1.1", 0, SMTP_ALIEN, "/ HTTP/1.1"},
		{"Subject: hello", 0, SMTP_ALIEN, "hello"},
		{"RCPT TO:<a\x01@b>", 500, SMTP_RCPT, NULL},
		{"NOOP a\rb", 500, SMTP_NOOP, NULL},
		{"NOOP \r", 500, SMTP_NOOP, NULL},
		{"STARTTLS now", 501, SMTP_STARTTLS, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct smtp_command c;
		const struct smtp_fault *f = smtp_command_parse(span_of(table[i].line), &c);
		if ((f ? f->code : 0) != table[i].code || c.verb != table[i].verb)
			fail_msg("%s: code %u verb %d", table[i].line, f ? f->code : 0, c.verb);
		if (table[i].args)
			assert_true(span_is(c.args, table[i].args));
	}
}

static void lines_have_limits(void **state)
{
	static const struct {
		const char *start;
		size_t longest;
	} table[] = {
		{"NOOP ", SMTP_LINE_MAX},
		{"MAIL FROM:", SMTP_ENVELOPE_LINE_MAX},
		{"AUTH PLAIN ", SMTP_COMMAND_MAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (int extra = 0; extra < 2; extra++) {
			struct str line = STR_INIT;
			struct smtp_command c;
			str_puts(&line, table[i].start);
			while (line.len < table[i].longest + (size_t)extra)
				str_putc(&line, 'x');
			const struct smtp_fault *f = smtp_command_parse(str_span(&line), &c);
			assert_int_equal(f ? f->code : 0, extra ? 500 : 0);
			str_fini(&line);
		}
}

static void mail(void **state)
{
	static const struct {
		const char *args;
		unsigned offers, code;
		const char *sender;
		struct smtp_mail want;
	} table[] = {
		{"FROM:<>", ALL, 0, "", {.envid = ""}},
		{"from:<A.b@Example.ORG>", ALL, 0, "A.b@example.org", {.envid = ""}},
		{"FROM: <a@b.example>", ALL, 0, "a@b.example", {.envid = ""}},
		{"FROM:<a@b.example> SIZE=12 BODY=8BITMIME", ALL, 0, "a@b.example",
			{.size = 12, .body = BODY_8BITMIME, .envid = ""}},
		{"FROM:<a@b.example> body=7bit", ALL, 0, "a@b.example", {.envid = ""}},
		{"FROM:<a@b.example> RET=HDRS ENVID=x+2By", ALL, 0, "a@b.example",
			{.ret = DSN_RET_HDRS, .envid = "x+y"}},
		{"FROM:<a@b.example> AUTH=<>", ALL, 0, "a@b.example", {.envid = "", .auth = "<>"}},
		{"FROM:<a@b.example> AUTH=nobody", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> AUTH=u@d.example", ALL, 0, "a@b.example",
			{.envid = "", .auth = "u@d.example"}},
		{"FROM:<\xc3\xa4@b.example> SMTPUTF8", ALL, 0, "\xc3\xa4@b.example",
			{.smtputf8 = true, .envid = ""}},
		{"FROM:<\xc3\xa4@b.example>", ALL, 553, NULL, {.size = 0}},
		{"FROM:<a@b.example> SMTPUTF8=1", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> SIZE=", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> SIZE=1x", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> SIZE=99999999999999999999999", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> SIZE=1 SIZE=2", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> BODY=BINARYMIME", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> NOTIFY=NEVER", ALL, 555, NULL, {.size = 0}},
		{"FROM:<a@b.example> X=1", ALL, 555, NULL, {.size = 0}},
		{"FROM:<a@b.example> SIZE=1", 0, 555, NULL, {.size = 0}},
		{"FROM:<a@b.example>SIZE=1", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> RET=HALF", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example> ENVID=+0D+0ARCPT", ALL, 501, NULL, {.size = 0}},
		{"FROM:a@b.example", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a@b.example", ALL, 501, NULL, {.size = 0}},
		{"FROM:<a>", ALL, 501, NULL, {.size = 0}},
		{"<a@b.example>", ALL, 501, NULL, {.size = 0}},
		{"TO:<a@b.example>", ALL, 501, NULL, {.size = 0}},
	};
	struct pool *pool = pool_new("test");
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct smtp_mail m;
		const struct smtp_mail *w = &table[i].want;
		const struct smtp_fault *f =
			smtp_mail_parse(span_of(table[i].args), table[i].offers, 0, pool, &m);
		if ((f ? f->code : 0) != table[i].code)
			fail_msg("%s: %u", table[i].args, f ? f->code : 0);
		if (f)
			continue;
		assert_string_equal(address_text(pool, &m.sender), table[i].sender);
		assert_int_equal(m.size, w->size);
		assert_int_equal(m.body, w->body);
		assert_int_equal(m.smtputf8, w->smtputf8);
		assert_int_equal(m.ret, w->ret);
		assert_string_equal(m.envid, w->envid);
		assert_string_equal(m.auth ? m.auth : "-", w->auth ? w->auth : "-");
	}
	pool_free(&pool);
}

static void rcpt(void **state)
{
	static const struct {
		const char *args;
		unsigned offers, code;
		const char *address;
		unsigned notify;
		const char *orcpt;
	} table[] = {
		{"TO:<a@b.example>", ALL, 0, "a@b.example", 0, ""},
		{"to:<@x.example,@y.example:a@b.example>", ALL, 0, "a@b.example", 0, ""},
		{"TO:<\"a b\"@b.example>", ALL, 0, "\"a b\"@b.example", 0, ""},
		{"TO:<a@[192.0.2.1]>", ALL, 0, "a@[192.0.2.1]", 0, ""},
		{"TO:<a@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+3Dy@b.example", ALL, 0,
			"a@b.example", NOTIFY_SUCCESS | NOTIFY_FAILURE, "rfc822;x=y@b.example"},
		{"TO:<a@b.example> NOTIFY=NEVER", ALL, 0, "a@b.example", NOTIFY_NEVER, ""},
		{"TO:<a@b.example> NOTIFY=NEVER,DELAY", ALL, 501, NULL, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822", ALL, 501, NULL, 0, NULL},
		{"TO:<a@b.example> ORCPT=rfc822;a+0D+0Ab", ALL, 501, NULL, 0, NULL},
		{"TO:<a@b.example> ORCPT=;a", ALL, 501, NULL, 0, NULL},
		{"TO:<a@b.example> SIZE=1", ALL, 555, NULL, 0, NULL},
		{"TO:<>", ALL, 501, NULL, 0, NULL},
		{"TO:<a@b.example>\xff", ALL, 501, NULL, 0, NULL},
		{"TO:<\xc3\xa4@b.example>", ALL & ~SMTP_EXT_UTF8, 553, NULL, 0, NULL},
		{"TO:<\xc3\xa4@b.example>", ALL, 0, "\xc3\xa4@b.example", 0, ""},
		{"TO:<\xc3@b.example>", ALL, 501, NULL, 0, NULL},
	};
	struct pool *pool = pool_new("test");
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct smtp_rcpt r;
		const struct smtp_fault *f =
			smtp_rcpt_parse(span_of(table[i].args), table[i].offers, 0, pool, &r);
		if ((f ? f->code : 0) != table[i].code)
			fail_msg("%s: %u", table[i].args, f ? f->code : 0);
		if (f)
			continue;
		assert_string_equal(address_text(pool, &r.address), table[i].address);
		assert_int_equal(r.notify, table[i].notify);
		assert_string_equal(r.orcpt, table[i].orcpt);
	}
	pool_free(&pool);
}

static void bdat(void **state)
{
	static const struct {
		const char *args;
		bool ok, last;
		uint64_t size;
	} table[] = {
		{"0", true, false, 0},
		{"12 LAST", true, true, 12},
		{"12 last", true, true, 12},
		{"9223372036854775807", true, false, INT64_MAX},
		{"9223372036854775808", false, false, 0},
		{"-1", false, false, 0},
		{"1 FIRST", false, false, 0},
		{"LAST", false, false, 0},
		{"0x10", false, false, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct smtp_bdat b;
		const struct smtp_fault *f = smtp_bdat_parse(span_of(table[i].args), &b);
		if ((f == NULL) != table[i].ok)
			fail_msg("%s", table[i].args);
		if (!f)
			assert_true(b.size == table[i].size && b.last == table[i].last);
	}
}

static void auth(void **state)
{
	static const struct {
		const char *args, *mechanism, *initial; /* NULL: none */
		unsigned code;
	} table[] = {
		{"PLAIN", "PLAIN", NULL, 0},
		{"PLAIN AGEAYg==", "PLAIN", "", 0}, /* begins with NUL */
		{"SCRAM-SHA-256 =", "SCRAM-SHA-256", "", 0},
		{"LOGIN dXNlcg==", "LOGIN", "user", 0},
		{"PLAIN ?", NULL, NULL, 501},
		{"PL/AIN", NULL, NULL, 501},
		{"ABCDEFGHIJKLMNOPQRSTU", NULL, NULL, 501},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct smtp_auth a;
		struct str initial = STR_INIT;
		const struct smtp_fault *f = smtp_auth_parse(span_of(table[i].args), &initial, &a);
		assert_int_equal(f ? f->code : 0, table[i].code);
		if (!f) {
			assert_true(span_is(a.mechanism, table[i].mechanism));
			assert_int_equal(a.has_initial, table[i].initial != NULL);
			if (table[i].initial)
				assert_string_equal(str_c(&initial), table[i].initial);
		}
		str_fini(&initial);
	}
	struct str out = STR_INIT;
	assert_int_equal(smtp_auth_line(SPAN_LIT("*"), &out), 1);
	assert_int_equal(smtp_auth_line(SPAN_LIT("%%"), &out), -1);
	assert_int_equal(smtp_auth_line(SPAN_LIT("dXNlcg=="), &out), 0);
	assert_string_equal(str_c(&out), "user");
	str_fini(&out);
}

static void helo_names(void **state)
{
	(void)state;
	assert_int_equal(smtp_helo_check(SPAN_LIT("mail.example.org")), 1);
	assert_int_equal(smtp_helo_check(SPAN_LIT("[192.0.2.1]")), 1);
	assert_int_equal(smtp_helo_check(SPAN_LIT("[IPv6:2001:db8::1]")), 1);
	assert_int_equal(smtp_helo_check(SPAN_LIT("my..pc")), 0);
	assert_int_equal(smtp_helo_check(SPAN_LIT("two words")), -1);
	assert_int_equal(smtp_helo_check(SPAN_LIT("")), -1);
	assert_int_equal(smtp_helo_check(SPAN_LIT("a\x7f")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs),
		cmocka_unit_test(lines_have_limits),
		cmocka_unit_test(mail),
		cmocka_unit_test(rcpt),
		cmocka_unit_test(bdat),
		cmocka_unit_test(auth),
		cmocka_unit_test(helo_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
