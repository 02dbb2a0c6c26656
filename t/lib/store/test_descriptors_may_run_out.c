/* No descriptor is left for one or another file of an account: that is an error of the moment, no damage, and no reason
 * to begin the account anew. */
#include <sys/resource.h>

#include "t/lib/store/fixture.h"

#define MESSAGES 40
#define MOST	 40 /* descriptors that opening it takes, and more */

/* The account lies in another partition than new ones, in several segments, perhaps with a checkpoint. */
static int start(void **state, bool checkpoint)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->fast = true;
	fixture_init(f);
	f->conf.partition = "p1";
	f->conf.log_segment_size = 2000;
	fixture_open(f);
	for (int i = 0; i < MESSAGES; i++)
		fixture_append(f, f->inbox, "Subject: of this length, that segments are full\r\n\r\nx\r\n", 0);
	if (checkpoint)
		assert_int_equal(account_write_tree(f->account), 0);
	assert_in_range(f->account->log.n, 3, 10);
	fixture_close(f);
	f->conf.partition = "p0";
	fixture_open(f);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start(state, false);
}

static int setup_with_checkpoint(void **state)
{
	return start(state, true);
}

static const char *folder(struct fixture *f, const char *partition)
{
	char hh[4];
	snprintf(hh, sizeof(hh), "%02x", os_crc32c(0, "a1", 2) & 0xff);
	return pool_printf(f->pool, "%s/%s/%s/a1", f->dir, partition, hh);
}

static void check_nothing_is_lost(struct fixture *f)
{
	struct view *view = fixture_view(f, f->inbox, true);
	assert_int_equal(view_count(view), MESSAGES);
	view_close(&view);
	assert_int_equal(access(folder(f, "p0"), F_OK), -1);
	DIR *dir = opendir(folder(f, "p1"));
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		assert_int_not_equal(strncmp(e->d_name, "damage", 6), 0);
	closedir(dir);
}

/* As after a boot, or with a head as an ordinary opening finds it. */
static void open_with_so_many(struct fixture *f, bool spoiled, rlim_t more, bool create, size_t *opened)
{
	struct rlimit all, few;
	struct account *a;
	if (spoiled)
		head_spoil(&f->account->head);
	fixture_close(f);
	const char *err;
	assert_int_equal(store_open_with(&f->conf, fdatasync, &f->store, &err), 0);
	int next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)next + more;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	enum store_status status = account_open(f->store, "a1", create, NULL, &a);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	if (status == STORE_OK) {
		uint64_t bytes, messages;
		account_usage(a, &bytes, &messages);
		assert_int_equal(messages, MESSAGES);
		++*opened;
		account_close(&a);
	} else {
		assert_int_equal(status, STORE_FAILED);
	}
	store_close(&f->store);
	fixture_open(f);
	check_nothing_is_lost(f);
	pool_reset(f->pool);
}

static void at_each_of_them(void **state)
{
	struct fixture *f = *state;
	for (int way = 0; way < 4; way++) {
		size_t opened = 0;
		for (rlim_t more = 0; more < MOST; more++)
			open_with_so_many(f, way & 1, more, way & 2, &opened);
		assert_in_range(opened, MOST / 4, MOST - 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_each_of_them, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(at_each_of_them, setup_with_checkpoint, fixture_teardown),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
