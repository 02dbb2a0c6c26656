/*
 * A whole account one of whose files is the input (first octet: which): whatever it is, opening,
 * reading, adding and checking end with a status, and another account of the store is not touched.
 * Rows of a mailbox come with a right sum, too.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/os.h"
#include "store/checkpoint.h"
#include "store/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static const char *const files[] = {"head", "log.1", "tree", "index/1", "log.2"};

enum { ROWS = COUNT_OF(files), KINDS };

static void put_whole(const char *dir, const char *name, struct span content)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/p0/%02x/a1/%s", dir, os_crc32c(0, "a1", 2) & 0xff, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || os_write_all(fd, content.p, content.n) < 0)
		abort();
	close(fd);
}

/* What the log says it covers, and counts: as it was, or as the input says. */
static struct checkpoint checkpoint_from(const char *dir, struct reader *in)
{
	char path[256], header[CHECKPOINT_HEADER] = {0};
	struct checkpoint c = {.mailbox = 1, .at = LOG_FIRST};
	snprintf(path, sizeof(path), "%s/p0/%02x/a1/index/1", dir, os_crc32c(0, "a1", 2) & 0xff);
	int fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, header, sizeof(header)) == CHECKPOINT_HEADER)
		checkpoint_parse(&c, INDEX_MAGIC, "a1", span_make(header, sizeof(header)));
	if (fd >= 0)
		close(fd);
	uint8_t own = get_u8(in);
	if (own & 1)
		c.at = get_u16(in);
	if (own & 2)
		c.sequence = get_u64(in);
	if (own & 4)
		c.changes = get_u64(in);
	return c;
}

static void put_rows(const char *dir, struct span input)
{
	struct reader in = reader_of(input);
	struct checkpoint c = checkpoint_from(dir, &in);
	struct str file = STR_INIT;
	char header[CHECKPOINT_HEADER] = {0};
	uint32_t uid = 0;
	str_add(&file, header, sizeof(header));
	while (reader_left(&in) >= sizeof(struct msg_row)) {
		struct msg_row row;
		memcpy(&row, get_bytes(&in, sizeof(row)).p, sizeof(row));
		uid += 1 + (row.uid & 3);
		row.uid = uid;
		str_add(&file, (const char *)&row, sizeof(row));
	}
	c.count = (file.len - sizeof(header)) / sizeof(struct msg_row);
	c.body_crc = os_crc32c(0, file.s + sizeof(header), file.len - sizeof(header));
	checkpoint_put(&c, INDEX_MAGIC, "a1", header);
	memcpy(file.s, header, sizeof(header));
	put_whole(dir, "index/1", str_span(&file));
	str_fini(&file);
}

static void put_file(const char *dir, const uint8_t *data, size_t size)
{
	struct span content = span_make(data + 1, size - 1);
	unsigned kind = data[0] % KINDS;
	if (kind == ROWS)
		put_rows(dir, content);
	else
		put_whole(dir, files[kind], content);
}

static void add(struct store *s, struct account *a, uint32_t mailbox)
{
	struct blob blob;
	uint32_t uid, uidvalidity;
	const char *readers[] = {"a1"};
	struct append append = {.summary = SPAN_LIT("s")};
	if (blob_put(s, SPAN_LIT("body"), readers, 1, &blob) != STORE_OK)
		abort();
	append.blob = blob;
	for (int i = 0; i < 3; i++)
		mailbox_append(a, mailbox, &append, 1, clock_mono_ms() + 1000, &uid, &uidvalidity);
}

static void look(struct account *a, uint32_t mailbox, struct pool *pool)
{
	struct view *view;
	struct span bytes;
	if (view_open(a, mailbox, false, &view) != STORE_OK)
		return;
	uint32_t uid = 0, n = view_count(view) < 100 ? view_count(view) : 100;
	for (uint32_t seq = 1; seq <= n; seq++) {
		if (view_row(view, seq)->uid <= uid)
			abort();
		uid = view_row(view, seq)->uid;
		struct msg_row row = *view_row(view, seq);
		if (row.size < 1 << 20)
			message_read(a, &row, 0, row.size, pool, &bytes);
		message_summary(a, &row, pool, &bytes);
	}
	view_first_unseen(view);
	view_close(&view);
}

static void visit(struct store *s, bool create)
{
	struct account *a;
	struct pool *pool = pool_new("fuzz");
	struct mailbox_info *v;
	size_t n = 0;
	if (account_open(s, "a1", create, NULL, &a) == STORE_OK) {
		if (mailbox_list(a, pool, true, &v, &n) != STORE_OK)
			n = 0;
		for (size_t i = 0; i < n && i < 3; i++) {
			look(a, v[i].id, pool);
			add(s, a, v[i].id);
		}
		account_close(&a);
	}
	pool_free(&pool);
}

static struct store *open_store(const char *dir)
{
	struct store *s;
	const char *err;
	struct store_conf conf = {.dir = dir, .partition = "p0"};
	if (store_open_with(&conf, no_sync, &s, &err) < 0)
		abort();
	return s;
}

__attribute__((constructor)) static void be_quiet(void)
{
	const char *err;
	log_open("fuzz", "/dev/null", LOG_LEVEL_PANIC, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/fuzz-store.XXXXXX";
	struct check_report report;
	if (size < 2 || !mkdtemp(dir))
		return 0;
	struct store *s = open_store(dir);
	visit(s, true);
	account_check(s, "a1", true, NULL, NULL, &report);
	store_close(&s);
	put_file(dir, data, size);
	s = open_store(dir);
	visit(s, true);
	account_check(s, "a1", true, NULL, NULL, &report);
	visit(s, true);
	store_close(&s);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
