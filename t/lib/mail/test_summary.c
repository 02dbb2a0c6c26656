/* The summary carries what FETCH needs, whatever the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/utf8.h"
#include "base/wire.h"
#include "mail/preview.h"
#include "mail/summary.h"

static const char message[] = "Received: x\r\n"
			      "From: Ann <ann@example.org>\r\n"
			      "To: a@example.org\r\n"
			      "Subject: =?utf-8?q?Re=3A?= [l] caf=?utf-8?q?=C3=A9?=\r\n"
			      "TO: b@example.org,\r\n"
			      " c@example.org\r\n"
			      "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
			      "Message-ID: <m@x>\r\n"
			      "References: <1@x> <2@x>\r\n"
			      "X-Other: y\r\n"
			      "\r\n"
			      "> quoted\r\n"
			      "Hello   there,\r\n"
			      "\tAnn\r\n";

static void everything(void **state)
{
	struct str blob = STR_INIT, out = STR_INIT;
	struct summary s;
	struct span v;
	(void)state;
	str_puts(&blob, "before");
	mail_summarize(span_of(message), &blob);
	assert_int_equal(0, summary_parse(span_make(blob.s + 6, blob.len - 6), &s));
	assert_int_equal(s.size, strlen(message));
	assert_int_equal(s.header_len, strstr(message, "> quoted") - message);
	assert_int_equal(s.sent_s, 880127706);
	assert_int_equal(s.sent_zone_min, -360);
	assert_int_equal(s.flags, SUMMARY_IS_REPLY);
	assert_true(span_is(s.subject, "CAF\xc3\xa9"));
	assert_true(span_is(s.preview, "Hello there, Ann"));
	assert_true(s.message_id == summary_msgid_hash(SPAN_LIT("<m@x>")));
	assert_true(summary_ref(&s, 0) == summary_msgid_hash(SPAN_LIT("1@x")));
	assert_true(summary_ref(&s, 1) == summary_msgid_hash(SPAN_LIT("2@x")));
	assert_true(summary_ref(&s, 2) == 0);
	assert_int_equal(1, summary_find_field(&s, SUMMARY_TO, &v));
	assert_true(span_is(v, "a@example.org"));
	assert_int_equal(0, summary_find_field(&s, SUMMARY_CC, &v));
	assert_true(summary_put_fields(&out, &s, 1u << SUMMARY_TO | 1u << SUMMARY_DATE));
	assert_string_equal(out.s, "To: a@example.org\r\nTO: b@example.org,\r\n c@example.org\r\n"
				   "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\n");
	str_fini(&blob);
	str_fini(&out);
}

/* The hash is stored, so it must never change. */
static void stored_hash(void **state)
{
	(void)state;
	assert_true(summary_msgid_hash(SPAN_LIT("a@b")) == UINT64_C(0x3edaccc6bf06a9b7));
	assert_true(summary_msgid_hash(SPAN_LIT("<a@b>")) == UINT64_C(0x3edaccc6bf06a9b7));
}

static void field_names(void **state)
{
	(void)state;
	assert_int_equal(summary_field_of(SPAN_LIT("IN-REPLY-TO")), SUMMARY_IN_REPLY_TO);
	assert_int_equal(summary_field_of(SPAN_LIT("content-transfer-encoding")),
		SUMMARY_CONTENT_TRANSFER_ENCODING);
	assert_int_equal(summary_field_of(SPAN_LIT("Xontent-Type")), -1);
	assert_int_equal(summary_field_of(SPAN_LIT("Tx")), -1);
	assert_int_equal(summary_field_of(SPAN_LIT("")), -1);
}

static void long_fields_are_not_kept(void **state)
{
	struct str text = STR_INIT, blob = STR_INIT, out = STR_INIT;
	struct summary s;
	(void)state;
	str_puts(&text, "To: a@b");
	for (int i = 0; i < SUMMARY_FIELD_MAX; i++)
		str_putc(&text, 'x');
	str_puts(&text, "\r\nSubject: s\r\n\r\n");
	mail_summarize(str_span(&text), &blob);
	assert_int_equal(0, summary_parse(str_span(&blob), &s));
	assert_true(s.flags & SUMMARY_FIELDS_CUT);
	assert_false(summary_put_fields(&out, &s, 1u << SUMMARY_SUBJECT));
	assert_int_equal(out.len, 0);
	str_fini(&text);
	str_fini(&blob);
	str_fini(&out);
}

static void many_references_keep_both_ends(void **state)
{
	struct str text = STR_INIT, blob = STR_INIT, id = STR_INIT;
	struct summary s;
	(void)state;
	str_puts(&text, "References:");
	for (int i = 0; i < 1000; i++)
		str_printf(&text, " <%d@x>", i);
	str_puts(&text, "\r\n\r\n");
	mail_summarize(str_span(&text), &blob);
	assert_int_equal(0, summary_parse(str_span(&blob), &s));
	assert_int_equal(s.refs.n, SUMMARY_REFS_MAX * 8);
	assert_true(summary_ref(&s, 0) == summary_msgid_hash(SPAN_LIT("0@x")));
	for (int i = 1; i < SUMMARY_REFS_MAX; i++) {
		str_reset(&id);
		str_printf(&id, "%d@x", 1000 - SUMMARY_REFS_MAX + i);
		assert_true(summary_ref(&s, (size_t)i) == summary_msgid_hash(str_span(&id)));
	}
	str_fini(&text);
	str_fini(&blob);
	str_fini(&id);
}

static void a_huge_structure_is_given_up(void **state)
{
	struct str text = STR_INIT, blob = STR_INIT;
	struct summary s;
	(void)state;
	str_puts(&text, "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 900; i++) {
		str_puts(&text, "--b\r\nContent-Type: text/plain; name=\"");
		for (int k = 0; k < 1000; k++)
			str_putc(&text, 'x');
		str_puts(&text, "\"\r\n\r\ny\r\n");
	}
	mail_summarize(str_span(&text), &blob);
	assert_true(blob.len <= SUMMARY_MAX);
	assert_int_equal(0, summary_parse(str_span(&blob), &s));
	assert_true(s.flags & SUMMARY_CUT);
	assert_true(span_has_prefix(s.bodystructure, SPAN_LIT("(\"text\" \"plain\"")));
	str_fini(&text);
	str_fini(&blob);
}

static void too_many_parts_are_one(void **state)
{
	struct str text = STR_INIT;
	struct pool *pool = pool_new("test");
	struct mime m;
	(void)state;
	str_puts(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < MIME_PARTS_MAX * 2; i++)
		str_puts(&text, "--b\r\n\r\nx\r\n");
	mime_parse(str_span(&text), pool, &m);
	assert_int_equal(m.n, MIME_PARTS_MAX);
	const struct mime_part *last = &m.parts[m.n - 1];
	assert_int_equal(last->body_at + last->body_len, text.len);
	assert_int_equal(m.parts[0].end, m.n);
	str_fini(&text);
	pool_free(&pool);
}

static void too_deep_is_opaque(void **state)
{
	struct str text = STR_INIT;
	struct pool *pool = pool_new("test");
	struct mime m;
	(void)state;
	for (int i = 0; i < MIME_DEPTH_MAX * 2; i++)
		str_puts(&text, "Content-Type: message/rfc822\r\n\r\n");
	mime_parse(str_span(&text), pool, &m);
	assert_int_equal(m.n, MIME_DEPTH_MAX);
	assert_int_equal(m.parts[m.n - 1].kind, MIME_LEAF);
	assert_true(span_is(m.parts[m.n - 1].subtype, "octet-stream"));
	str_fini(&text);
	pool_free(&pool);
}

static void damage_is_seen(void **state)
{
	struct str blob = STR_INIT, out = STR_INIT;
	struct summary s;
	(void)state;
	mail_summarize(span_of(message), &blob);
	for (size_t n = 0; n < blob.len; n++) {
		int rc = summary_parse(span_make(blob.s, n), &s);
		assert_true(n > 100 || rc == -1);
	}
	for (size_t i = 0; i < blob.len; i++) { /* never past the end, whatever the bytes */
		blob.s[i] = (char)(blob.s[i] ^ 0x55);
		if (summary_parse(str_span(&blob), &s) == 0)
			summary_put_body(&out, &s);
		blob.s[i] = (char)(blob.s[i] ^ 0x55);
	}
	blob.s[0] = 9;
	assert_int_equal(-1, summary_parse(str_span(&blob), &s));
	str_fini(&blob);
	str_fini(&out);
}

static const struct {
	const char *message, *preview;
} previews[] = {
	{"\r\nx", "x"},
	{"\r\n  \r\n\t\r\n", ""},
	{"Content-Type: text/html\r\n\r\n<p>a<b>b</b><br>c&amp;&#100;&bogus;</p><style>no</style>",
		"ab c&d&bogus;"},
	{"Content-Type: text/html\r\n\r\n<html><head><title>t</title></head>a <!-- <p> -->b",
		"a b"},
	{"Content-Type: text/html\r\n\r\na<style>never closed", "a"},
	{"Content-Type: text/html\r\n\r\na<unclosed", "a"},
	{"Content-Type: image/png\r\n\r\nxx", ""},
	{"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nxx", ""},
	{"Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==", "Gr\xc3\xbc\xc3\x9f"
								  "e"},
};

static void preview_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(previews); i++) {
		struct pool *pool = pool_new("test");
		struct str out = STR_INIT;
		struct mime m;
		mime_parse(span_of(previews[i].message), pool, &m);
		preview_put(&out, &m, 50);
		assert_string_equal(str_c(&out), previews[i].preview);
		str_fini(&out);
		pool_free(&pool);
	}
}

static void previews_are_cut_between_characters(void **state)
{
	struct str text = STR_INIT, blob = STR_INIT;
	struct summary s;
	(void)state;
	str_puts(&text, "\r\n");
	for (int i = 0; i < 5000; i++)
		str_puts(&text, "\xe2\x82\xac");
	mail_summarize(str_span(&text), &blob);
	assert_int_equal(0, summary_parse(str_span(&blob), &s));
	assert_int_equal(s.preview.n, 3 * SUMMARY_PREVIEW_MAX);
	assert_true(utf8_is_valid(s.preview));
	str_fini(&text);
	str_fini(&blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everything),
		cmocka_unit_test(stored_hash), cmocka_unit_test(field_names),
		cmocka_unit_test(long_fields_are_not_kept),
		cmocka_unit_test(many_references_keep_both_ends),
		cmocka_unit_test(a_huge_structure_is_given_up),
		cmocka_unit_test(too_many_parts_are_one), cmocka_unit_test(too_deep_is_opaque),
		cmocka_unit_test(damage_is_seen), cmocka_unit_test(preview_texts),
		cmocka_unit_test(previews_are_cut_between_characters)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
