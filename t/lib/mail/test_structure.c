/* The ENVELOPE and BODYSTRUCTURE texts of messages that are hard to describe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/summary.h"

#define HEAD "Subject: s\r\n"
#define TEXT0 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "

static const struct {
	const char *message, *bodystructure;
} rows[] = {
	{"", TEXT0 "0 0 NIL NIL NIL NIL)"},
	{HEAD "\r\nx\r\n", TEXT0 "3 1 NIL NIL NIL NIL)"},
	{"Content-Type: multipart/mixed\r\n\r\nx", TEXT0 "1 0 NIL NIL NIL NIL)"},
	{"Content-Type: multipart/mixed; boundary=b\r\n\r\nx", TEXT0 "1 0 NIL NIL NIL NIL)"},
	{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
		TEXT0 "7 1 NIL NIL NIL NIL)"},
	{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"(" TEXT0 "1 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"},
	{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b--",
		"(" TEXT0 "0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"},
	/* One boundary is the start of the other: the longest that fits counts. */
	{"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n"
	 "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--abc\r\n\r\ny",
		"((" TEXT0 "1 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)" TEXT0
		"1 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"abc\") NIL NIL NIL)"},
	{"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
	 "Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n\r\nx\r\n--abc--\r\n--a--",
		"((" TEXT0
		"1 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"abc\") NIL NIL NIL) \"mixed\" "
		"(\"boundary\" \"a\") NIL NIL NIL)"},
	{"Content-Type: image/png; name=\"a\\\"b\"\r\nContent-ID: <x>\r\n\r\n",
		"(\"image\" \"png\" (\"name\" \"a\\\"b\") \"<x>\" NIL \"7bit\" 0 NIL NIL NIL NIL)"},
	{"Content-Type: text/plain; charset=utf-8\r\nContent-Description: \xe4\r\n"
	 "Content-Disposition: attachment; filename=x\r\nContent-Language: de, en\r\n"
	 "Content-Location: l\r\nContent-MD5: m\r\nContent-Transfer-Encoding: BASE64\r\n\r\n",
		"(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL {1}\r\n\xe4 \"BASE64\" 0 0 \"m\" "
		"(\"attachment\" (\"filename\" \"x\")) (\"de\" \"en\") \"l\")"},
	{"Content-Type: message/rfc822\r\n\r\nSubject: i\r\n\r\nx\r\n",
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 (NIL \"i\" NIL NIL NIL NIL NIL "
		"NIL "
		"NIL NIL) " TEXT0 "3 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"},
	{"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n\r\nx\r\n--b--",
		"((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 3 (NIL NIL NIL NIL NIL NIL NIL NIL "
		"NIL "
		"NIL) " TEXT0 "1 0 NIL NIL NIL NIL) 1 NIL NIL NIL NIL) \"digest\" (\"boundary\" "
		"\"b\") NIL NIL NIL)"},
};

static void structures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str blob = STR_INIT;
		struct summary s;
		mail_summarize(span_of(rows[i].message), &blob);
		assert_int_equal(0, summary_parse(str_span(&blob), &s));
		if (!span_is(s.bodystructure, rows[i].bodystructure))
			fail_msg("row %zu: %.*s", i, (int)s.bodystructure.n, s.bodystructure.p);
		str_fini(&blob);
	}
}

static const struct {
	const char *message, *envelope;
} envelopes[] = {
	{"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
	{"Subject:\r\n\r\n", "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
	{"Subject: a \"b\" \\\r\nDate: d\r\nMessage-ID: <m>\r\nIn-Reply-To: <r>\r\n\r\n",
		"(\"d\" \"a \\\"b\\\" \\\\\" NIL NIL NIL NIL NIL NIL \"<r>\" \"<m>\")"},
	{"From: A <a@b>\r\nSender:\r\nReply-To: c@d\r\nTo: G:;\r\n\r\n",
		"(NIL NIL ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) ((NIL NIL \"c\" "
		"\"d\")) "
		"((NIL NIL \"G\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)"},
	{"To: root\r\nCc: <@x:a@b>\r\nBcc: \xe4 <a@b>\r\n\r\n",
		"(NIL NIL NIL NIL NIL ((NIL NIL \"root\" \"\")) ((NIL \"@x\" \"a\" \"b\")) "
		"(({1}\r\n\xe4 NIL \"a\" \"b\")) NIL NIL)"},
	{"Subject: a\r\n  \tb\r\n\r\n", "(NIL \"a b\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
};

static void envelope_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
		struct str blob = STR_INIT;
		struct summary s;
		mail_summarize(span_of(envelopes[i].message), &blob);
		assert_int_equal(0, summary_parse(str_span(&blob), &s));
		if (!span_is(s.envelope, envelopes[i].envelope))
			fail_msg("row %zu: %.*s", i, (int)s.envelope.n, s.envelope.p);
		str_fini(&blob);
	}
}

static void body_is_without_extension_data(void **state)
{
	static const char message[] =
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
		"Content-Type: message/rfc822\r\n\r\n\r\n--b--";
	struct str blob = STR_INIT, body = STR_INIT;
	struct summary s;
	(void)state;
	mail_summarize(span_of(message), &blob);
	assert_int_equal(0, summary_parse(str_span(&blob), &s));
	summary_put_body(&body, &s);
	assert_string_equal(body.s,
		"(" TEXT0 "1 0)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 (NIL NIL NIL NIL NIL "
		"NIL NIL NIL NIL NIL) " TEXT0 "0 0) 0) \"mixed\")");
	str_fini(&blob);
	str_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(structures),
		cmocka_unit_test(envelope_texts), cmocka_unit_test(body_is_without_extension_data)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
