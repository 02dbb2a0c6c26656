/* Dates of messages and of IMAP, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/date.h"

#define NONE INT64_MIN

static const struct {
	const char *text;
	int64_t utc_s;
	int zone_min;
} rows[] = {
	{"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
	{"21 Nov 1997 09:55:06 -0600", 880127706, -360},
	{"Fri, 21 Nov 1997 09:55 -0600", 880127700, -360},
	{"Fri,21 Nov 1997 09(comment):55:06 -0600 (CST)", 880127706, -360},
	{"Fri, 21 Nov 97 09:55:06 CST", 880127706, -360},
	{"Fri, 21 Nov 097 09:55:06 CST", 880127706, -360},
	{"Fri Nov 21 15:55:06 1997", 880127706, 0},
	{"Fri Nov 21 09:55:06 CST 1997", 880127706, -360},
	{"Fri Nov 21 15:55:06 1997 +0000", 880127706, 0},
	{"21-Nov-1997 15:55:06 GMT", 880127706, 0},
	{"Fri, 21 Nov 1997 16:55:06 +01:00", 880127706, 60},
	{"Fri, 21 Nov 1997 15:55:06", 880127706, 0},
	{"Fri, 21 Nov 1997 15:55:06 Z", 880127706, 0},
	{"Fri, 21 November 1997 15.55.06 UT", 880127706, 0},
	{"Thu, 29 Feb 2024 23:59:60 +0000", 1709251200, 0},
	{"Thu, 29 Feb 2024 23:59:61 +0000", NONE, 0},
	{"1 Jan 1970 00:00:00 +0000", 0, 0},
	{"1 Jan 1900 00:00:00 +0000", -2208988800, 0},
	{"Thu, 30 Feb 2024 00:00:00 +0000", NONE, 0},
	{"Thu, 1 Feb 2024 24:00:00 +0000", NONE, 0},
	{"1 Foo 2024 00:00:00 +0000", NONE, 0},
	{"", NONE, 0},
	{"garbage", NONE, 0},
	{"99999999999999999999 Jan 2024 00:00", NONE, 0},
	{"1 Jan 99999 00:00", NONE, 0},
	{"1 Jan 2024", NONE, 0},
	{"((((((((", NONE, 0},
};

static void parsing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct date d = {NONE, 0};
		int rc = date_parse(span_of(rows[i].text), &d);
		if (d.utc_s != rows[i].utc_s || (rc == 0) != (rows[i].utc_s != NONE) ||
			d.zone_min != rows[i].zone_min)
			fail_msg(
				"%s: %d %lld %d", rows[i].text, rc, (long long)d.utc_s, d.zone_min);
	}
}

static void every_date_comes_back(void **state)
{
	(void)state;
	for (int64_t t = -3000000000; t < 9000000000; t += 86413 * 17) {
		struct date d = {t, (int)(t / 1000 % 720)}, back;
		struct str out = STR_INIT;
		date_put(&out, &d);
		assert_int_equal(0, date_parse(str_span(&out), &back));
		assert_true(back.utc_s == t && back.zone_min == d.zone_min);
		str_reset(&out);
		date_put_imap(&out, &d);
		assert_int_equal(0, date_parse_imap(str_span(&out), &back));
		assert_true(back.utc_s == t && back.zone_min == d.zone_min);
		str_fini(&out);
	}
}

/* The last day of a cycle of four centuries. */
static void the_leap_day_of_2000(void **state)
{
	struct date d = {951782400, 0};
	struct str out = STR_INIT;
	(void)state;
	date_put(&out, &d);
	assert_string_equal(out.s, "Tue, 29 Feb 2000 00:00:00 +0000");
	str_fini(&out);
}

static const struct {
	const char *text;
	int64_t utc_s;
} imap_rows[] = {
	{"17-Jul-1996 02:44:25 -0700", 837596665},
	{" 7-Jul-1996 02:44:25 -0700", 836732665},
	{"7-Jul-1996 02:44:25 -0700", NONE},
	{"17-Jul-1996 02:44:25 0700 ", NONE},
	{"17-Jul-1996 02:44:25 +07000", NONE},
	{"17-Xxx-1996 02:44:25 -0700", NONE},
	{"31-Jun-1996 02:44:25 -0700", NONE},
	{"1a-Jun-1996 02:44:25 -0700", NONE},
	{"", NONE},
};

static void imap_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(imap_rows); i++) {
		struct date d = {NONE, 0};
		date_parse_imap(span_of(imap_rows[i].text), &d);
		assert_true(d.utc_s == imap_rows[i].utc_s);
	}
}

static void formats(void **state)
{
	struct date d = {836732665, -420};
	struct str out = STR_INIT;
	(void)state;
	date_put(&out, &d);
	assert_string_equal(out.s, "Sun, 07 Jul 1996 02:44:25 -0700");
	str_reset(&out);
	date_put_imap(&out, &d);
	assert_string_equal(out.s, " 7-Jul-1996 02:44:25 -0700");
	assert_int_equal(date_local_day(&d), date_days(1996, 7, 7));
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(parsing),
		cmocka_unit_test(every_date_comes_back),
		cmocka_unit_test(the_leap_day_of_2000), cmocka_unit_test(imap_dates),
		cmocka_unit_test(formats)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
