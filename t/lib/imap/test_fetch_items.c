#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/fetch.h"
#include "mail/summary.h"

static const struct {
	const char *in;
	bool ok;
	unsigned items;
	const char *labels;
	const char *seen; /* y or n for each section */
} rows[] = {
	{"ALL", true, FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE, "", ""},
	{"fast", true, FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE, "", ""},
	{"FULL", true, FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY,
		"", ""},
	{"UID", true, FETCH_UID, "", ""},
	{"(uid Body bodystructure)", true, FETCH_UID | FETCH_BODY | FETCH_BODYSTRUCTURE, "", ""},
	{"(ALL)", false, 0, "", ""},
	{"()", false, 0, "", ""},
	{"(UID  FLAGS)", false, 0, "", ""},
	{"(UID", false, 0, "", ""},
	{"BODY[]", true, 0, "BODY[]", "y"},
	{"body.peek[text]<5.10>", true, 0, "BODY[text]<5>", "n"},
	{"(BODY[1.2.MIME] BODY.PEEK[2.HEADER])", true, 0, "BODY[1.2.MIME] BODY[2.HEADER]", "yn"},
	{"BODY[HEADER.FIELDS (Subject \"X Y\")]", true, 0, "BODY[HEADER.FIELDS (Subject \"X Y\")]",
		"y"},
	{"BODY[1.HEADER.FIELDS.NOT (To)]<0.1>", true, 0, "BODY[1.HEADER.FIELDS.NOT (To)]<0>", "y"},
	{"(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)", true, FETCH_SIZE,
		"RFC822 RFC822.HEADER RFC822.TEXT", "yny"},
	{"BODY[HEADER.FIELDS]", false, 0, "", ""},
	{"BODY[HEADER.FIELDS ()]", false, 0, "", ""},
	{"BODY[HEADER (To)]", false, 0, "", ""},
	{"BODY[0]", false, 0, "", ""},
	{"BODY[MIME]", false, 0, "", ""},
	{"BODY[1.FOO]", false, 0, "", ""},
	{"BODY[", false, 0, "", ""},
	{"BODY[]<0.0>", false, 0, "", ""},
	{"BODY[]<0>", false, 0, "", ""},
	{"BODY.PEEK", false, 0, "", ""},
	{"UID[]", false, 0, "", ""},
	{"RFC822.FOO", false, 0, "", ""},
};

static void items_and_sections(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse c;
		struct fetch f;
		struct str labels = STR_IN(pool), seen = STR_IN(pool);
		imap_parse_init(&c, span_of(rows[i].in), pool);
		bool ok = imap_parse_fetch(&c, &f) && imap_parse_end(&c);
		if (ok != rows[i].ok)
			fail_msg("%s: %s", rows[i].in, c.err ? c.err : "taken");
		if (!ok)
			continue;
		assert_int_equal(f.items, rows[i].items);
		for (size_t k = 0; k < f.nsections; k++) {
			if (k)
				str_putc(&labels, ' ');
			str_add_span(&labels, f.sections[k].label);
			str_putc(&seen, f.sections[k].seen ? 'y' : 'n');
		}
		assert_string_equal(str_c(&labels), rows[i].labels);
		assert_string_equal(str_c(&seen), rows[i].seen);
	}
	pool_free(&pool);
}

static void the_summary_serves_fields_that_it_keeps(void **state)
{
	struct pool *pool = pool_new("test");
	struct imap_parse c;
	struct fetch f;

	(void)state;
	imap_parse_init(&c,
		SPAN_LIT("(BODY[HEADER.FIELDS (subject from)] BODY[HEADER.FIELDS (subject x-foo)]"
			 " BODY[1.HEADER.FIELDS (subject)] BODY[HEADER.FIELDS.NOT (subject)])"),
		pool);
	assert_true(imap_parse_fetch(&c, &f));
	assert_true(f.sections[0].kept);
	assert_int_equal(f.sections[0].kept_mask, 1u << SUMMARY_SUBJECT | 1u << SUMMARY_FROM);
	assert_false(f.sections[1].kept);
	assert_false(f.sections[2].kept);
	assert_false(f.sections[3].kept);
	pool_free(&pool);
}

static void counts_are_limited(void **state)
{
	struct pool *pool = pool_new("test");
	struct str in = STR_IN(pool);
	struct imap_parse c;
	struct fetch f;

	(void)state;
	str_puts(&in, "(BODY[]");
	for (int i = 1; i < IMAP_SECTIONS_MAX; i++)
		str_puts(&in, " BODY[]");
	size_t most = in.len;
	str_puts(&in, ")");
	imap_parse_init(&c, str_span(&in), pool);
	assert_true(imap_parse_fetch(&c, &f));
	str_truncate(&in, most);
	str_puts(&in, " RFC822)");
	imap_parse_init(&c, str_span(&in), pool);
	assert_false(imap_parse_fetch(&c, &f));
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_sections),
		cmocka_unit_test(the_summary_serves_fields_that_it_keeps),
		cmocka_unit_test(counts_are_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
