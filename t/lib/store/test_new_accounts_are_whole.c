/* Two processes that open a new account at the same moment both find its INBOX. */
#include "t/lib/store/fixture.h"

static struct store *other;
static enum store_status opened, found;

/* The first sync of the account's log: its first record is written and not yet durable. */
static int sync_slowly(int fd)
{
	struct store *store = other;
	struct account *a;
	struct mailbox_info info;
	other = NULL;
	if (store) {
		struct pool *pool = pool_new("other");
		opened = account_open(store, "new", true, NULL, &a);
		found = opened == STORE_OK ? mailbox_find(a, pool, "INBOX", false, &info) : opened;
		if (opened == STORE_OK)
			account_close(&a);
		pool_free(&pool);
	}
	return fdatasync(fd);
}

static void open_while_another_makes_it(void **state)
{
	struct fixture *f = *state;
	struct store *slow, *fast;
	struct account *a;
	struct mailbox_info info;
	const char *err;
	opened = found = STORE_FAILED;
	assert_int_equal(store_open_with(&f->conf, sync_slowly, &slow, &err), 0);
	assert_int_equal(store_open_with(&f->conf, fdatasync, &fast, &err), 0);
	other = fast;
	assert_ok(account_open(slow, "new", true, NULL, &a));
	assert_null(other);
	assert_ok(opened);
	assert_ok(found);
	assert_ok(mailbox_find(a, f->pool, "INBOX", false, &info));
	account_close(&a);
	store_close(&slow);
	store_close(&fast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(open_while_another_makes_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
