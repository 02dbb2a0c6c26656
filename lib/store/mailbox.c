/* Mailboxes: listing, making, removing, renaming, subscribing. Decisions are taken on the live tree
 * under the lock. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io/io.h"
#include "store/change.h"
#include "store/name.h"

#define ARRANGE_INLINE 1000 /* mailboxes; more of them are sorted by a helper thread */

/* --- looking --- */

static void fill_info(const struct tree *t, const struct mailbox *m, const char *name, bool counts,
	struct mailbox_info *info)
{
	*info = (struct mailbox_info){
		.id = m->id,
		.name = name,
		.flags = m->noselect ? MAILBOX_NOSELECT : 0,
		.use = m->use,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
	};
	if (hash_find(t->subscribed, span_of(m->name)))
		info->flags |= MAILBOX_SUBSCRIBED;
	if (!counts)
		return;
	info->messages = m->messages;
	info->unseen = m->unseen;
	info->recent = m->recent;
	info->deleted = m->deleted;
	info->size = m->size;
	info->highest_modseq = m->highest_modseq;
}

static int compare_infos(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;
	bool inbox_x = strcmp(x->name, "INBOX") == 0, inbox_y = strcmp(y->name, "INBOX") == 0;
	if (inbox_x != inbox_y)
		return inbox_x ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool has_children(const struct tree *t, const char *name)
{
	for (size_t i = 0; i < t->boxes.n; i++)
		if (name_is_below(t->boxes.v[i]->name, name))
			return true;
	return false;
}

/* One pass: each name marks those above it. */
static void mark_children(struct mailbox_info *v, size_t n)
{
	struct hash *by_name = hash_new();
	for (size_t i = 0; i < n; i++)
		if (v[i].id)
			hash_set(by_name, span_of(v[i].name), &v[i]);
	for (size_t i = 0; i < n; i++) {
		struct span name = v[i].id ? span_of(v[i].name) : SPAN_LIT("");
		while ((name = name_parent(name)).n) {
			struct mailbox_info *parent = hash_find(by_name, name);
			if (parent)
				parent->flags |= MAILBOX_HAS_CHILDREN;
		}
	}
	hash_free(&by_name);
}

struct listing {
	struct mailbox_info *v;
	size_t n;
};

static int arrange(void *arg)
{
	struct listing *l = arg;
	qsort(l->v, l->n, sizeof(*l->v), compare_infos);
	mark_children(l->v, l->n);
	return 0;
}

enum store_status mailbox_list(
	struct account *a, struct pool *pool, bool counts, struct mailbox_info **v_r, size_t *n_r)
{
	enum store_status status = account_refresh(a);
	if (status != STORE_OK)
		return status;
	const struct tree *t = &a->shown;
	struct mailbox_info *v =
		pool_array(pool, t->boxes.n + hash_count(t->subscribed) + 1, sizeof(*v));
	struct listing l = {.v = v};
	size_t n = 0, at = 0;
	for (size_t i = 0; i < t->boxes.n; i++, n++)
		fill_info(t, t->boxes.v[i], pool_strdup(pool, t->boxes.v[i]->name), counts, &v[n]);
	struct span name;
	void *value;
	while (hash_next(t->subscribed, &at, &name, &value))
		if (!hash_find(t->names, name))
			v[n++] = (struct mailbox_info){
				.name = pool_span(pool, name), .flags = MAILBOX_SUBSCRIBED};
	l.n = n;
	if (n > ARRANGE_INLINE)
		io_call(arrange, &l);
	else
		arrange(&l);
	*v_r = v;
	*n_r = n;
	return STORE_OK;
}

size_t mailbox_list_size(const struct account *a)
{
	const struct tree *t = &a->shown;
	return t->name_octets + (t->boxes.n + hash_count(t->subscribed)) * sizeof(struct mailbox_info);
}

enum store_status mailbox_find(struct account *a, struct pool *pool, const char *name, bool counts,
	struct mailbox_info *info_r)
{
	enum store_status status = account_refresh(a);
	const char *clean = name_clean(pool, name);
	if (status != STORE_OK)
		return status;
	const struct mailbox *m = clean ? tree_find_name(&a->shown, clean) : NULL;
	if (!m)
		return STORE_NOT_FOUND;
	fill_info(&a->shown, m, pool_strdup(pool, m->name), counts, info_r);
	return STORE_OK;
}

/* --- making --- */

/* Ids that one record hands out, and what its mailboxes come to. */
struct minting {
	uint32_t id, uidvalidity;
	size_t n, octets;
};

static struct minting minting_of(const struct account *a)
{
	return (struct minting){.id = a->live.next_id, .uidvalidity = a->live.next_uidvalidity};
}

static uint32_t put_create(struct str *bytes, struct minting *mint, const char *name,
	enum special_use use, bool noselect)
{
	struct op_create op = {
		.id = mint->id++,
		.uidvalidity = mint->uidvalidity++,
		.use = (uint8_t)use,
		.noselect = noselect,
		.name = span_of(name),
	};
	op_put_create(bytes, &op);
	mint->n++;
	mint->octets += tree_name_cost(op.name.n);
	return op.id;
}

static bool names_fit(const struct account *a, size_t more)
{
	return a->live.name_octets + more <= STORE_NAMES_MAX;
}

static bool mint_fits(const struct account *a, const struct minting *mint)
{
	return a->live.boxes.n + mint->n <= STORE_MAILBOXES_MAX && mint->id <= UINT32_MAX - STORE_LEVELS_MAX &&
	       names_fit(a, mint->octets);
}

/* Levels above name that are not there, outermost first. */
static void put_parents(struct account *a, struct pool *pool, const char *name, struct str *bytes,
	struct minting *mint)
{
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		const char *parent = pool_strndup(pool, name, (size_t)(slash - name));
		if (!tree_find_name(&a->live, parent))
			put_create(bytes, mint, parent, USE_NONE, false);
	}
}

static enum store_status put_new_mailbox(struct account *a, struct pool *pool, const char *name,
	enum special_use use, struct str *bytes, uint32_t *id_r)
{
	struct minting mint = minting_of(a);
	const struct mailbox *old = tree_find_name(&a->live, name);
	if (old && !old->noselect)
		return STORE_EXISTS;
	if (old)
		op_put_delete(bytes, old->id);
	put_parents(a, pool, name, bytes, &mint);
	*id_r = put_create(bytes, &mint, name, use, false);
	return mint_fits(a, &mint) ? STORE_OK : STORE_TOO_MANY;
}

static enum store_status create_clean(struct account *a, struct pool *pool, const char *name,
	enum special_use use, uint32_t *id_r)
{
	struct str bytes = STR_INIT;
	if (store_space_is_low(a->store))
		return STORE_DISK_FULL;
	enum store_status status = account_begin(a, clock_mono_ms() + LOCK_MS);
	if (status != STORE_OK)
		return status;
	account_start_record(&bytes, NULL);
	return change_finish(a, &bytes, put_new_mailbox(a, pool, name, use, &bytes, id_r));
}

enum store_status mailbox_create(
	struct account *a, const char *name, enum special_use use, uint32_t *id_r)
{
	struct pool *pool = pool_new("mailbox create");
	const char *clean = name_clean(pool, name);
	uint32_t id = 0;
	bool known = (unsigned)use < USE_COUNT_;
	enum store_status status =
		clean && known ? create_clean(a, pool, clean, use, &id) : STORE_INVALID;
	if (id_r)
		*id_r = id;
	pool_free(&pool);
	return status;
}

static enum special_use use_of(struct span word)
{
	for (unsigned use = 1; use < USE_COUNT_; use++)
		if (span_iis(word, special_use_names[use]))
			return use;
	return USE_NONE;
}

/* INBOX, then the words "NAME" or "NAME:\Use" of the configuration. */
void account_put_defaults(struct account *a, struct str *bytes)
{
	struct pool *pool = pool_new("default mailboxes");
	struct hash *made = hash_new();
	struct minting mint = minting_of(a);
	if (mint.uidvalidity ==
		1) /* like a time of day, as clients are used to; a counter from here on */
		mint.uidvalidity = (uint32_t)clock_wall_s();
	put_create(bytes, &mint, "INBOX", USE_NONE, false);
	const char *at = a->store->conf.default_mailboxes;
	for (size_t n; at += strspn(at, " ,\t\n"), (n = strcspn(at, " ,\t\n")); at += n) {
		struct span word = span_make(at, n);
		size_t colon = span_index(word, 0, ':');
		const char *name = name_clean(pool, pool_strndup(pool, at, colon));
		enum special_use use =
			colon < n ? use_of(span_make(at + colon + 1, n - colon - 1)) : USE_NONE;
		if (!name || strcmp(name, "INBOX") == 0 || tree_find_name(&a->live, name) ||
			hash_set(made, span_of(name), pool))
			continue;
		put_create(bytes, &mint, name, use, false);
		struct op_subscribe op = {.on = true, .name = span_of(name)};
		op_put_subscribe(bytes, &op);
	}
	hash_free(&made);
	pool_free(&pool);
}

/* --- removing --- */

static enum store_status put_removal(struct account *a, const char *name, struct str *bytes)
{
	const struct mailbox *m = tree_find_name(&a->live, name);
	if (!m)
		return STORE_NOT_FOUND;
	bool children = has_children(&a->live, name);
	if (strcmp(name, "INBOX") == 0 || (m->noselect && children))
		return STORE_DENIED;
	op_put_delete(bytes, m->id);
	if (children) {
		struct minting mint = minting_of(a);
		put_create(bytes, &mint, name, USE_NONE, true);
	}
	return STORE_OK;
}

enum store_status mailbox_delete(struct account *a, const char *name)
{
	struct pool *pool = pool_new("mailbox delete");
	struct str bytes = STR_INIT;
	const char *clean = name_clean(pool, name);
	enum store_status status =
		clean ? account_begin(a, clock_mono_ms() + LOCK_MS) : STORE_NOT_FOUND;
	if (status == STORE_OK) {
		account_start_record(&bytes, NULL);
		status = change_finish(a, &bytes, put_removal(a, clean, &bytes));
	}
	pool_free(&pool);
	return status;
}

/* --- renaming --- */

static enum store_status put_renames(
	struct account *a, struct pool *pool, const char *from, const char *to, struct str *bytes)
{
	const struct mailbox *m = tree_find_name(&a->live, from);
	if (!m)
		return STORE_NOT_FOUND;
	if (tree_find_name(&a->live, to))
		return STORE_EXISTS;
	if (name_is_below(to, from))
		return STORE_INVALID;
	struct minting mint = minting_of(a);
	size_t grows = strlen(to) > strlen(from) ? strlen(to) - strlen(from) : 0;
	put_parents(a, pool, to, bytes, &mint);
	mint.octets += grows;
	op_put_rename(bytes, &(struct op_rename){.id = m->id, .name = span_of(to)});
	for (size_t i = 0; i < a->live.boxes.n; i++) {
		const struct mailbox *child = a->live.boxes.v[i];
		if (!name_is_below(child->name, from))
			continue;
		const char *name = pool_printf(pool, "%s%s", to, child->name + strlen(from));
		if (!name_clean(pool, name) || bytes->len > RECORD_MAX / 2)
			return STORE_TOO_MANY;
		if (tree_find_name(&a->live, name))
			return STORE_EXISTS;
		op_put_rename(bytes, &(struct op_rename){.id = child->id, .name = span_of(name)});
		mint.octets += grows;
	}
	return mint_fits(a, &mint) ? STORE_OK : STORE_TOO_MANY;
}

static enum store_status rename_clean(
	struct account *a, struct pool *pool, const char *from, const char *to)
{
	struct str bytes = STR_INIT;
	enum store_status status = account_begin(a, clock_mono_ms() + LOCK_MS);
	if (status != STORE_OK)
		return status;
	account_start_record(&bytes, NULL);
	return change_finish(a, &bytes, put_renames(a, pool, from, to, &bytes));
}

static void all_slots(const struct index *x, struct slots *slots)
{
	for (size_t slot = 0; slot < x->n; slot++)
		if (!index_is_gone(x, slot))
			*array_add(&slots->v) = (uint32_t)slot;
}

static enum store_status put_inbox_move(struct account *a, struct pool *pool, const struct index *x,
	const char *to, struct str *bytes)
{
	struct slots slots = {ARRAY_INIT};
	struct copy_target target = {.uidnext = 1};
	const struct mailbox *inbox = tree_find_name(&a->live, "INBOX");
	if (tree_find_name(&a->live, to))
		return STORE_EXISTS;
	enum store_status status =
		inbox ? put_new_mailbox(a, pool, to, USE_NONE, bytes, &target.mailbox)
		      : STORE_DAMAGED;
	all_slots(x, &slots);
	if (status == STORE_OK && slots.v.n) {
		status = change_put_copy(bytes, x, inbox, &slots, &target);
		change_put_expunge(bytes, x, inbox, &slots);
	}
	array_fini(&slots.v);
	return index_is_bad(x) ? STORE_DAMAGED : status;
}

static enum store_status rename_inbox(struct account *a, struct pool *pool, const char *to)
{
	struct str bytes = STR_INIT;
	struct index *x;
	const struct mailbox *inbox = tree_find_name(&a->shown, "INBOX");
	uint32_t id = inbox ? inbox->id : 0;
	enum store_status status = account_begin_rows(a, id, clock_mono_ms() + LOCK_MS);
	if (status != STORE_OK)
		return status;
	/* Loading may wait, but not under the lock: it is loaded by a view that the caller keeps
	 * open. */
	x = hash_find_u32(a->indexes, id);
	account_start_record(&bytes, NULL);
	return change_finish(a, &bytes, x ? put_inbox_move(a, pool, x, to, &bytes) : STORE_DAMAGED);
}

static enum store_status rename_inbox_with_view(
	struct account *a, struct pool *pool, const char *to)
{
	struct view *view;
	const struct mailbox *inbox = tree_find_name(&a->shown, "INBOX");
	enum store_status status = view_open(a, inbox ? inbox->id : 0, true, &view);
	if (status != STORE_OK)
		return status;
	status = rename_inbox(a, pool, to);
	view_close(&view);
	return status;
}

enum store_status mailbox_rename(struct account *a, const char *from, const char *to)
{
	struct pool *pool = pool_new("mailbox rename");
	const char *clean_from = name_clean(pool, from), *clean_to = name_clean(pool, to);
	enum store_status status = account_refresh(a);
	if (status == STORE_OK && !clean_from)
		status = STORE_NOT_FOUND;
	else if (status == STORE_OK && !clean_to)
		status = STORE_INVALID;
	else if (status == STORE_OK && strcmp(clean_from, "INBOX") == 0)
		status = rename_inbox_with_view(a, pool, clean_to);
	else if (status == STORE_OK)
		status = rename_clean(a, pool, clean_from, clean_to);
	pool_free(&pool);
	return status;
}

/* --- subscriptions --- */

static enum store_status put_subscription(
	struct account *a, const char *name, bool on, struct str *bytes, bool *already_r)
{
	*already_r = on == (hash_find(a->live.subscribed, span_of(name)) != NULL);
	if (on && !*already_r &&
		(hash_count(a->live.subscribed) >= STORE_MAILBOXES_MAX || !names_fit(a, tree_name_cost(strlen(name)))))
		return STORE_TOO_MANY;
	op_put_subscribe(bytes, &(struct op_subscribe){.on = on, .name = span_of(name)});
	return STORE_OK;
}

enum store_status mailbox_subscribe(struct account *a, const char *name, bool on)
{
	struct pool *pool = pool_new("mailbox subscribe");
	struct str bytes = STR_INIT;
	bool already = false;
	const char *clean = name_clean(pool, name);
	enum store_status status =
		clean ? account_begin(a, clock_mono_ms() + LOCK_MS) : STORE_INVALID;
	if (status == STORE_OK) {
		account_start_record(&bytes, NULL);
		status = put_subscription(a, clean, on, &bytes, &already);
		/* What is so already is answered once it is durable, without a record. */
		if (already) {
			uint64_t upto = a->live.at;
			account_end(a);
			str_fini(&bytes);
			status = account_commit(a, upto);
		} else {
			status = change_finish(a, &bytes, status);
		}
	}
	pool_free(&pool);
	return status;
}
