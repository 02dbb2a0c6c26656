/* Hostile input takes time in proportion to its size: eight times the input, less than forty times
 * the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include <time.h>

#include "mail/address.h"
#include "mail/encoded.h"
#include "mail/summary.h"

/* Big enough that the clock sees it; quadratic work would be 64 times the small one. */
#define SMALL  (128 * 1024)
#define GROWTH 8
#define RATIO  40
/* Below this the small run says nothing. */
#define FLOOR_S 0.0005

enum shape { WHOLE, IN_FIELD, IN_ADDRESSES, IN_SUBJECT, IN_TYPE, IN_BODY, IN_HTML };

static const struct {
	enum shape shape;
	const char *unit;
} rows[] = {
	{WHOLE, "Content-Type: message/rfc822\r\n\r\n"},
	{WHOLE, "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"},
	{WHOLE, "X: y\r\n"},
	{WHOLE, "To: a@b\r\n"},
	{WHOLE, "x"},
	{WHOLE, "\n"},
	{WHOLE, " \r\n"},
	{IN_FIELD, "x"},
	{IN_FIELD, " \r\n"},
	{IN_ADDRESSES, "("},
	{IN_ADDRESSES, "()"},
	{IN_ADDRESSES, "(,"},
	{IN_ADDRESSES, "\""},
	{IN_ADDRESSES, "\\\""},
	{IN_ADDRESSES, "\","},
	{IN_ADDRESSES, "\"\" "},
	{IN_ADDRESSES, "<"},
	{IN_ADDRESSES, "a "},
	{IN_ADDRESSES, "a."},
	{IN_ADDRESSES, ". "},
	{IN_ADDRESSES, "a@"},
	{IN_ADDRESSES, ","},
	{IN_ADDRESSES, ":"},
	{IN_ADDRESSES, "a:;"},
	{IN_ADDRESSES, "["},
	{IN_ADDRESSES, "<@a:"},
	{IN_SUBJECT, "=?"},
	{IN_SUBJECT, "=?a?q?"},
	{IN_SUBJECT, "=?a?q?b"},
	{IN_SUBJECT, "=?a?q?b?= "},
	{IN_SUBJECT, "=?utf-8?b?4oK=?="},
	{IN_SUBJECT, "[a]"},
	{IN_SUBJECT, "["},
	{IN_SUBJECT, "re:"},
	{IN_SUBJECT, "(fwd)"},
	{IN_TYPE, ";"},
	{IN_TYPE, "("},
	{IN_TYPE, "(;"},
	{IN_TYPE, "\";"},
	{IN_TYPE, "a=\";"},
	{IN_TYPE, "a=\"\\"},
	{IN_TYPE, "a=b;"},
	{IN_TYPE, "a*0=b;"},
	{IN_BODY, "--x\r\n"},
	{IN_BODY, "--\r\n"},
	{IN_BODY, "--x"},
	{IN_BODY, "-"},
	{IN_BODY, "--x\r\nContent-Type: message/rfc822\r\n\r\n"},
	{IN_BODY, "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"},
	{IN_HTML, "<"},
	{IN_HTML, "<style>"},
	{IN_HTML, "<!--"},
	{IN_HTML, "&"},
};

static void build(struct str *out, enum shape shape, const char *unit, size_t size)
{
	static const char *const heads[] = {
		[WHOLE] = "",
		[IN_FIELD] = "Subject: ",
		[IN_ADDRESSES] = "To: ",
		[IN_SUBJECT] = "Subject: ",
		[IN_TYPE] = "Content-Type: text/plain; ",
		[IN_BODY] = "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
		[IN_HTML] = "Content-Type: text/html\r\n\r\n",
	};
	str_reset(out);
	str_puts(out, heads[shape]);
	while (out->len < size)
		str_puts(out, unit);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Everything that reads such bytes, also without the limits that a summary sets. */
static double run(struct span message, enum shape shape)
{
	struct str out = STR_INIT;
	double start = now_s();
	mail_summarize(message, &out);
	if (shape == IN_SUBJECT)
		encoded_put_decoded(&out, message);
	if (shape == IN_ADDRESSES) {
		struct pool *pool = pool_new("test");
		struct address_reader r;
		struct address_item item;
		address_reader_init(&r, message, pool);
		while (address_read(&r, &item))
			str_add_span(&out, item.local);
		pool_free(&pool);
	}
	str_fini(&out);
	return now_s() - start;
}

/* The best of a few: other work on the machine only ever adds. */
static double best(struct span message, enum shape shape)
{
	double least = 1e9;
	for (int i = 0; i < 3; i++) {
		double t = run(message, shape);
		least = t < least ? t : least;
	}
	return least;
}

static void linear(void **state)
{
	struct str text = STR_INIT;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		build(&text, rows[i].shape, rows[i].unit, SMALL);
		double small = best(str_span(&text), rows[i].shape);
		build(&text, rows[i].shape, rows[i].unit, SMALL * GROWTH);
		double large = best(str_span(&text), rows[i].shape);
		if (large > (small < FLOOR_S ? FLOOR_S : small) * RATIO)
			fail_msg(
				"row %zu (%s): %.6f s, then %.6f s", i, rows[i].unit, small, large);
	}
	str_fini(&text);
}

static void one_line_of_five_megabytes(void **state)
{
	struct str text = STR_INIT;
	(void)state;
	build(&text, IN_BODY, "x", 5 * 1024 * 1024);
	assert_true(best(str_span(&text), IN_BODY) < 2);
	str_fini(&text);
}

static void a_hundred_thousand_fields(void **state)
{
	struct str text = STR_INIT;
	(void)state;
	for (int i = 0; i < 100000; i++)
		str_printf(&text, "X-Field-%d: value %d\r\n", i, i);
	assert_true(best(str_span(&text), WHOLE) < 2);
	str_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(linear),
		cmocka_unit_test(one_line_of_five_megabytes),
		cmocka_unit_test(a_hundred_thousand_fields)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
