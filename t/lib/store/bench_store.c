/* How fast the store is on this disk: bench_store [FOLDER], default a new one below /tmp. Read
 * ratios, not absolutes. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/fiber.h"
#include "store/store.h"

#define BODY	 8192
#define SUMMARY	 1200
#define LARGE	 100000
#define ACCOUNTS 200

struct bench {
	struct store *store;
	struct account *account;
	struct account *many[ACCOUNTS];
	uint32_t inboxes[ACCOUNTS];
	uint32_t inbox, large;
	struct pool *pool;
	char *body, *summary;
	struct fiber_group group;
	unsigned next, count;
};

static void must(enum store_status status)
{
	if (status == STORE_OK)
		return;
	fprintf(stderr, "%s\n", store_status_text(status));
	exit(1);
}

static void report(const char *what, double n, int64_t begun_us)
{
	double us = (double)(clock_mono_us() - begun_us);
	printf("%-48s %12.0f/s %10.2f us each\n", what, n * 1e6 / us, us / n);
}

static struct append message(struct bench *b, const char *account)
{
	struct append append = {
		.summary = span_make(b->summary, SUMMARY),
		.header_size = 600,
		.internal_date = 1700000000,
	};
	must(blob_put(b->store, span_make(b->body, BODY), &account, 1, &append.blob));
	return append;
}

static void append_one(struct bench *b, struct account *a, uint32_t mailbox, const char *id)
{
	uint32_t uid, uidvalidity;
	struct append append = message(b, id);
	must(mailbox_append(a, mailbox, &append, 1, IO_FOREVER, &uid, &uidvalidity));
}

static void append_alone(struct bench *b)
{
	int64_t begun = clock_mono_us();
	for (int i = 0; i < 2000; i++)
		append_one(b, b->account, b->inbox, "bench");
	report("append 8 KiB, one writer, one by one", 2000, begun);
}

static void appender(void *arg)
{
	struct bench *b = arg;
	while (b->next++ < b->count)
		append_one(b, b->account, b->inbox, "bench");
	fiber_group_leave(&b->group);
}

static void run_fibers(struct bench *b, unsigned fibers, unsigned count, fiber_fn fn)
{
	b->next = 0;
	b->count = count;
	for (unsigned i = 0; i < fibers; i++) {
		fiber_group_enter(&b->group);
		fiber_start("bench", fn, b);
	}
	fiber_group_wait(&b->group, IO_FOREVER);
}

static void append_together(struct bench *b)
{
	int64_t begun = clock_mono_us();
	run_fibers(b, 8, 8000, appender);
	report("append 8 KiB, 8 fibers, one mailbox", 8000, begun);
}

static void deliverer(void *arg)
{
	struct bench *b = arg;
	for (unsigned i; (i = b->next++) < b->count;)
		append_one(b, b->many[i % ACCOUNTS], b->inboxes[i % ACCOUNTS], "many");
	fiber_group_leave(&b->group);
}

static void deliver(struct bench *b, unsigned fibers)
{
	char what[64];
	int64_t begun = clock_mono_us();
	run_fibers(b, fibers, 10000, deliverer);
	snprintf(what, sizeof(what), "deliver 8 KiB to %d accounts, %u at once", ACCOUNTS, fibers);
	report(what, 10000, begun);
}

static uint32_t inbox_of(struct bench *b, struct account *a, const char *name)
{
	struct mailbox_info info;
	must(mailbox_find(a, b->pool, name, false, &info));
	return info.id;
}

static void open_many(struct bench *b)
{
	int64_t begun = clock_mono_us();
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char id[32];
		snprintf(id, sizeof(id), "many%u", i);
		must(account_open(b->store, id, true, NULL, &b->many[i]));
		b->inboxes[i] = inbox_of(b, b->many[i], "INBOX");
	}
	report("make an account", ACCOUNTS, begun);
}

static void fill_large(struct bench *b)
{
	uint32_t uid, uidvalidity;
	struct append one = message(b, "bench"), *v = calloc(1000, sizeof(*v));
	one.summary.n = 200;
	must(mailbox_create(b->account, "Large", USE_NONE, &b->large));
	for (int i = 0; i < 1000; i++)
		v[i] = one;
	int64_t begun = clock_mono_us();
	for (int i = 0; i < LARGE / 1000; i++)
		must(mailbox_append(b->account, b->large, v, 1000, IO_FOREVER, &uid, &uidvalidity));
	report("append 1,000 in one record", LARGE, begun);
	free(v);
}

static void look(struct bench *b)
{
	struct view *view;
	uint64_t sum = 0;
	int64_t begun = clock_mono_us();
	must(view_open(b->account, b->large, true, &view));
	report("view_open of 100,000, first in the process", 1, begun);
	struct view *other;
	begun = clock_mono_us();
	for (int i = 0; i < 1000; i++) {
		must(view_open(b->account, b->large, true, &other));
		sum += view_first_unseen(other);
		view_close(&other);
	}
	report("view_open, first unseen, view_close, warm", 1000, begun);
	begun = clock_mono_us();
	for (int turn = 0; turn < 10; turn++)
		for (uint32_t seq = 1; seq <= LARGE; seq++)
			sum += view_flags(view, seq) + view_row(view, seq)->uid;
	report("flags and UID of each of 100,000", 10.0 * LARGE, begun);
	begun = clock_mono_us();
	for (uint32_t seq = 1; seq <= LARGE; seq++) {
		struct span summary;
		must(message_summary(b->account, view_row(view, seq), b->pool, &summary));
		sum += summary.n;
		pool_reset(b->pool);
	}
	report("summary (200 octets) of each of 100,000", LARGE, begun);
	view_close(&view);
	if (sum == 1)
		printf("\n"); /* so that nothing above is optimised away */
}

static void change(struct bench *b)
{
	static uint32_t uids[10000];
	struct view *view;
	uint32_t *failed;
	size_t nfailed;
	must(view_open(b->account, b->large, false, &view));
	for (uint32_t i = 0; i < 10000; i++)
		uids[i] = view_row(view, i + 1)->uid;
	struct flag_change flag = {
		.op = FLAGS_ADD, .flags = MSG_FLAGGED, .unchanged_since = UINT64_MAX};
	int64_t begun = clock_mono_us();
	for (int i = 0; i < 100; i++) {
		flag.op = i % 2 ? FLAGS_REMOVE : FLAGS_ADD;
		must(view_store(view, uids, 10000, &flag, b->pool, &failed, &nfailed));
	}
	report("store flags of 10,000 in one record", 1000000, begun);
	begun = clock_mono_us();
	for (uint32_t i = 0; i < 10000; i++)
		must(view_store(view, uids + i, 1, &flag, b->pool, &failed, &nfailed));
	flag.flags = MSG_SEEN;
	flag.op = FLAGS_ADD;
	for (uint32_t i = 0; i < 10000; i++)
		must(view_store(view, uids + i, 1, &flag, b->pool, &failed, &nfailed));
	report("store flags of one", 20000, begun);
	struct view_changes c;
	begun = clock_mono_us();
	for (uint32_t i = 0; i < 10000; i += 10) {
		must(view_expunge(view, uids + i, 1, false));
		must(view_sync(view, true, b->pool, &c));
	}
	report("expunge one and sync", 1000, begun);
	view_close(&view);
}

static void reopen(struct bench *b, const struct store_conf *conf)
{
	const char *err;
	struct view *view;
	account_close(&b->account);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		account_close(&b->many[i]);
	store_close(&b->store);
	if (store_open(conf, &b->store, &err) < 0)
		exit(1);
	int64_t begun = clock_mono_us();
	must(account_open(b->store, "bench", false, NULL, &b->account));
	report("open the account", 1, begun);
	begun = clock_mono_us();
	must(view_open(b->account, b->large, true, &view));
	report("view_open of 100,000 in a new process", 1, begun);
	view_close(&view);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/bench-store.XXXXXX";
	const char *err, *dir = argc > 1 ? argv[1] : mkdtemp(folder);
	struct store_conf conf = {.dir = dir, .partition = "p0", .flag_sync_ms = 1000};
	struct bench b = {
		.pool = pool_new("bench"), .body = malloc(BODY), .summary = malloc(SUMMARY)};
	memset(b.body, 'b', BODY);
	memset(b.summary, 's', SUMMARY);
	if (!dir || store_open(&conf, &b.store, &err) < 0)
		return 1;
	must(account_open(b.store, "bench", true, NULL, &b.account));
	b.inbox = inbox_of(&b, b.account, "INBOX");
	append_alone(&b);
	append_together(&b);
	open_many(&b);
	deliver(&b, 1);
	deliver(&b, 8);
	deliver(&b, 32);
	fill_large(&b);
	look(&b);
	change(&b);
	reopen(&b, &conf);
	account_close(&b.account);
	store_close(&b.store);
	pool_free(&b.pool);
	free(b.body);
	free(b.summary);
	if (argc == 1)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
