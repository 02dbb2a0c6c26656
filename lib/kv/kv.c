#include "kv/kv.h"

#include <stdio.h>

#include "base/list.h"
#include "base/log.h"
#include "base/wire.h"
#include "io/io.h"
#include "kv/db.h"

struct kv {
	struct env env;		   /* touched only on `thread` */
	struct io_threads *thread; /* just one */
	struct list pending;	   /* batches that wait for the next transaction */
	bool committing;
	struct fiber_cond committed;
	bool failed;	/* for good: the environment answered an error */
	bool unflushed; /* something was committed since the last flush and look for a checkpoint */
	bool closing;
	struct fiber_cond wake; /* the flusher's */
	struct fiber_group flusher;
};

struct kv_batch {
	struct list link;
	struct kv *kv;
	struct str ops;
	size_t n;
	bool durable, done;
	int result;
};

/* A call on the thread, with its arguments. */
struct call {
	struct kv *kv;
	const struct kv_conf *conf;
	unsigned table;
	struct span key;
	const struct kv_range *range;
	struct list *batches;
	bool durable, force;
	struct str out;
	size_t n;
};

static int run(struct kv *kv, io_call_fn fn, struct call *call)
{
	if (kv->failed)
		return -1;
	call->kv = kv;
	int rc = io_call_on(kv->thread, fn, call);
	if (rc < 0 && !kv->failed) {
		kv->failed = true;
		log_error("kv: the database failed reason=%s", log_q(kv->env.error));
	}
	return rc;
}

/* --- opening and closing --- */

static int do_open(void *arg)
{
	struct call *c = arg;
	return env_open(&c->kv->env, c->conf);
}

static int do_close(void *arg)
{
	struct call *c = arg;
	if (!c->kv->failed && c->force) {
		env_flush(&c->kv->env);
		env_checkpoint(&c->kv->env, true);
	}
	env_close(&c->kv->env);
	return 0;
}

static int do_flush(void *arg)
{
	struct call *c = arg;
	if (env_flush(&c->kv->env) < 0)
		return -1;
	return c->force ? env_checkpoint(&c->kv->env, false) : 0;
}

int kv_flush(struct kv *kv)
{
	struct call call = {0};
	return run(kv, do_flush, &call);
}

/* Makes what was committed durable within KV_FLUSH_MS, and the log short. */
static void flusher(void *arg)
{
	struct kv *kv = arg;
	while (!kv->closing) {
		if (!kv->unflushed) {
			fiber_wait(&kv->wake, IO_FOREVER);
			continue;
		}
		fiber_wait(&kv->wake, io_deadline(KV_FLUSH_MS));
		kv->unflushed = false;
		struct call call = {.force = true};
		run(kv, do_flush, &call);
	}
	fiber_group_leave(&kv->flusher);
}

int kv_open(const struct kv_conf *conf, struct kv **kv_r, const char **err_r)
{
	/* err_r outlives the handle that failed; one text per thread is enough for a sentence that
	 * is printed at once. */
	static _Thread_local char error[sizeof(((struct env *)0)->error)];
	struct kv *kv = mem_new(struct kv);
	list_init(&kv->pending);
	kv->thread = io_threads_new("kv", 1);
	struct call call = {.kv = kv, .conf = conf};
	int rc = io_call_on(kv->thread, do_open, &call);
	if (rc != 0) {
		snprintf(error, sizeof(error), "%s", kv->env.error);
		*err_r = error;
		io_call_on(kv->thread, do_close, &call);
		io_threads_free(&kv->thread);
		mem_free(&kv);
		return rc;
	}
	fiber_group_enter(&kv->flusher);
	fiber_start("kv_flush", flusher, kv);
	*kv_r = kv;
	return 0;
}

void kv_close(struct kv **kvp)
{
	struct kv *kv = *kvp;
	if (!kv)
		return;
	kv->closing = true;
	fiber_wake_all(&kv->wake);
	fiber_group_wait(&kv->flusher, IO_FOREVER);
	struct call call = {.kv = kv, .force = true};
	io_call_on(kv->thread, do_close, &call);
	io_threads_free(&kv->thread);
	mem_free(kvp);
}

bool kv_is_damaged(const struct kv *kv)
{
	return kv->failed && kv->env.damaged;
}

/* --- reading --- */

static int do_get(void *arg)
{
	struct call *c = arg;
	return env_get(&c->kv->env, c->table, c->key, &c->out);
}

int kv_get(struct kv *kv, unsigned table, struct span key, struct pool *pool, struct span *value_r)
{
	struct call call = {.table = table, .key = key};
	int rc = run(kv, do_get, &call);
	if (rc == 1)
		*value_r = pool_copy(pool, str_span(&call.out));
	str_fini(&call.out);
	return rc;
}

static int do_scan(void *arg)
{
	struct call *c = arg;
	return env_scan(&c->kv->env, c->range, &c->out, &c->n);
}

int kv_scan(struct kv *kv, const struct kv_range *range, struct pool *pool, struct kv_row **rows_r,
	size_t *n_r)
{
	struct call call = {.range = range};
	int rc = run(kv, do_scan, &call);
	*n_r = 0;
	if (rc == 0) {
		struct reader r = reader_of(pool_copy(pool, str_span(&call.out)));
		*rows_r = pool_array(pool, call.n, sizeof(**rows_r));
		for (; *n_r < call.n; ++*n_r) {
			(*rows_r)[*n_r].key = get_blob(&r);
			(*rows_r)[*n_r].value = get_blob(&r);
		}
	}
	str_fini(&call.out);
	return rc;
}

/* --- changing --- */

struct kv_batch *kv_batch_new(struct kv *kv)
{
	struct kv_batch *b = mem_new(struct kv_batch);
	list_init(&b->link);
	b->kv = kv;
	return b;
}

static void add_op(struct kv_batch *b, unsigned op, unsigned table, struct span key)
{
	if (key.n > KV_KEY_MAX || key.n == 0)
		log_panic("kv: a key of %zu octets", key.n);
	put_u8(&b->ops, (uint8_t)op);
	put_u8(&b->ops, (uint8_t)table);
	put_blob(&b->ops, key);
	b->n++;
}

void kv_batch_put(struct kv_batch *b, unsigned table, struct span key, struct span value)
{
	if (value.n > KV_VALUE_MAX)
		log_panic("kv: a value of %zu octets", value.n);
	add_op(b, OP_PUT, table, key);
	put_blob(&b->ops, value);
}

void kv_batch_delete(struct kv_batch *b, unsigned table, struct span key)
{
	add_op(b, OP_DELETE, table, key);
}

size_t kv_batch_count(const struct kv_batch *b)
{
	return b->n;
}

void kv_batch_abort(struct kv_batch **b)
{
	if (*b)
		str_fini(&(*b)->ops);
	mem_free(b);
}

static int do_commit(void *arg)
{
	struct call *c = arg;
	struct env *e = &c->kv->env;
	struct env_txn txn;
	if (env_begin(e, &txn) < 0)
		return -1;
	list_each (l, c->batches)
		if (env_apply(e, &txn, str_span(&list_entry(l, struct kv_batch, link)->ops)) < 0)
			return -1;
	if (env_commit(e, &txn) < 0)
		return -1;
	return c->durable ? env_flush(e) : 0;
}

/* Everything that waits goes into one transaction, run by the fiber that found nobody at it. */
static void commit_pending(struct kv *kv)
{
	struct list batches;
	struct call call = {.batches = &batches};
	list_init(&batches);
	while (!list_is_empty(&kv->pending)) {
		struct list *l = kv->pending.next;
		call.durable |= list_entry(l, struct kv_batch, link)->durable;
		list_remove(l);
		list_add_tail(&batches, l);
	}
	kv->committing = true;
	int rc = run(kv, do_commit, &call);
	kv->committing = false;
	list_each (l, &batches) {
		struct kv_batch *b = list_entry(l, struct kv_batch, link);
		list_remove(l);
		b->result = rc;
		b->done = true;
	}
	if (!kv->unflushed) {
		kv->unflushed = true;
		fiber_wake_all(&kv->wake);
	}
	fiber_wake_all(&kv->committed);
}

int kv_batch_commit(struct kv_batch **bp, bool durable)
{
	struct kv_batch *b = *bp;
	struct kv *kv = b->kv;
	b->durable = durable;
	list_add_tail(&kv->pending, &b->link);
	while (!b->done) {
		if (kv->committing)
			fiber_wait(&kv->committed, IO_FOREVER);
		else
			commit_pending(kv);
	}
	int rc = b->result;
	kv_batch_abort(bp);
	return rc;
}
