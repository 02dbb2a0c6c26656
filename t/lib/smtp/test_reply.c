/* Replies: what is written can be read, what is no reply is told, EHLO's words become capabilities.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp/build.h"
#include "smtp/reply.h"

static void written(void **state)
{
	static const struct {
		unsigned code;
		const char *status, *text, *want;
	} table[] = {
		{250, "2.0.0", "Ok", "250 2.0.0 Ok\r\n"},
		{220, NULL, "mail.example ESMTP", "220 mail.example ESMTP\r\n"},
		{250, NULL, "a\nSIZE 1\nDSN", "250-a\r\n250-SIZE 1\r\n250 DSN\r\n"},
		{550, "5.1.1", "<x\r@y> not\x01known", "550 5.1.1 <x?@y> not?known\r\n"},
		{334, NULL, "", "334 \r\n"},
		{214, "2.0.0", "a\nb", "214-2.0.0 a\r\n214 2.0.0 b\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct str out = STR_INIT;
		smtp_reply_put(&out, table[i].code, table[i].status, span_of(table[i].text));
		assert_string_equal(str_c(&out), table[i].want);
		str_fini(&out);
	}
}

/* Feeds lines separated by '|'; returns the last answer. */
static int feed(struct smtp_reply *r, const char *text)
{
	struct span rest = span_of(text), line;
	int rc = 0;
	smtp_reply_reset(r);
	while (rc == 0 && span_split(&rest, '|', &line))
		rc = smtp_reply_add(r, line);
	return rc;
}

static void read_back(void **state)
{
	static const struct {
		const char *lines;
		int rc;
		unsigned code;
		const char *status, *line;
	} table[] = {
		{"250 2.1.0 Ok", 1, 250, "2.1.0", "250 2.1.0 Ok"},
		{"250", 1, 250, "", "250 "},
		{"250-a|250-b|250 c", 1, 250, "", "250 a b c"},
		{"550-5.1.1 no|550 5.7.1 never", 1, 550, "5.1.1", "550 5.1.1 no 5.7.1 never"},
		{"550 5.1.1234 x", 1, 550, "", "550 5.1.1234 x"},
		{"250-a", 0, 250, "", NULL},
		{"250-a|251 b", -1, 0, NULL, NULL},
		{"25", -1, 0, NULL, NULL},
		{"2x0 a", -1, 0, NULL, NULL},
		{"099 a", -1, 0, NULL, NULL},
		{"650 a", -1, 0, NULL, NULL},
		{"250_a", -1, 0, NULL, NULL},
		{"", -1, 0, NULL, NULL},
	};
	struct pool *pool = pool_new("test");
	struct smtp_reply r = {.text = STR_INIT};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int rc = feed(&r, table[i].lines);
		if (rc != table[i].rc)
			fail_msg("%s: %d", table[i].lines, rc);
		if (rc < 0)
			continue;
		assert_int_equal(r.code, table[i].code);
		assert_string_equal(r.status, table[i].status);
		if (table[i].line)
			assert_string_equal(smtp_reply_line(pool, &r), table[i].line);
	}
	str_fini(&r.text);
	pool_free(&pool);
}

static void endless_replies_have_an_end(void **state)
{
	struct smtp_reply r = {.text = STR_INIT};
	struct str line = STR_INIT;
	unsigned lines = 0;
	(void)state;
	str_puts(&line, "250-");
	for (int i = 0; i < 1000; i++)
		str_putc(&line, 'x');
	while (smtp_reply_add(&r, str_span(&line)) == 0)
		lines++;
	assert_int_equal(lines, SMTP_REPLY_LINES_MAX);
	assert_true(r.text.len <= SMTP_REPLY_KEEP_MAX);
	struct pool *pool = pool_new("test");
	assert_int_equal(strlen(smtp_reply_line(pool, &r)), 4 + SMTP_REPLY_SAY_MAX);
	pool_free(&pool);
	str_fini(&line);
	str_fini(&r.text);
}

static void capabilities(void **state)
{
	struct smtp_reply r = {.text = STR_INIT};
	struct smtp_capabilities c;
	(void)state;
	assert_int_equal(feed(&r, "250-mail.example greets SIZE|250-size "
				  "1000|250-8BITMIME|250-AUTH PLAIN LOGIN"
				  "|250-PIPELINING|250-XSIZE 2|250 starttls"),
		1);
	smtp_capabilities_parse(&r, &c);
	assert_int_equal(c.extensions, SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_AUTH |
			SMTP_EXT_PIPELINING | SMTP_EXT_STARTTLS);
	assert_int_equal(c.size_limit, 1000);
	assert_true(span_is(c.auth, "PLAIN LOGIN"));
	assert_int_equal(feed(&r, "250 mail.example"), 1);
	smtp_capabilities_parse(&r, &c);
	assert_int_equal(c.extensions, 0);
	str_fini(&r.text);
}

static void commands_are_built_for_the_server(void **state)
{
	static const struct {
		struct smtp_mail_out mail;
		unsigned extensions;
		const char *want; /* NULL: refused */
	} table[] = {
		{{.sender = ""}, 0, "MAIL FROM:<>\r\n"},
		{{.sender = "a@b",
			 .size = 5,
			 .eight_bit = true,
			 .envid = "x=y",
			 .ret = DSN_RET_FULL},
			SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_DSN,
			"MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME RET=FULL ENVID=x+3Dy\r\n"},
		{{.sender = "a@b", .size = 5, .eight_bit = true, .envid = "x"}, 0,
			"MAIL FROM:<a@b>\r\n"},
		{{.sender = "\xc3\xa4@b", .smtputf8 = true}, SMTP_EXT_UTF8,
			"MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\n"},
		{{.sender = "\xc3\xa4@b", .smtputf8 = true}, 0, NULL},
		{{.sender = "a\r\nRCPT TO:<b@c>"}, 0, NULL},
	};
	struct str out = STR_INIT;
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		str_reset(&out);
		int rc = smtp_put_mail(&out, &table[i].mail, table[i].extensions);
		assert_int_equal(rc, table[i].want ? 0 : -1);
		assert_string_equal(str_c(&out), table[i].want ? table[i].want : "");
	}
	str_reset(&out);
	struct recipient r = {.address = "x@y", .orcpt = "rfc822;o+p@y", .notify = NOTIFY_SUCCESS};
	assert_int_equal(smtp_put_rcpt(&out, "x@y", &r, SMTP_EXT_DSN, false), 0);
	assert_string_equal(
		str_c(&out), "RCPT TO:<x@y> NOTIFY=SUCCESS ORCPT=rfc822;o+2Bp@y\r\n");
	str_reset(&out);
	assert_int_equal(smtp_put_rcpt(&out, "x@y", &r, 0, false), 0);
	assert_string_equal(str_c(&out), "RCPT TO:<x@y>\r\n");
	str_reset(&out);
	assert_int_equal(smtp_put_rcpt(&out, "x@y>\nDATA", &r, 0, false), -1);
	assert_int_equal(out.len, 0);
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(read_back),
		cmocka_unit_test(endless_replies_have_an_end),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(commands_are_built_for_the_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
