/* A log that lost a range which the checkpoints cover: a rebuild makes nothing of them go. */
#include "t/lib/store/fixture.h"

static void say(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

static void spoil(struct fixture *f, uint64_t from, uint64_t to)
{
	int fd = open(fixture_path(f, "log.1"), O_WRONLY);
	for (uint64_t at = from; at < to; at++)
		assert_int_equal(pwrite(fd, "", 1, (off_t)(SEGMENT_HEADER + at - LOG_FIRST)), 1);
	close(fd);
}

static void expect(struct fixture *f, uint32_t id, uint32_t uidvalidity, uint32_t messages)
{
	struct mailbox_info info;
	struct span body;
	assert_ok(mailbox_find(f->account, f->pool, "Work", true, &info));
	assert_int_equal(info.id, id);
	assert_int_equal(info.uidvalidity, uidvalidity);
	assert_int_equal(info.messages, messages);
	assert_int_equal(info.uidnext, messages + 1);
	struct view *view = fixture_view(f, id, true);
	assert_int_equal(view_count(view), messages);
	for (uint32_t seq = 1; seq <= messages; seq++)
		assert_ok(message_read(f->account, view_row(view, seq), 0, UINT64_MAX, f->pool, &body));
	view_close(&view);
}

static void a_mailbox_whose_making_is_lost(void **state)
{
	struct fixture *f = *state;
	struct mailbox_info info;
	struct check_report report;
	uint64_t from = f->account->live.at, bytes, messages;
	assert_ok(mailbox_create(f->account, "Work", USE_NONE, NULL));
	assert_ok(mailbox_subscribe(f->account, "Work", true));
	uint64_t to = f->account->live.at;
	assert_ok(mailbox_find(f->account, f->pool, "Work", true, &info));
	for (int i = 0; i < 3; i++)
		fixture_append(f, info.id, "one of three", 0);
	assert_ok(account_check(f->store, "a1", true, say, NULL, &report));
	assert_int_equal(report.log_damaged, 0);
	fixture_append(f, info.id, "behind the checkpoint", 0);
	fixture_close(f);
	spoil(f, from, to);
	fixture_open(f);
	for (int turn = 0; turn < 2; turn++) {
		assert_ok(account_check(f->store, "a1", true, say, NULL, &report));
		assert_int_equal(report.log_damaged, 1);
		fixture_reopen(f);
		expect(f, info.id, info.uidvalidity, 4);
		assert_ok(mailbox_find(f->account, f->pool, "Work", false, &info));
		assert_true(info.flags & MAILBOX_SUBSCRIBED);
		account_usage(f->account, &bytes, &messages);
		assert_int_equal(messages, 4);
	}
	/* Nor is its id given to another. */
	uint32_t id;
	assert_ok(mailbox_create(f->account, "Later", USE_NONE, &id));
	assert_true(id > info.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(a_mailbox_whose_making_is_lost),
	};
	const char *err;
	log_open("test", getenv("STORE_LOG") ? "/dev/stderr" : "/dev/null", LOG_LEVEL_INFO, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
