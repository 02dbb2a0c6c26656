/* Delivery reports, outcomes, xtext and trace fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/dsn.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/received.h"

static const struct dsn_row row = {
	.final_recipient = "bob@example.net",
	.original = "rfc822;Bob@example.org",
	.action = DSN_FAILED,
	.outcome = {FATE_FAILED, "5.1.1", "550 5.1.1 <bob> no\r\nsuch user", "mx.example.net"},
	.last_attempt_s = 880127706,
};

static struct dsn failed(void)
{
	return (struct dsn){
		.kind = DSN_FAILED,
		.reporting_mta = "mx.example.org",
		.from = "mailer-daemon@example.org",
		.to = "ann@example.org",
		.message_id = "<r@example.org>",
		.boundary = "=_B",
		.envid = "e1",
		.queue_id = "0123456789ABCDEF",
		.now_s = 880127800,
		.arrival_s = 880127000,
		.rows = &row,
		.nrow = 1,
		.message = SPAN_LIT("Subject: lost\nFrom: ann@example.org\n\nthe body\n"),
	};
}

static void assert_holds(const struct str *report, const char *text)
{
	if (!strstr(report->s, text))
		fail_msg("\"%s\" is not in:\n%s", text, report->s);
}

static void a_failure(void **state)
{
	struct pool *pool = pool_new("test");
	struct str out = STR_INIT;
	struct dsn d = failed();
	struct mime m;
	(void)state;
	dsn_put(&out, &d);
	assert_holds(&out, "To: <ann@example.org>\r\n");
	assert_holds(&out, "Auto-Submitted: auto-replied\r\n");
	assert_holds(&out, "Reporting-MTA: dns; mx.example.org\r\n");
	assert_holds(&out, "Original-Envelope-Id: e1\r\n");
	assert_holds(&out, "Original-Recipient: rfc822; Bob@example.org\r\n");
	assert_holds(&out, "Final-Recipient: rfc822; bob@example.net\r\n");
	assert_holds(&out, "Action: failed\r\nStatus: 5.1.1\r\n");
	assert_holds(&out, "Remote-MTA: dns; mx.example.net\r\n");
	assert_holds(&out, "Diagnostic-Code: smtp; 550 5.1.1 <bob> no such user\r\n");
	mime_parse(str_span(&out), pool, &m);
	assert_int_equal(m.n, 5);
	assert_true(span_is(m.parts[0].subtype, "report"));
	assert_true(span_is(m.parts[2].subtype, "delivery-status"));
	assert_int_equal(m.parts[3].kind, MIME_MESSAGE);
	assert_true(span_is(mime_part_body(&m, &m.parts[4]), "the body\r\n"));
	for (size_t i = 0; i < out.len; i++)
		assert_true(out.s[i] != '\n' || out.s[i - 1] == '\r');
	str_fini(&out);
	pool_free(&pool);
}

static void headers_only(void **state)
{
	static const enum dsn_kind kinds[] = {DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct str out = STR_INIT;
		struct dsn d = failed();
		d.kind = kinds[i];
		d.headers_only = kinds[i] == DSN_FAILED;
		dsn_put(&out, &d);
		assert_holds(&out, "Content-Type: text/rfc822-headers\r\n");
		assert_holds(&out, "Subject: lost\r\n");
		assert_null(strstr(out.s, "the body"));
		str_fini(&out);
	}
}

static void eight_bit(void **state)
{
	struct str out = STR_INIT;
	struct dsn d = failed();
	struct dsn_row utf8 = row;
	(void)state;
	d.message = SPAN_LIT("Subject: x\r\n\r\n\xe4\r\n");
	dsn_put(&out, &d);
	assert_holds(&out, "boundary=\"=_B\"\r\nContent-Transfer-Encoding: 8bit\r\n");
	assert_holds(&out, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n");
	str_reset(&out);
	utf8.final_recipient = "b\xc3\xb6" "b@example.net";
	d.rows = &utf8;
	dsn_put(&out, &d);
	assert_holds(&out, "Final-Recipient: utf-8; b\xc3\xb6" "b@example.net\r\n");
	assert_holds(&out, "message/global-delivery-status");
	str_fini(&out);
}

static void xtext(void **state)
{
	static const struct {
		const char *text, *coded;
	} rows[] = {{"", ""}, {"a@b", "a@b"}, {"a+b=c", "a+2Bb+3Dc"}, {"a b\xc3", "a+20b+C3"}};
	static const char *const wrong[] = {"+", "+2", "+2b", "a b", "a=b", "\xc3", "+0D", "+00"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str out = STR_INIT, back = STR_INIT;
		xtext_put(&out, span_of(rows[i].text));
		assert_string_equal(str_c(&out), rows[i].coded);
		assert_int_equal(0, xtext_parse(str_span(&out), &back));
		assert_string_equal(str_c(&back), rows[i].text);
		str_fini(&out);
		str_fini(&back);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct str out = STR_INIT;
		assert_int_equal(-1, xtext_parse(span_of(wrong[i]), &out));
		assert_int_equal(out.len, 0);
		str_fini(&out);
	}
}

static void outcomes(void **state)
{
	static const struct {
		struct outcome outcome;
		bool valid;
	} rows[] = {{{FATE_DELIVERED, "2.0.0", "", ""}, true},
		{{FATE_FAILED, "5.1.10", "", ""}, true}, {{FATE_FAILED, "4.4.7", "", ""}, true},
		{{FATE_DEFERRED, "5.1.1", "", ""}, false}, {{FATE_DELIVERED, "2.0", "", ""}, false},
		{{FATE_DELIVERED, "2.0.0 x", "", ""}, false},
		{{FATE_DELIVERED, "2.0.1234", "", ""}, false},
		{{FATE_DELIVERED, "", "", ""}, false}};
	struct pool *pool = pool_new("test");
	enum fate fate;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(outcome_is_valid(&rows[i].outcome), rows[i].valid);
	assert_string_equal(outcome_status_of(pool, 550, SPAN_LIT("5.1.1 no")), "5.1.1");
	assert_string_equal(outcome_status_of(pool, 550, SPAN_LIT("4.1.1 no")), "5.0.0");
	assert_string_equal(outcome_status_of(pool, 451, SPAN_LIT("later")), "4.0.0");
	assert_string_equal(outcome_status_of(pool, 250, SPAN_LIT("")), "2.0.0");
	assert_int_equal(0, fate_parse(SPAN_LIT("deferred"), &fate));
	assert_false(fate_is_final(fate));
	assert_string_equal(fate_name(fate), "deferred");
	assert_int_equal(-1, fate_parse(SPAN_LIT("x"), &fate));
	pool_free(&pool);
}

static const struct {
	struct received received;
	const char *want;
} fields[] = {
	{{.flags = RECEIVED_ESMTP | RECEIVED_TLS | RECEIVED_AUTH,
		 .helo = "pc",
		 .host = "h.example",
		 .ip = "192.0.2.1",
		 .by = "mx.example",
		 .tls = "TLSv1.3 with cipher X",
		 .id = "0123456789ABCDEF",
		 .for_address = "a@b",
		 .date = {880127706, -360}},
		"Received: from pc (h.example [192.0.2.1]) by mx.example with ESMTPSA (TLSv1.3\r\n"
		" with cipher X) id 0123456789ABCDEF for <a@b>; Fri, 21 Nov 1997 09:55:06 "
		"-0600\r\n"},
	{{.helo = "x) by evil (\r\ny", .ip = "2001:db8::1", .by = "mx", .date = {0, 0}},
		"Received: from x??by?evil????y (unknown [IPv6:2001:db8::1]) by mx with SMTP;\r\n"
		" Thu, 01 Jan 1970 00:00:00 +0000\r\n"},
	{{.flags = RECEIVED_LOCAL, .by = "mx", .id = "I", .date = {0, 0}},
		"Received: by mx with local id I; Thu, 01 Jan 1970 00:00:00 +0000\r\n"},
};

static void received(void **state)
{
	struct str out = STR_INIT;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		str_reset(&out);
		received_put(&out, &fields[i].received);
		assert_string_equal(out.s, fields[i].want);
		assert_int_equal(received_count(str_span(&out)), 1);
	}
	str_reset(&out);
	return_path_put(&out, "");
	return_path_put(&out, "a@b");
	assert_string_equal(out.s, "Return-Path: <>\r\nReturn-Path: <a@b>\r\n");
	assert_string_equal(received_with(RECEIVED_LMTP | RECEIVED_AUTH), "LMTPA");
	assert_string_equal(
		received_with(RECEIVED_UTF8 | RECEIVED_ESMTP | RECEIVED_TLS), "UTF8SMTPS");
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_failure),
		cmocka_unit_test(headers_only), cmocka_unit_test(eight_bit),
		cmocka_unit_test(xtext), cmocka_unit_test(outcomes), cmocka_unit_test(received)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
