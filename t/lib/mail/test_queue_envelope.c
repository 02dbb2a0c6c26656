/* The queue's envelope comes back as it was put, and damage is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/wire.h"
#include "mail/envelope.h"

static struct recipient recipients[] = {
	{.address = "bob@example.net", .orcpt = "rfc822;Bob@example.net", .notify = NOTIFY_FAILURE},
	{.address = "\"a b\"@c", .notify = NOTIFY_NEVER},
};
static struct attribute attributes[] = {{"spam", "no"}, {"empty", ""}};
static const struct envelope full = {
	.trace = {"0123456789ABCDEF"},
	.arrival_us = 1700000000123456,
	.sender = "ann@example.org",
	.recipients = recipients,
	.nrecipient = 2,
	.envid = "id=1",
	.ret = DSN_RET_HDRS,
	.body = BODY_8BITMIME,
	.smtputf8 = true,
	.hold = true,
	.urgency = URGENCY_URGENT,
	.channel = "submission",
	.auth_user = "ann",
	.remote_host = "h.example",
	.remote_ip = "192.0.2.1",
	.helo = "helo",
	.protocol = "ESMTPSA",
	.attributes = attributes,
	.nattribute = 2,
};

static void round_trip(void **state)
{
	struct pool *pool = pool_new("test");
	struct str blob = STR_INIT, again = STR_INIT;
	struct envelope e;
	(void)state;
	envelope_put(&blob, &full);
	assert_int_equal(0, envelope_parse(str_span(&blob), pool, &e));
	assert_string_equal(e.trace.s, full.trace.s);
	assert_true(e.arrival_us == full.arrival_us);
	assert_string_equal(e.sender, "ann@example.org");
	assert_int_equal(e.nrecipient, 2);
	assert_string_equal(e.recipients[0].orcpt, "rfc822;Bob@example.net");
	assert_int_equal(e.recipients[0].notify, NOTIFY_FAILURE);
	assert_string_equal(e.recipients[1].address, "\"a b\"@c");
	assert_string_equal(e.recipients[1].orcpt, "");
	assert_true(e.ret == DSN_RET_HDRS && e.body == BODY_8BITMIME && e.smtputf8 && e.hold);
	assert_int_equal(e.urgency, URGENCY_URGENT);
	assert_string_equal(e.protocol, "ESMTPSA");
	assert_string_equal(envelope_attribute(&e, "spam"), "no");
	assert_string_equal(envelope_attribute(&e, "empty"), "");
	assert_null(envelope_attribute(&e, "none"));
	envelope_put(&again, &e);
	assert_true(span_eq(str_span(&blob), str_span(&again)));
	str_fini(&blob);
	str_fini(&again);
	pool_free(&pool);
}

static void defaults(void **state)
{
	struct pool *pool = pool_new("test");
	struct str blob = STR_INIT;
	struct envelope none = {0}, e;
	(void)state;
	envelope_put(&blob, &none);
	assert_int_equal(0, envelope_parse(str_span(&blob), pool, &e));
	assert_string_equal(e.sender, "");
	assert_string_equal(e.helo, "");
	assert_string_equal(e.trace.s, "");
	assert_int_equal(e.nrecipient, 0);
	str_fini(&blob);
	pool_free(&pool);
}

static void damage(void **state)
{
	struct pool *pool = pool_new("test");
	struct str blob = STR_INIT;
	struct envelope e;
	(void)state;
	envelope_put(&blob, &full);
	assert_int_equal(-1, envelope_parse(span_make(blob.s, 0), pool, &e));
	assert_int_equal(-1, envelope_parse(span_make(blob.s, blob.len - 1), pool, &e));
	for (size_t i = 0; i < blob.len; i++)
		envelope_parse(span_make(blob.s, i), pool, &e);
	blob.s[0] = 2; /* a version of the future */
	assert_int_equal(-1, envelope_parse(str_span(&blob), pool, &e));
	blob.s[0] = 1;
	put_varint(&blob, 99); /* a row of the future */
	put_cstr(&blob, "x");
	assert_int_equal(0, envelope_parse(str_span(&blob), pool, &e));
	put_varint(&blob, 4); /* a recipient without an address */
	put_cstr(&blob, "");
	assert_int_equal(-1, envelope_parse(str_span(&blob), pool, &e));
	str_fini(&blob);
	pool_free(&pool);
}

static void too_many_recipients(void **state)
{
	struct pool *pool = pool_new("test");
	struct str blob = STR_INIT;
	struct envelope e;
	(void)state;
	put_u8(&blob, 1);
	for (int i = 0; i <= ENVELOPE_RECIPIENTS_MAX; i++) {
		put_varint(&blob, 4);
		put_cstr(&blob, "");
	}
	assert_int_equal(-1, envelope_parse(str_span(&blob), pool, &e));
	assert_true(pool_used(pool) < 1000);
	str_fini(&blob);
	pool_free(&pool);
}

static void notify(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned notify;
		const char *put;
	} rows[] = {{"NEVER", 0, NOTIFY_NEVER, "NEVER"},
		{"delay,SUCCESS", 0, NOTIFY_DELAY | NOTIFY_SUCCESS, "SUCCESS,DELAY"},
		{"FAILURE", 0, NOTIFY_FAILURE, "FAILURE"}, {"NEVER,DELAY", -1, 0, ""},
		{"", -1, 0, ""}, {"SUCCESS,", -1, 0, ""}, {"x", -1, 0, ""}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str out = STR_INIT;
		unsigned v = 0;
		assert_int_equal(notify_parse(span_of(rows[i].text), &v), rows[i].rc);
		assert_int_equal(v, rows[i].notify);
		notify_put(&out, v);
		assert_string_equal(str_c(&out), rows[i].put);
		str_fini(&out);
	}
	assert_true(notify_wants(NOTIFY_UNSET, NOTIFY_FAILURE));
	assert_true(notify_wants(NOTIFY_UNSET, NOTIFY_DELAY));
	assert_false(notify_wants(NOTIFY_UNSET, NOTIFY_SUCCESS));
	assert_false(notify_wants(NOTIFY_NEVER, NOTIFY_FAILURE));
}

static void trace_ids(void **state)
{
	struct trace_id a = trace_id_make(1700000000123456), b = trace_id_make(1700000000123457), c;
	(void)state;
	assert_int_equal(strlen(a.s), TRACE_ID_LEN);
	assert_true(strcmp(a.s, b.s) < 0);
	assert_true(trace_id_time_us(&a) == 1700000000123456);
	assert_true(trace_id_parse(span_of(a.s), &c));
	assert_string_equal(a.s, c.s);
	assert_true(trace_id_parse(SPAN_LIT("0123456789abcdef"), &c));
	assert_string_equal(c.s, "0123456789ABCDEF");
	assert_false(trace_id_parse(SPAN_LIT("0123456789ABCDE"), &c));
	assert_false(trace_id_parse(SPAN_LIT("0123456789ABCDEU"), &c));
	assert_false(trace_id_parse(SPAN_LIT("0123456789ABCDE\0"), &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(defaults),
		cmocka_unit_test(damage), cmocka_unit_test(too_many_recipients),
		cmocka_unit_test(notify), cmocka_unit_test(trace_ids)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
