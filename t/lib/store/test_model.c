/*
 * Thousands of random changes through two views, each of a store of its own (so they meet in the
 * files only, as in two processes), compared with a model that is plain arrays; checkpoints made
 * and thrown away at random change nothing.
 */
#include "t/lib/store/fixture.h"

#define BOXES	 3
#define VIEWS	 2
#define ROWS_MAX 20000

struct model_row {
	uint32_t uid, flags;
	uint64_t modseq;
	bool gone;
};

struct model_box {
	uint32_t id, uidnext;
	size_t n;
	struct model_row rows[ROWS_MAX];
};

/* What a client of the view knows. */
struct mirror {
	struct fixture *f;
	struct view *view;
	size_t box;
	size_t n;
	uint32_t uids[ROWS_MAX], flags[ROWS_MAX];
};

struct model {
	struct fixture *f, other; /* the same folder */
	struct model_box boxes[BOXES];
	struct mirror mirrors[VIEWS];
	unsigned short seed[3];
};

static uint32_t draw(struct model *m, uint32_t below)
{
	return (uint32_t)(nrand48(m->seed) % below);
}

static struct model_row *find_row(struct model_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->rows[i].uid == uid)
			return &b->rows[i];
	fail();
	return NULL;
}

static void model_add(struct model_box *b, uint32_t uid, uint32_t flags, uint64_t modseq)
{
	assert_true(b->n < ROWS_MAX);
	assert_true(uid >= b->uidnext);
	b->rows[b->n++] = (struct model_row){.uid = uid, .flags = flags, .modseq = modseq};
	b->uidnext = uid + 1;
}

static void do_append(struct model *m)
{
	struct model_box *b = &m->boxes[draw(m, BOXES)];
	uint32_t n = 1 + draw(m, 4), flags = draw(m, 32);
	struct fixture *f = draw(m, 2) ? m->f : &m->other;
	uint32_t first = fixture_fill(f, b->id, n, flags);
	uint64_t modseq = account_modseq(f->account);
	assert_int_equal(first, b->uidnext);
	for (uint32_t i = 0; i < n; i++)
		model_add(b, first + i, flags, modseq);
}

/* A random ascending choice of what the client of the view sees. */
static size_t choose(struct model *m, const struct mirror *v, uint32_t *uids)
{
	size_t n = 0;
	uint32_t density = 1 + draw(m, 30);
	for (size_t i = 0; i < v->n; i++)
		if (draw(m, density) == 0)
			uids[n++] = v->uids[i];
	return n;
}

static void do_store(struct model *m)
{
	static uint32_t uids[ROWS_MAX];
	struct mirror *v = &m->mirrors[draw(m, VIEWS)];
	struct model_box *b = &m->boxes[v->box];
	size_t n = choose(m, v, uids);
	uint32_t flags = draw(m, 32);
	enum flag_op op = draw(m, 3);
	assert_ok(fixture_store(v->f, v->view, op, flags, uids, n));
	uint64_t modseq = account_modseq(v->f->account);
	for (size_t i = 0; i < n; i++) {
		struct model_row *r = find_row(b, uids[i]);
		uint32_t now = op == FLAGS_SET	 ? flags
			       : op == FLAGS_ADD ? r->flags | flags
						 : r->flags & ~flags;
		if (r->gone || now == r->flags)
			continue;
		r->flags = now;
		r->modseq = modseq;
		for (size_t k = 0; k < v->n; k++) /* the client knows what it did itself */
			if (v->uids[k] == uids[i])
				v->flags[k] = now;
	}
}

static void do_expunge(struct model *m)
{
	static uint32_t uids[ROWS_MAX];
	struct mirror *v = &m->mirrors[draw(m, VIEWS)];
	struct model_box *b = &m->boxes[v->box];
	size_t n = choose(m, v, uids);
	bool only_deleted = draw(m, 4) > 0;
	assert_ok(view_expunge(v->view, uids, n, only_deleted));
	for (size_t i = 0; i < n; i++) {
		struct model_row *r = find_row(b, uids[i]);
		if (!only_deleted || r->flags & MSG_DELETED)
			r->gone = true;
	}
}

static void do_copy(struct model *m)
{
	static uint32_t uids[ROWS_MAX];
	struct mirror *v = &m->mirrors[draw(m, VIEWS)];
	struct model_box *from = &m->boxes[v->box], *to = &m->boxes[draw(m, BOXES)];
	size_t n = choose(m, v, uids), npairs, at = 0;
	bool move = draw(m, 2);
	struct uid_pair *pairs;
	uint32_t uidvalidity;
	if (n > 20)
		n = 20;
	assert_ok(view_copy(
		v->view, uids, n, to->id, move, m->f->pool, &pairs, &npairs, &uidvalidity));
	uint64_t modseq = account_modseq(v->f->account);
	for (size_t i = 0; i < n; i++) {
		struct model_row *r = find_row(from, uids[i]);
		if (r->gone)
			continue;
		assert_int_equal(pairs[at].from, uids[i]);
		assert_int_equal(pairs[at].to, to->uidnext);
		model_add(to, to->uidnext, r->flags, modseq);
		r = find_row(from, uids[i]);
		r->gone = move;
		at++;
	}
	assert_int_equal(at, npairs);
}

static void check_view(struct model *m, struct mirror *v)
{
	struct model_box *b = &m->boxes[v->box];
	size_t at = 0;
	uint32_t unseen = 0, first_unseen = 0;
	assert_int_equal(view_count(v->view), v->n);
	for (size_t i = 0; i < b->n; i++) {
		const struct model_row *r = &b->rows[i];
		if (r->gone)
			continue;
		assert_true(at < v->n);
		const struct msg_row *row = view_row(v->view, (uint32_t)at + 1);
		assert_int_equal(row->uid, r->uid);
		assert_int_equal(row->flags, r->flags);
		assert_int_equal(row->modseq, r->modseq);
		assert_int_equal(v->uids[at], r->uid);
		assert_int_equal(v->flags[at], r->flags);
		assert_int_equal(view_seq_of(v->view, r->uid), at + 1);
		at++;
		unseen += !(r->flags & MSG_SEEN);
		if (!first_unseen && !(r->flags & MSG_SEEN))
			first_unseen = (uint32_t)at;
	}
	assert_int_equal(at, v->n);
	struct mailbox_info info;
	view_info(v->view, &info);
	assert_int_equal(info.messages, at);
	assert_int_equal(info.unseen, unseen);
	assert_int_equal(info.uidnext, b->uidnext);
	assert_int_equal(view_first_unseen(v->view), first_unseen);
}

static void do_sync(struct model *m)
{
	struct mirror *v = &m->mirrors[draw(m, VIEWS)];
	struct view_changes c;
	bool expunge = draw(m, 3) > 0;
	assert_ok(view_sync(v->view, expunge, m->f->pool, &c));
	assert_true(expunge || c.nexpunged == 0);
	for (size_t i = 0; i < c.nexpunged; i++) {
		uint32_t seq = c.expunged[i];
		assert_in_range(seq, 1, v->n);
		assert_int_equal(v->uids[seq - 1], c.expunged_uids[i]);
		memmove(v->uids + seq - 1, v->uids + seq, (v->n - seq) * sizeof(*v->uids));
		memmove(v->flags + seq - 1, v->flags + seq, (v->n - seq) * sizeof(*v->flags));
		v->n--;
	}
	for (size_t i = 0; i < c.nchanged; i++) {
		assert_in_range(c.changed[i], i ? c.changed[i - 1] + 1 : 1, v->n);
		v->flags[c.changed[i] - 1] = view_row(v->view, c.changed[i])->flags;
	}
	assert_int_equal(c.exists, view_count(v->view) > v->n);
	for (uint32_t seq = (uint32_t)v->n + 1; seq <= view_count(v->view); seq++, v->n++) {
		v->uids[seq - 1] = view_row(v->view, seq)->uid;
		v->flags[seq - 1] = view_row(v->view, seq)->flags;
	}
	if (expunge)
		check_view(m, v);
}

static void open_mirror(struct model *m, struct mirror *v)
{
	v->box = draw(m, BOXES);
	v->view = fixture_view(v->f, m->boxes[v->box].id, false);
	v->n = view_count(v->view);
	for (uint32_t seq = 1; seq <= v->n; seq++) {
		v->uids[seq - 1] = view_row(v->view, seq)->uid;
		v->flags[seq - 1] = view_row(v->view, seq)->flags;
	}
	check_view(m, v);
}

static void do_reselect(struct model *m)
{
	struct mirror *v = &m->mirrors[draw(m, VIEWS)];
	view_close(&v->view);
	open_mirror(m, v);
}

static void throw_away(struct model *m)
{
	char name[32];
	if (draw(m, 2))
		unlink(fixture_path(m->f, "tree"));
	for (size_t i = 0; i < BOXES; i++) {
		snprintf(name, sizeof(name), "index/%x", m->boxes[i].id);
		if (draw(m, 2))
			unlink(fixture_path(m->f, name));
	}
	if (draw(m, 4) == 0)
		unlink(fixture_path(m->f, "head"));
}

static void say(void *arg, const char *sentence)
{
	(void)arg;
	print_message("%s\n", sentence);
}

static void do_reopen(struct model *m)
{
	for (size_t i = 0; i < VIEWS; i++)
		view_close(&m->mirrors[i].view);
	fixture_close(m->f);
	fixture_close(&m->other);
	throw_away(m);
	fixture_open(m->f);
	fixture_open(&m->other);
	for (size_t i = 0; i < VIEWS; i++)
		open_mirror(m, &m->mirrors[i]);
}

static void do_checkpoint(struct model *m)
{
	struct check_report report;
	assert_ok(account_check(m->f->store, "a1", draw(m, 2), say, NULL, &report));
	assert_int_equal(report.checkpoints_bad, 0);
	assert_int_equal(report.blobs_bad, 0);
	assert_int_equal(report.log_damaged, 0);
}

static void check_counts(struct model *m)
{
	struct mailbox_info *v;
	size_t n;
	uint64_t bytes, messages, sum = 0;
	assert_ok(mailbox_list(m->f->account, m->f->pool, true, &v, &n));
	for (size_t i = 0; i < n; i++)
		sum += v[i].messages;
	account_usage(m->f->account, &bytes, &messages);
	assert_int_equal(messages, sum);
	for (size_t b = 0; b < BOXES; b++) {
		uint32_t there = 0, deleted = 0;
		for (size_t i = 0; i < m->boxes[b].n; i++) {
			there += !m->boxes[b].rows[i].gone;
			deleted += !m->boxes[b].rows[i].gone &&
				   m->boxes[b].rows[i].flags & MSG_DELETED;
		}
		for (size_t i = 0; i < n; i++)
			if (v[i].id == m->boxes[b].id) {
				assert_int_equal(v[i].messages, there);
				assert_int_equal(v[i].deleted, deleted);
			}
	}
}

struct step {
	void (*run)(struct model *m);
	uint32_t weight;
};

static const struct step steps[] = {
	{do_append, 30},
	{do_store, 25},
	{do_expunge, 12},
	{do_copy, 8},
	{do_sync, 40},
	{do_reselect, 4},
	{do_reopen, 1},
	{do_checkpoint, 1},
};

static void run_steps(struct model *m, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t at = draw(m, 121);
		const struct step *s = steps;
		while (at >= s->weight)
			at -= s++->weight;
		s->run(m);
		if (i % 50 == 0)
			check_counts(m);
		if (i % 200 == 0) {
			pool_reset(m->f->pool);
			pool_reset(m->other.pool);
		}
	}
}

static void agrees_with_the_model(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	m->f = *state;
	const char *seed = getenv("SEED");
	m->seed[0] = (unsigned short)(seed ? atoi(seed) : 4711);
	static const char *const names[BOXES] = {"INBOX", "Archive", "Trash"};
	for (size_t i = 0; i < BOXES; i++) {
		m->boxes[i].id = fixture_mailbox(m->f, names[i]);
		m->boxes[i].uidnext = 1;
	}
	m->other = *m->f;
	m->other.pool = pool_new("other");
	fixture_open(&m->other);
	for (size_t i = 0; i < VIEWS; i++) {
		m->mirrors[i].f = i ? &m->other : m->f;
		open_mirror(m, &m->mirrors[i]);
	}
	run_steps(m, getenv("STEPS") ? (unsigned)atoi(getenv("STEPS")) : 1500);
	do_checkpoint(m);
	for (size_t i = 0; i < VIEWS; i++)
		view_close(&m->mirrors[i].view);
	fixture_close(&m->other);
	pool_free(&m->other.pool);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(agrees_with_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
