/* IMAP section numbers (RFC 3501 6.4.5) find the octets they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/section.h"

static const char message[] = "Subject: top\r\n"
			      "Content-Type: multipart/mixed; boundary=o\r\n"
			      "\r\n"
			      "--o\r\n"
			      "\r\n"
			      "one\r\n"
			      "--o\r\n"
			      "Content-Type: message/rfc822\r\n"
			      "\r\n"
			      "Subject: in\r\n"
			      "Content-Type: multipart/mixed; boundary=i\r\n"
			      "\r\n"
			      "--i\r\n"
			      "\r\n"
			      "two-one\r\n"
			      "--i\r\n"
			      "Content-Transfer-Encoding: base64\r\n"
			      "\r\n"
			      "dHdv\r\n"
			      "--i--\r\n"
			      "\r\n"
			      "--o\r\n"
			      "Content-Type: message/rfc822\r\n"
			      "\r\n"
			      "Subject: plain\r\n"
			      "\r\n"
			      "three\r\n"
			      "--o--\r\n";
static const char single[] = "Subject: s\r\n\r\nbody\r\n";

#define INNER                                                                                      \
	"--i\r\n\r\ntwo-one\r\n--i\r\nContent-Transfer-Encoding: base64\r\n\r\ndHdv\r\n--i--\r\n"
#define INNER_HEADER "Subject: in\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"

static const struct {
	const char *message, *section, *want; /* NULL: no such part */
} rows[] = {
	{message, "", message},
	{message, "HEADER", "Subject: top\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"},
	{message, "1", "one"},
	{message, "1.MIME", "\r\n"},
	{message, "1.HEADER", NULL},
	{message, "1.TEXT", NULL},
	{message, "1.1", NULL},
	{message, "2", INNER_HEADER INNER},
	{message, "2.MIME", "Content-Type: message/rfc822\r\n\r\n"},
	{message, "2.HEADER", INNER_HEADER},
	{message, "2.TEXT", INNER},
	{message, "2.1", "two-one"},
	{message, "2.2", "dHdv"},
	{message, "2.2.mime", "Content-Transfer-Encoding: base64\r\n\r\n"},
	{message, "2.3", NULL},
	{message, "3", "Subject: plain\r\n\r\nthree"},
	{message, "3.1", "three"},
	{message, "3.1.MIME", "Subject: plain\r\n\r\n"},
	{message, "3.text", "three"},
	{message, "3.2", NULL},
	{message, "3.1.1", NULL},
	{message, "4", NULL},
	{message, "4294967295", NULL},
	{single, "", single},
	{single, "1", "body\r\n"},
	{single, "1.MIME", "Subject: s\r\n\r\n"},
	{single, "TEXT", "body\r\n"},
	{single, "HEADER", "Subject: s\r\n\r\n"},
	{single, "2", NULL},
	{single, "1.1", NULL},
	{"", "", ""},
	{"", "1", ""},
	{"", "HEADER", ""},
};

static void sections(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct str table = STR_INIT;
		struct mime m;
		struct section s;
		struct extent e;
		mime_parse(span_of(rows[i].message), pool, &m);
		extents_put(&table, &m);
		assert_int_equal(0, section_parse(span_of(rows[i].section), &s, NULL));
		assert_int_equal(
			extents_find(str_span(&table), &s, &e), rows[i].want ? 1 : 0);
		if (rows[i].want) {
			struct span got = span_make(rows[i].message + e.at, e.len);
			if (!span_is(got, rows[i].want))
				fail_msg("%s: %.*s", rows[i].section, (int)got.n, got.p);
		}
		str_fini(&table);
		pool_free(&pool);
	}
}

static void encoding_and_part(void **state)
{
	struct pool *pool = pool_new("test");
	struct str table = STR_INIT;
	struct mime m;
	struct section s;
	struct extent e;
	(void)state;
	mime_parse(span_of(message), pool, &m);
	extents_put(&table, &m);
	section_parse(SPAN_LIT("2.2"), &s, NULL);
	assert_int_equal(1, extents_find(str_span(&table), &s, &e));
	assert_int_equal(e.encoding, MIME_BASE64);
	assert_int_equal(m.parts[e.part].body_at, e.at);
	for (size_t n = 0; n < table.len; n++) /* cut anywhere, never past the end */
		assert_true(extents_find(span_make(table.s, n), &s, &e) <= 1);
	assert_int_equal(-1, extents_find(span_make(table.s, 3), &s, &e));
	str_fini(&table);
	pool_free(&pool);
}

static void what_is_a_section(void **state)
{
	static const struct {
		const char *text;
		int rc, fields;
	} texts[] = {{"", 0, 0}, {"1", 0, 0}, {"1.2.3", 0, 0}, {"1.HEADER", 0, 0}, {"MIME", -1, 0},
		{"0", -1, 0}, {"01", -1, 0}, {"1.", -1, 0}, {".1", -1, 0}, {"1..2", -1, 0},
		{"1.x", -1, 0}, {"HEADER.FIELDS", 0, 1}, {"1.header.fields.not", 0, 2},
		{"4294967296", -1, 0}, {"x", -1, 0}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct section s;
		int fields;
		assert_int_equal(section_parse(span_of(texts[i].text), &s, &fields), texts[i].rc);
		assert_true(texts[i].rc < 0 || fields == texts[i].fields);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sections),
		cmocka_unit_test(encoding_and_part), cmocka_unit_test(what_is_a_section)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
