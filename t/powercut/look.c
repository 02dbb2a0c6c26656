/*
 * What a disk holds after a power cut, as the server's own recovery finds it: lines of fields with
 * tabs between them, first word says which. Usage: look QUEUE STORE DIRECTORY
 *
 *	user NAME          account ID NAME                        (directory)
 *	spool TRACE SUBJECT ADDRESS...                            (to be delivered to these)
 *	box ACCOUNT NAME UIDVALIDITY UIDNEXT
 *	message ACCOUNT NAME UID SUBJECT FLAGS KEYWORDS SUM       (FLAGS: bits; KEYWORDS: with commas)
 *	new ACCOUNT NAME UID                                      (of a message that is added then)
 *	bad SENTENCE                                              (nothing of this kind may be)
 *	note SENTENCE
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kv/kv.h"
#include "mail/envelope.h"
#include "os/os.h"
#include "queue/drop.h"
#include "queue/queue.h"
#include "queue/segment.h"
#include "store/account.h"
#include "store/store.h"

static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* The last Subject field: a report's is that of the message it is about. */
static const char *subject_of(struct pool *pool, struct span text)
{
	struct span line_, rest = text, subject = SPAN_LIT("?");
	while (span_split(&rest, '\n', &line_))
		if (span_has_prefix(line_, SPAN_LIT("Subject: ")))
			subject = span_trim(span_make(line_.p + 9, line_.n - 9));
	return pool_span(pool, subject);
}

/* --- directory --- */

static const char *const directory_tables[] = {
	"domains", "users", "aliases", "accounts", "meta", NULL};

static void each_row(struct kv *kv, unsigned table, struct pool *pool,
	void (*show)(const struct kv_row *row))
{
	struct kv_row *rows;
	size_t n;
	struct kv_range all = {.table = table, .limit = 100000};
	if (kv_scan(kv, &all, pool, &rows, &n) < 0)
		line("bad\tA table can't be read.");
	else
		for (size_t i = 0; i < n; i++)
			show(&rows[i]);
}

static void show_user(const struct kv_row *row)
{
	line("user\t%.*s", (int)row->key.n, row->key.p);
}

static void show_account(const struct kv_row *row)
{
	line("account\t%.*s\t%.*s", (int)row->key.n, row->key.p, (int)row->value.n, row->value.p);
}

static void look_at_directory(const char *dir, struct pool *pool)
{
	struct kv_conf conf = {.dir = dir, .tables = directory_tables};
	struct kv *kv;
	const char *err = "";
	if (access(dir, F_OK) < 0)
		return;
	if (kv_open(&conf, &kv, &err) != 0) {
		line("bad\tThe directory can't be opened: %s", err);
		return;
	}
	each_row(kv, 1, pool, show_user);
	each_row(kv, 3, pool, show_account);
	kv_close(&kv);
}

/* --- queue: what qmgr would find (lib/queue/queue.h, crash argument) --- */

static const char *const queue_tables[] = {"rows", "due", "traces", "segments", "children", NULL};

static struct kv *open_ledger(const char *queue, struct pool *pool)
{
	const char *err = "", *dir = pool_printf(pool, "%s/db", queue);
	struct kv_conf conf = {.dir = dir, .tables = queue_tables};
	struct kv *kv = NULL;
	int rc = access(dir, F_OK) < 0 ? -1 : kv_open(&conf, &kv, &err);
	if (rc == KV_DAMAGED) {
		line("note\tThe queue database is made anew: %s", err);
		rc = kv_set_aside(dir, &err) < 0 ? -1 : kv_open(&conf, &kv, &err);
	}
	if (rc < 0 && err[0])
		line("bad\tThe queue database can't be opened: %s", err);
	return rc == 0 ? kv : NULL;
}

static uint64_t position_of(struct kv *kv, uint64_t segment, struct pool *pool)
{
	struct str key = STR_IN(pool);
	struct span value;
	uint64_t at = SEGMENT_START;
	queue_place_put(&key, segment, 0);
	str_truncate(&key, 8);
	if (kv && kv_get(kv, 3, str_span(&key), pool, &value) == 1 && value.n >= 8)
		memcpy(&at, value.p, 8);
	return at < SEGMENT_START ? SEGMENT_START : at;
}

static void put_address(struct str *out, const char *address)
{
	str_putc(out, '\t');
	str_puts(out, address);
}

/* Whom it has still to be delivered to; false when nobody will look at it. */
static bool waiting_for(struct kv *kv, uint64_t segment, const struct segment_record *rec,
	uint64_t position, struct pool *pool, struct str *out)
{
	struct str key = STR_IN(pool);
	struct span value;
	struct queue_row row;
	struct envelope e;
	queue_place_put(&key, segment, rec->at);
	if (kv && kv_get(kv, 0, str_span(&key), pool, &value) == 1) {
		if (queue_row_parse(value, pool, &row) < 0)
			return false;
		for (size_t i = 0; i < row.n; i++)
			if (row.recipients[i].state != RCPT_DONE)
				put_address(out, row.recipients[i].address);
		return true;
	}
	if (rec->at < position || envelope_parse(rec->envelope, pool, &e) < 0)
		return false;
	for (size_t i = 0; i < e.nrecipient; i++)
		put_address(out, e.recipients[i].address);
	return true;
}

static void show_record(struct kv *kv, int fd, uint64_t segment, const struct segment_record *rec,
	uint64_t position)
{
	struct pool *pool = pool_new("record");
	char head[65536];
	ssize_t n = pread(fd, head, rec->body_size < sizeof(head) ? rec->body_size : sizeof(head),
		(off_t)rec->body_at);
	const char *subject = subject_of(pool, span_make(head, n > 0 ? (size_t)n : 0));
	struct str addresses = STR_IN(pool);
	/* Done: by its stamp, or because the segment is settled that far. */
	if (!rec->done && waiting_for(kv, segment, rec, position, pool, &addresses))
		line("spool\t%s\t%s%s", rec->trace, subject, str_c(&addresses));
	pool_free(&pool);
}

static void look_at_segment(struct kv *kv, int dirfd, const char *name, uint64_t id)
{
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
	struct segment_reader *r = NULL;
	struct segment_record rec;
	struct pool *pool = pool_new("segment");
	uint64_t at = SEGMENT_START, lost = 0, position = position_of(kv, id, pool);
	int rc = fd < 0 ? -1 : segment_reader_open(fd, id, &r);
	if (rc < 0)
		line("bad\tThe segment %s can't be read: %m.", name);
	enum segment_found found = SEGMENT_TAIL;
	while (r && (found = segment_read(r, at, true, &rec, &lost)) == SEGMENT_FOUND) {
		show_record(kv, fd, id, &rec, position);
		at = rec.next;
	}
	if (found == SEGMENT_ERROR)
		line("bad\tThe segment %s can't be read: %m.", name);
	segment_reader_close(&r);
	if (fd >= 0)
		close(fd);
	pool_free(&pool);
}

/* What sendmail left: in the folder under its final name, it is pickup's. */
static void look_at_drop(const char *queue, const char *name, struct pool *pool)
{
	const char *err, *path = pool_printf(pool, "%s/drop/%s", queue, name);
	struct drop_message m;
	struct str addresses = STR_IN(pool);
	char *text = NULL;
	size_t n;
	if (os_read_file(AT_FDCWD, path, 1 << 20, &text, &n) < 0 ||
		drop_parse(pool, span_make(text, n), &m, &err) < 0) {
		line("bad\tThe drop file %s can't be read.", name);
	} else {
		for (size_t i = 0; i < m.recipients.n; i++)
			put_address(&addresses, m.recipients.v[i]);
		line("spool\t%s\t%s%s", name, subject_of(pool, m.body), str_c(&addresses));
	}
	free(text);
}

static void look_at_drops(const char *queue, struct pool *pool)
{
	DIR *dir = opendir(pool_printf(pool, "%s/drop", queue));
	for (struct dirent *d; dir && (d = readdir(dir));)
		if (strncmp(d->d_name, "new.", 4) == 0)
			look_at_drop(queue, d->d_name, pool);
	if (dir)
		closedir(dir);
}

static void look_at_queue(const char *queue, struct pool *pool)
{
	const char *path = pool_printf(pool, "%s/" SEGMENT_FOLDER, queue);
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = dirfd < 0 ? NULL : opendir(path);
	struct kv *kv = open_ledger(queue, pool);
	uint64_t id;
	for (struct dirent *d; dir && (d = readdir(dir));)
		if (segment_name_parse(d->d_name, &id))
			look_at_segment(kv, dirfd, d->d_name, id);
	if (dir)
		closedir(dir);
	if (dirfd >= 0)
		close(dirfd);
	kv_close(&kv);
}

/* --- store --- */

static void say(void *arg, const char *sentence)
{
	line("bad\t%s: %s", (const char *)arg, sentence);
}

static void put_keywords(struct str *out, struct view *v, uint64_t bits)
{
	size_t n;
	const char *const *names = view_keywords(v, &n);
	for (size_t i = 0; i < n; i++)
		if (bits >> i & 1)
			str_printf(out, "%s,", names[i]);
}

static void show_message(
	struct account *a, const char *id, const char *box, struct view *v, uint32_t seq)
{
	struct pool *pool = pool_new("message");
	const struct msg_row *row = view_row(v, seq);
	struct str keywords = STR_IN(pool);
	struct span body;
	enum store_status status = message_read(a, row, 0, row->size, pool, &body);
	if (status != STORE_OK)
		line("bad\tMessage %u in %s of %s can't be read: %s", row->uid, box, id,
			store_status_text(status));
	put_keywords(&keywords, v, row->keywords);
	if (status == STORE_OK)
		line("message\t%s\t%s\t%u\t%s\t%u\t%s\t%08x", id, box, row->uid,
			subject_of(pool, body), row->flags & MSG_SYSTEM_FLAGS, str_c(&keywords),
			os_crc32c(0, body.p, body.n));
	pool_free(&pool);
}

static void show_box(struct account *a, const char *id, const struct mailbox_info *info)
{
	struct view *v;
	line("box\t%s\t%s\t%u\t%u", id, info->name, info->uidvalidity, info->uidnext);
	if (info->flags & MAILBOX_NOSELECT || !info->id)
		return;
	enum store_status status = view_open(a, info->id, true, &v);
	if (status != STORE_OK) {
		line("bad\t%s of %s can't be opened: %s", info->name, id, store_status_text(status));
		return;
	}
	for (uint32_t seq = 1; seq <= view_count(v); seq++)
		show_message(a, id, info->name, v, seq);
	view_close(&v);
}

/* The account goes on: what is added gets a UID that nobody has seen. */
static void add_one(struct store *s, struct account *a, const char *id, uint32_t inbox)
{
	static const char text[] = "Subject: after the cut\r\n\r\n";
	uint32_t uid = 0, uidvalidity;
	struct append one = {.summary = SPAN_LIT(""), .header_size = sizeof(text) - 1};
	enum store_status status = blob_put(s, SPAN_LIT(text), &id, 1, &one.blob);
	if (status == STORE_OK)
		status = mailbox_append(
			a, inbox, &one, 1, clock_mono_ms() + 20000, &uid, &uidvalidity);
	if (status == STORE_OK)
		line("new\t%s\tINBOX\t%u", id, uid);
	else
		line("bad\tNothing can be added to %s: %s", id, store_status_text(status));
}

static void look_at_account(struct store *s, const char *id, struct pool *pool)
{
	struct account *a;
	struct mailbox_info *v;
	struct check_report report;
	size_t n;
	enum store_status status = account_open(s, id, false, NULL, &a);
	if (status != STORE_OK) {
		line("%s\tThe account %s can't be opened: %s",
			status == STORE_NOT_FOUND ? "note" : "bad", id, store_status_text(status));
		return;
	}
	if (mailbox_list(a, pool, true, &v, &n) != STORE_OK)
		line("bad\tThe mailboxes of %s can't be listed.", id), n = 0;
	for (size_t i = 0; i < n; i++)
		show_box(a, id, &v[i]);
	if (n)
		add_one(s, a, id, v[0].id);
	account_close(&a);
	status = account_check(s, id, false, say, (void *)(uintptr_t)id, &report);
	if (status != STORE_OK)
		line("bad\tThe account %s can't be checked: %s", id, store_status_text(status));
}

static void look_at_store(const char *dir, struct pool *pool)
{
	struct store_conf conf = {.dir = dir, .partition = "p0"};
	const char *err, **ids;
	struct store *s;
	size_t n;
	if (access(dir, F_OK) < 0)
		return;
	if (store_open(&conf, &s, &err) < 0) {
		line("bad\t%s", err);
		return;
	}
	os_random(s->boot, 16); /* the machine has started again */
	for (size_t i = 0; i < 16; i++)
		s->boot[i] = (char)('a' + (s->boot[i] & 15));
	if (store_list_accounts(s, pool, &ids, &n) != STORE_OK)
		line("bad\tThe accounts can't be listed."), n = 0;
	for (size_t i = 0; i < n; i++)
		look_at_account(s, ids[i], pool);
	store_close(&s);
}

int main(int argc, char **argv)
{
	struct pool *pool = pool_new("look");
	if (argc != 4)
		log_fatal("Usage: look QUEUE STORE DIRECTORY");
	look_at_directory(argv[3], pool);
	look_at_queue(argv[1], pool);
	look_at_drops(argv[1], pool);
	look_at_store(argv[2], pool);
	pool_free(&pool);
	return 0;
}
