/* Adding messages: bodies into the pack, one record into the log (format.h, crash argument 1). */
#include "base/clock.h"
#include "base/log.h"
#include "os/os.h"
#include "store/change.h"

#define SPACE_LOOK_MS 1000
#define RECORD_SPARE  (1024 * 1024) /* of a record, for everything but rows and summaries */

bool store_space_is_low(struct store *store)
{
	int64_t now = clock_mono_ms();
	uint64_t room;
	if (store->space_looked && now - store->space_looked < SPACE_LOOK_MS)
		return store->space_low;
	store->space_looked = now;
	bool low = os_free_space(store->partitions[0].fd, &room) == 0 &&
		   room < store->conf.disk_reserve;
	if (low && !store->space_low)
		log_warning("The message store has less than its reserve of disk left; nothing is "
			    "added.");
	store->space_low = low;
	return low;
}

enum store_status blob_put(struct store *store, struct span body, const char *const *readers,
	size_t nreaders, struct blob *blob_r)
{
	*blob_r = (struct blob){0};
	if (store_space_is_low(store))
		return STORE_DISK_FULL;
	return packs_put(&store->packs, body, readers, nreaders, blob_r);
}

bool account_has_room(struct account *a, uint64_t bytes, uint64_t messages)
{
	if ((!a->limits.bytes && !a->limits.messages) || account_refresh(a) != STORE_OK)
		return true;
	return !change_is_over_quota(a, bytes, messages);
}

static enum store_status sync_blobs(struct account *a, const struct append *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum store_status status = packs_sync(&a->store->packs, &v[i].blob);
		if (status != STORE_OK)
			return status;
	}
	return STORE_OK;
}

struct appending {
	struct account *a;
	const struct append *v;
	size_t n;
	struct mailbox *m;
	uint32_t left;	   /* messages that are not there already */
	uint32_t seen_uid; /* of one that is */
	struct str bytes;
	struct keyword_set keywords;
};

static bool is_seen(
	const struct appending *p, size_t i, unsigned char digest_r[OP_SEEN_SIZE], uint32_t *uid_r)
{
	seen_digest(p->v[i].delivery_id, digest_r);
	return seen_find(p->a->live.seen, digest_r, uid_r) > 0;
}

/* What this would add; deliveries that were made before are left out (rule 17). */
static enum store_status measure(struct appending *p)
{
	unsigned char digest[OP_SEEN_SIZE];
	uint64_t bytes = 0, summaries = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].delivery_id && is_seen(p, i, digest, &p->seen_uid))
			continue;
		p->left++;
		bytes += p->v[i].blob.size;
		summaries += p->v[i].summary.n + 128;
	}
	if (p->left && change_is_over_quota(p->a, bytes, p->left))
		return STORE_OVER_QUOTA;
	if (summaries > RECORD_MAX - RECORD_SPARE ||
		p->m->messages + (uint64_t)p->left > STORE_MESSAGES_MAX ||
		p->m->uidnext > UINT32_MAX - p->left - 1)
		return STORE_TOO_MANY;
	return STORE_OK;
}

static void put_row(struct appending *p, size_t i, uint64_t keywords)
{
	const struct append *from = &p->v[i];
	unsigned char digest[OP_SEEN_SIZE];
	uint32_t uid;
	struct op_row row = {
		.size = from->blob.size,
		.header_size = from->header_size,
		.flags = from->flags & MSG_SYSTEM_FLAGS,
		.keywords = keywords,
		.internal_date = from->internal_date,
		.zone = from->zone,
		.sent_date = from->sent_date,
		.pack = from->blob.pack,
		.pack_at = from->blob.at,
		.summary = from->summary.p ? from->summary : span_make("", 0),
	};
	if (from->delivery_id && is_seen(p, i, digest, &uid))
		return;
	if (from->delivery_id)
		row.seen = digest;
	op_put_row(&p->bytes, &row);
}

/* keywords: bits for each message. */
static enum store_status put_keywords(struct appending *p, uint64_t *keywords)
{
	enum store_status status = STORE_OK;
	p->keywords.m = p->m;
	for (size_t i = 0; status == STORE_OK && i < p->n; i++)
		status = change_put_keywords(
			&p->bytes, &p->keywords, p->v[i].keywords, p->v[i].nkeywords, &keywords[i]);
	return status;
}

static void put_rows(struct appending *p, const uint64_t *keywords)
{
	struct op_add op = {
		.mailbox = p->m->id,
		.prev = p->m->last,
		.first_uid = p->m->uidnext,
		.n = p->left,
	};
	size_t at = op_begin_add(&p->bytes, &op);
	for (size_t i = 0; i < p->n; i++)
		put_row(p, i, keywords[i]);
	op_end(&p->bytes, at);
}

/* Keywords' ops stand before the rows that use them. */
static enum store_status put_messages(struct appending *p)
{
	uint64_t *keywords = mem_alloc(p->n * sizeof(*keywords));
	enum store_status status = put_keywords(p, keywords);
	if (status == STORE_OK)
		put_rows(p, keywords);
	mem_free(&keywords);
	return status;
}

static enum store_status find_and_measure(struct appending *p, uint32_t mailbox)
{
	p->m = tree_find(&p->a->live, mailbox);
	return !p->m || p->m->noselect ? STORE_NOT_FOUND : measure(p);
}

enum store_status mailbox_may_append(
	struct account *a, uint32_t mailbox, const struct append *v, size_t n)
{
	struct appending p = {.a = a, .v = v, .n = n};
	uint64_t *keywords = mem_alloc(n * sizeof(*keywords));
	enum store_status status = account_refresh(a);
	if (status == STORE_OK)
		status = find_and_measure(&p, mailbox);
	if (status == STORE_OK)
		status = put_keywords(&p, keywords);
	mem_free(&keywords);
	str_fini(&p.bytes);
	return status;
}

/* Under the lock. */
static enum store_status append_locked(struct appending *p, uint32_t mailbox, uint32_t *first_uid_r,
	uint32_t *uidvalidity_r, uint64_t *end_r)
{
	enum store_status status = find_and_measure(p, mailbox);
	if (status != STORE_OK)
		return status;
	*uidvalidity_r = p->m->uidvalidity;
	*first_uid_r = p->left ? p->m->uidnext : p->seen_uid;
	*end_r = p->a->live.at; /* what was delivered before must be durable before it is said so */
	if (!p->left)
		return STORE_OK;
	account_start_record(&p->bytes, p->v[0].trace);
	status = put_messages(p);
	if (status == STORE_OK)
		status = account_write(p->a, &p->bytes, RECORD_FIRM, 0, end_r);
	return status;
}

enum store_status mailbox_append(struct account *a, uint32_t mailbox, const struct append *v,
	size_t n, int64_t deadline, uint32_t *first_uid_r, uint32_t *uidvalidity_r)
{
	struct appending p = {.a = a, .v = v, .n = n};
	uint64_t end = 0;
	if (!n)
		return STORE_INVALID;
	if (store_space_is_low(a->store))
		return STORE_DISK_FULL;
	enum store_status status = sync_blobs(a, v, n);
	if (status == STORE_OK)
		status = account_begin(a, deadline);
	if (status != STORE_OK)
		return status;
	status = append_locked(&p, mailbox, first_uid_r, uidvalidity_r, &end);
	account_end(a);
	str_fini(&p.bytes);
	if (status == STORE_OK)
		status = account_commit(a, end);
	if (status == STORE_OK)
		account_upkeep(a, mailbox);
	return status;
}
