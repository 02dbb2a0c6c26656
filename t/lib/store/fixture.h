/* What the store's tests share: a store in a temporary folder, messages to put into it. */
#ifndef T_STORE_FIXTURE_H
#define T_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/fiber.h"
#include "os/os.h"
#include "store/account.h"
#include "store/open.h"
#include "store/store.h"

#define assert_ok(call) assert_int_equal(call, STORE_OK)

struct fixture {
	char dir[64];
	struct store_conf conf;
	struct store *store;
	struct account *account;
	struct pool *pool;
	uint32_t inbox;
	int (*sync)(int fd);
	bool fast; /* in memory if there is a file system for it: nothing about durability is seen
		    */
};

static inline int fixture_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void fixture_remove(const char *dir)
{
	nftw(dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline uint32_t fixture_mailbox(struct fixture *f, const char *name)
{
	struct mailbox_info info;
	assert_ok(mailbox_find(f->account, f->pool, name, false, &info));
	return info.id;
}

static inline void fixture_open(struct fixture *f)
{
	const char *err = NULL;
	if (store_open_with(&f->conf, f->sync ? f->sync : fdatasync, &f->store, &err) < 0)
		fail_msg("%s", err);
	assert_ok(account_open(f->store, "a1", true, NULL, &f->account));
	f->inbox = fixture_mailbox(f, "INBOX");
}

static inline void fixture_close(struct fixture *f)
{
	account_close(&f->account);
	store_close(&f->store);
}

static inline void fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

/* A child after fork gives up what it inherited without touching it and opens its own. */
static inline void fixture_child(struct fixture *f)
{
	f->store = NULL;
	f->account = NULL;
	fixture_open(f);
}

static inline void fixture_init(struct fixture *f)
{
	const char *base = f->fast && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	*f = (struct fixture){.pool = pool_new("test")};
	snprintf(f->dir, sizeof(f->dir), "%s/store-test.XXXXXX", base);
	if (!mkdtemp(f->dir))
		fail();
	f->conf = (struct store_conf){
		.dir = f->dir,
		.partition = "p0",
		.default_mailboxes = "Sent:\\Sent, Trash:\\Trash Archive",
		.flag_sync_ms = 50,
	};
}

static inline int fixture_start(void **state, bool fast)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->fast = fast;
	fixture_init(f);
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_setup(void **state)
{
	return fixture_start(state, false);
}

static inline int fixture_setup_fast(void **state)
{
	return fixture_start(state, true);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	fixture_remove(f->dir);
	pool_free(&f->pool);
	free(f);
	return 0;
}

static inline enum store_status fixture_try_append(struct fixture *f, struct account *a,
	uint32_t mailbox, const char *body, uint32_t flags, const char *delivery_id,
	uint32_t *uid_r)
{
	struct blob blob;
	const char *readers[] = {a->id};
	uint32_t uidvalidity;
	enum store_status status = blob_put(f->store, span_of(body), readers, 1, &blob);
	struct append append = {
		.blob = blob,
		.summary = span_of(body),
		.header_size = 10,
		.flags = flags,
		.internal_date = 1700000000,
		.zone = 60,
		.sent_date = 1700000000,
		.delivery_id = delivery_id,
	};
	if (status == STORE_OK)
		status = mailbox_append(
			a, mailbox, &append, 1, clock_mono_ms() + 20000, uid_r, &uidvalidity);
	return status;
}

static inline uint32_t fixture_append(
	struct fixture *f, uint32_t mailbox, const char *body, uint32_t flags)
{
	uint32_t uid;
	assert_ok(fixture_try_append(f, f->account, mailbox, body, flags, NULL, &uid));
	return uid;
}

/* n small messages in one record; UIDs from *first_r. */
static inline uint32_t fixture_fill(struct fixture *f, uint32_t mailbox, size_t n, uint32_t flags)
{
	struct blob blob;
	const char *readers[] = {f->account->id};
	uint32_t first, uidvalidity;
	assert_ok(blob_put(f->store, SPAN_LIT("Subject: fill\r\n\r\nx\r\n"), readers, 1, &blob));
	struct append *v = calloc(n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i] = (struct append){.blob = blob, .summary = SPAN_LIT("fill"), .flags = flags};
	assert_ok(mailbox_append(f->account, mailbox, v, n, IO_FOREVER, &first, &uidvalidity));
	free(v);
	return first;
}

static inline struct view *fixture_view(struct fixture *f, uint32_t mailbox, bool read_only)
{
	struct view *view;
	assert_ok(view_open(f->account, mailbox, read_only, &view));
	return view;
}

static inline enum store_status fixture_store(struct fixture *f, struct view *view, enum flag_op op,
	uint32_t flags, const uint32_t *uids, size_t n)
{
	struct flag_change change = {.op = op, .flags = flags, .unchanged_since = UINT64_MAX};
	uint32_t *failed;
	size_t nfailed;
	return view_store(view, uids, n, &change, f->pool, &failed, &nfailed);
}

/* What this thread has used of the processor, whoever else wants it. */
static inline int64_t fixture_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Path of a file of account a1. */
static inline const char *fixture_path(struct fixture *f, const char *name)
{
	char hh[4];
	snprintf(hh, sizeof(hh), "%02x", os_crc32c(0, "a1", 2) & 0xff);
	return pool_printf(f->pool, "%s/p0/%s/a1/%s", f->dir, hh, name);
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
