/*
 * A whole account one of whose files is the input (first octet: which): whatever it is, opening,
 * reading, changing and checking end with a status, and another account of the store is not touched.
 * Rows of a mailbox come with a right sum, too, and operations come in records that continue the log.
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
#include "store/record.h"

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

enum { ROWS = COUNT_OF(files), OPERATIONS, KINDS };

/* Which files are not there when the log is read that has got the operations. */
enum { WITHOUT_TREE = 1, WITHOUT_INDEX = 2 };

static void path_of(char path[256], const char *dir, const char *name)
{
	snprintf(path, 256, "%s/p0/%02x/a1/%s", dir, os_crc32c(0, "a1", 2) & 0xff, name);
}

static void put_whole(const char *dir, const char *name, struct span content)
{
	char path[256];
	path_of(path, dir, name);
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
	path_of(path, dir, "index/1");
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

/* --- operations behind the log's last record --- */

#define BOXES 16

struct tail {
	struct str bytes; /* of the segment, up to the last record's end */
	uint32_t salt;
	struct record last;
	uint64_t touched[BOXES]; /* by mailbox: where the last record is that touched it */
};

static void note_links(struct tail *t, const struct record *r)
{
	struct span rest = r->ops;
	struct op op;
	uint32_t mailbox;
	uint64_t prev;
	while (op_next(&rest, &op) == 1)
		if (op_parse_link(&op, &mailbox, &prev) && mailbox < BOXES)
			t->touched[mailbox] = r->at;
}

static void read_tail(struct tail *t, const char *dir)
{
	char path[256], *text;
	size_t n, end = SEGMENT_HEADER;
	struct record r;
	path_of(path, dir, "log.1");
	if (os_read_file(AT_FDCWD, path, 1 << 20, &text, &n) < 0 || n < SEGMENT_HEADER)
		abort();
	struct reader header = reader_of(span_make(text + 12, 4));
	*t = (struct tail){.salt = get_u32(&header), .last = {.at = LOG_FIRST}};
	while (record_parse(span_make(text + end, n - end), t->salt, t->last.at + t->last.length, &r) == 1) {
		end += r.length;
		t->last = r;
		note_links(t, &r);
	}
	str_add(&t->bytes, text, end);
	free(text);
}

/* A link to 1, where no record is, becomes the right one. */
static void put_op(const struct tail *t, struct str *out, const struct op *op)
{
	size_t at = op_begin(out, op->kind);
	struct span body = op->body;
	uint32_t mailbox;
	uint64_t prev;
	if (op_parse_link(op, &mailbox, &prev) && prev == 1 && mailbox < BOXES) {
		struct reader in = reader_of(body);
		get_varint(&in);
		get_varint(&in);
		put_varint(out, mailbox);
		put_varint(out, t->touched[mailbox]);
		body = span_make(in.p, reader_left(&in));
	}
	str_add_span(out, body);
	op_end(out, at);
}

static void add_record(struct tail *t, struct span operations)
{
	struct str bytes = STR_INIT;
	struct op op;
	struct record r = {.at = t->last.at + t->last.length, .sequence = t->last.sequence + 1, .chain = t->last.crc,
		.class = RECORD_FIRM};
	record_start(&bytes, "fuzz", NULL);
	while (op_next(&operations, &op) == 1)
		put_op(t, &bytes, &op);
	str_add_span(&bytes, operations); /* damaged */
	record_finish(&bytes, t->salt, &r);
	str_add_span(&t->bytes, str_span(&bytes));
	if (record_parse(str_span(&bytes), t->salt, r.at, &t->last) != 1)
		abort();
	note_links(t, &t->last);
	str_fini(&bytes);
}

static void remove_file(const char *dir, const char *name)
{
	char path[256];
	path_of(path, dir, name);
	remove(path);
}

/* First which files go, then lists of operations, each behind its length (u16): a record each. Without its head the log is
 * recovered, and so read to its end. */
static void put_operations(const char *dir, struct span input)
{
	struct reader in = reader_of(input);
	struct tail t;
	uint8_t without = get_u8(&in);
	read_tail(&t, dir);
	while (reader_left(&in) > 2) {
		size_t n = get_u16(&in);
		add_record(&t, get_bytes(&in, n < reader_left(&in) ? n : reader_left(&in)));
	}
	put_whole(dir, "log.1", str_span(&t.bytes));
	remove_file(dir, "head");
	if (without & WITHOUT_TREE)
		remove_file(dir, "tree");
	if (without & WITHOUT_INDEX)
		remove_file(dir, "index/1");
	str_fini(&t.bytes);
}

/* --- */

static void put_file(const char *dir, const uint8_t *data, size_t size)
{
	struct span content = span_make(data + 1, size - 1);
	unsigned kind = data[0] % KINDS;
	if (kind == ROWS)
		put_rows(dir, content);
	else if (kind == OPERATIONS)
		put_operations(dir, content);
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

static void change(struct view *view, uint32_t to_mailbox, struct pool *pool)
{
	static const char *const keywords[] = {"k"};
	const struct flag_change flags = {.op = FLAGS_ADD, .flags = MSG_SEEN | MSG_DELETED, .keywords = keywords, .nkeywords = 1,
		.unchanged_since = UINT64_MAX};
	struct view_changes changes;
	struct uid_pair *pairs;
	uint32_t *failed, uidvalidity, n = view_count(view);
	size_t nfailed, npairs;
	if (!n)
		return;
	uint32_t uids[] = {view_row(view, 1)->uid, view_row(view, n)->uid};
	size_t nuids = n > 1 ? 2 : 1;
	view_copy(view, uids, nuids, to_mailbox, 0, pool, &pairs, &npairs, &uidvalidity);
	view_store(view, uids, nuids, &flags, pool, &failed, &nfailed);
	view_expunge(view, uids, 1, true);
	if (view_sync(view, true, pool, &changes) == STORE_OK && view_count(view) &&
		view_row(view, 1)->uid == uids[0])
		abort();
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
	change(view, mailbox, pool);
	view_close(&view);
}

static void change_tree(struct account *a, struct pool *pool)
{
	struct mailbox_info info;
	uint32_t id;
	mailbox_create(a, "New/Below", USE_NONE, &id);
	mailbox_rename(a, "New", "Old");
	mailbox_rename(a, "INBOX", "Kept");
	mailbox_subscribe(a, "Old/Below", true);
	mailbox_delete(a, "Old");
	if (mailbox_find(a, pool, "Old/Below", true, &info) == STORE_OK)
		mailbox_delete(a, "Old/Below");
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
		if (n < 20)
			change_tree(a, pool);
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
