#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "directory/messages.h"

static void round_trip(struct pool *pool, const struct ipc_msg *msg, const void *from, void *to)
{
	struct str bytes = STR_INIT;
	const char *err = "";
	ipc_put(&bytes, msg, from);
	if (ipc_parse(pool, msg, str_span(&bytes), to, &err) != 0)
		fail_msg("%s: %s", msg->name, err);
	/* A frame that was cut is refused at every place, and so is one with more behind it. */
	for (size_t n = 0; n < bytes.len; n++) {
		void *ignored = pool_alloc(pool, msg->size);
		assert_int_equal(ipc_parse(pool, msg, span_make(bytes.s, n), ignored, &err), -1);
	}
	str_putc(&bytes, 'x');
	void *ignored = pool_alloc(pool, msg->size);
	assert_int_equal(ipc_parse(pool, msg, str_span(&bytes), ignored, &err), -1);
	str_fini(&bytes);
}

static void look_ups(void **state)
{
	struct pool *pool = pool_new("test");
	struct dir_target targets[] = {{"a@x.test"}, {"b@y.test"}};
	struct dir_resolve_request rq = {"anna", "our.test"}, rq2;
	struct dir_resolve_reply reply = {DIR_ALIAS, "acc", "anna@our.test", {targets, 2}, 5, UINT64_MAX, true}, r2;
	struct dir_may_send_request may = {"u", "s"}, may2;
	struct dir_quota_notice notice = {"acc", true}, notice2;
	struct dir_changed changed = {77, "acc"}, changed2;
	struct dir_check_request check = {"u", "acc"}, check2;
	struct dir_check_reply checked = {true}, checked2;
	(void)state;
	round_trip(pool, &dir_resolve_request_msg, &rq, &rq2);
	assert_string_equal(rq2.local, "anna");
	assert_string_equal(rq2.domain, "our.test");
	round_trip(pool, &dir_resolve_reply_msg, &reply, &r2);
	assert_int_equal(r2.status, DIR_ALIAS);
	assert_string_equal(r2.account, "acc");
	assert_string_equal(r2.canonical, "anna@our.test");
	assert_int_equal(r2.targets.n, 2);
	assert_string_equal(((struct dir_target *)r2.targets.v)[1].address, "b@y.test");
	assert_true(r2.quota_bytes == 5 && r2.quota_messages == UINT64_MAX && r2.over_quota);
	round_trip(pool, &dir_may_send_request_msg, &may, &may2);
	assert_string_equal(may2.user, "u");
	assert_string_equal(may2.sender, "s");
	round_trip(pool, &dir_quota_notice_msg, &notice, &notice2);
	round_trip(pool, &dir_changed_msg, &changed, &changed2);
	assert_int_equal(changed2.count, 77);
	assert_string_equal(changed2.account, "acc");
	round_trip(pool, &dir_check_request_msg, &check, &check2);
	assert_string_equal(check2.user, "u");
	assert_string_equal(check2.account, "acc");
	round_trip(pool, &dir_check_reply_msg, &checked, &checked2);
	assert_true(checked2.ok);
	assert_true(notice2.over);
	pool_free(&pool);
}

static void logins(void **state)
{
	struct pool *pool = pool_new("test");
	struct dir_binding bindings[] = {{"tls-exporter", SPAN_LIT("\0\1\2")}};
	struct dir_auth_start start = {.mechanism = "PLAIN", .service = "imap", .remote_ip = "192.0.2.1",
		.tls = true, .has_initial = true, .initial = SPAN_LIT("\0u\0p"), .bindings = {bindings, 1}}, start2;
	struct dir_auth_step step = {UINT64_MAX, SPAN_LIT("x"), true}, step2;
	struct dir_auth_reply reply = {AUTH_OK, 7, SPAN_LIT("d"), "u", "a", SPAN_LIT("ticket"), "t", 2000}, reply2;
	struct dir_redeem_request redeem = {SPAN_LIT("ticket"), "pop"}, redeem2;
	struct dir_redeem_reply who = {true, "u", "a", 1, 2}, who2;
	(void)state;
	round_trip(pool, &dir_auth_start_msg, &start, &start2);
	assert_string_equal(start2.mechanism, "PLAIN");
	assert_true(start2.tls && start2.has_initial && span_eq(start2.initial, start.initial));
	assert_int_equal(start2.bindings.n, 1);
	assert_true(span_eq(((struct dir_binding *)start2.bindings.v)[0].data, SPAN_LIT("\0\1\2")));
	round_trip(pool, &dir_auth_step_msg, &step, &step2);
	assert_true(step2.id == UINT64_MAX && step2.cancel && span_is(step2.data, "x"));
	round_trip(pool, &dir_auth_reply_msg, &reply, &reply2);
	assert_true(reply2.state == AUTH_OK && reply2.id == 7 && reply2.delay_ms == 2000);
	assert_true(span_is(reply2.ticket, "ticket") && span_is(reply2.data, "d"));
	round_trip(pool, &dir_redeem_request_msg, &redeem, &redeem2);
	assert_string_equal(redeem2.service, "pop");
	round_trip(pool, &dir_redeem_reply_msg, &who, &who2);
	assert_true(who2.ok && who2.quota_bytes == 1 && who2.quota_messages == 2);
	pool_free(&pool);
}

static void changes(void **state)
{
	struct pool *pool = pool_new("test");
	struct dir_target targets[] = {{"a@x.test"}};
	struct dir_entry entries[] = {{"n", "a", "t", 1, 2, true, false, true}, {"m", "", "", 0, 0, false, true, false}};
	struct dir_user_change user = {"u@x", "pw", "$6$h", 3, 4}, user2;
	struct dir_alias_change alias = {"al@x", {targets, 1}}, alias2;
	struct dir_list_request list = {"@x", "k", 9}, list2;
	struct dir_list_reply page = {{entries, 2}, true}, page2;
	struct dir_aliases all = {{entries, 2}}, all2;
	(void)state;
	round_trip(pool, &dir_user_add_msg, &user, &user2);
	assert_string_equal(user2.password, "pw");
	assert_string_equal(user2.hash, "$6$h");
	assert_true(user2.quota_bytes == 3 && user2.quota_messages == 4);
	round_trip(pool, &dir_alias_add_msg, &alias, &alias2);
	assert_int_equal(alias2.targets.n, 1);
	round_trip(pool, &dir_alias_list_msg, &list, &list2);
	assert_true(list2.limit == 9);
	assert_string_equal(list2.after, "k");
	round_trip(pool, &dir_list_reply_msg, &page, &page2);
	const struct dir_entry *e = page2.entries.v;
	assert_true(page2.more && page2.entries.n == 2);
	assert_true(e[0].over_quota && !e[0].has_password && e[1].has_password);
	assert_true(e[0].disabled && !e[1].disabled);
	assert_string_equal(e[0].text, "t");
	round_trip(pool, &dir_aliases_load_msg, &all, &all2);
	assert_int_equal(all2.entries.n, 2);
	pool_free(&pool);
}

/* A misdirected frame must never be taken for another. */
static void types_are_unique(void **state)
{
	const struct ipc_msg *const all[] = {&dir_target_msg, &dir_resolve_request_msg, &dir_resolve_reply_msg,
		&dir_auth_start_msg, &dir_auth_step_msg, &dir_auth_reply_msg, &dir_mechanisms_request_msg,
		&dir_mechanisms_reply_msg, &dir_redeem_request_msg, &dir_redeem_reply_msg,
		&dir_may_send_request_msg, &dir_may_send_reply_msg, &dir_quota_notice_msg, &dir_changed_msg,
		&dir_check_request_msg, &dir_check_reply_msg, &dir_domain_add_msg,
		&dir_domain_remove_msg, &dir_domain_list_msg, &dir_user_add_msg, &dir_user_remove_msg,
		&dir_user_passwd_msg, &dir_user_list_msg, &dir_alias_add_msg, &dir_alias_remove_msg,
		&dir_alias_list_msg, &dir_aliases_load_msg, &dir_list_reply_msg, &dir_done_msg};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		assert_in_range(all[i]->type, IPC_RANGE_DIRECTORY, IPC_RANGE_DIRECTORY + 0xff);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(all[i]->type, all[k]->type);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_ups),
		cmocka_unit_test(logins),
		cmocka_unit_test(changes),
		cmocka_unit_test(types_are_unique),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
