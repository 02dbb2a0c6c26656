/* Helper threads for what blocks, and reads that use them only when the page cache misses. */
#include <errno.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pool.h"
#include "io/sched.h"

#define THREAD_STACK_BYTES (1024 * 1024)
#define THREAD_NAME_MAX	   15 /* the kernel's limit */

struct io_threads {
	pthread_mutex_t lock;
	pthread_cond_t work, gone;
	struct list queue;
	unsigned n, max, idle, queued;
	bool stop;
	char name[THREAD_NAME_MAX + 1];
};

struct io_threads *io_threads_new(const char *name, unsigned max)
{
	struct io_threads *t = mem_new(struct io_threads);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->gone, NULL);
	list_init(&t->queue);
	t->max = max ? max : 1;
	memcpy(t->name, name, strnlen(name, THREAD_NAME_MAX));
	return t;
}

void io_threads_free(struct io_threads **threads)
{
	struct io_threads *t = *threads;
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	while (t->n)
		pthread_cond_wait(&t->gone, &t->lock);
	pthread_mutex_unlock(&t->lock);
	pthread_cond_destroy(&t->gone);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	mem_free(threads);
}

/* The next job, waiting for one; NULL when the pool ends. Called with the lock. */
static struct io_job *take(struct io_threads *t)
{
	while (list_is_empty(&t->queue)) {
		if (t->stop)
			return NULL;
		t->idle++;
		pthread_cond_wait(&t->work, &t->lock);
		t->idle--;
	}
	struct io_job *job = list_entry(t->queue.next, struct io_job, link);
	list_remove(&job->link);
	t->queued--;
	return job;
}

static void *thread_main(void *arg)
{
	struct io_threads *t = arg;
	pthread_setname_np(pthread_self(), t->name);
	pthread_mutex_lock(&t->lock);
	for (struct io_job *job; (job = take(t));) {
		pthread_mutex_unlock(&t->lock);
		errno = 0;
		job->rc = job->fn(job->arg);
		job->error = errno;
		loop_post_node(job->loop, &job->post); /* the job may be gone from here on */
		pthread_mutex_lock(&t->lock);
	}
	t->n--;
	pthread_cond_signal(&t->gone);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Signals stay with the thread that runs the loop. Called with the lock. */
static void start_thread(struct io_threads *t)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t id;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&id, &attr, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		t->n++;
	else if (t->n == 0)
		log_fatal("No helper thread can be started: error %d.", rc);
}

void io_job_submit(struct io_threads *t, struct io_job *job, loop_fn done, void *arg)
{
	job->loop = loop_get();
	job->post = (struct post){.fn = done, .arg = arg};
	pthread_mutex_lock(&t->lock);
	list_add_tail(&t->queue, &job->link);
	t->queued++;
	if (t->queued > t->idle && t->n < t->max)
		start_thread(t);
	pthread_mutex_unlock(&t->lock);
	pthread_cond_signal(&t->work);
}

struct io_threads *io_threads_default(struct loop *loop)
{
	if (!loop->threads)
		loop->threads = io_threads_new("io", IO_THREADS_MAX);
	return loop->threads;
}

struct call {
	struct io_job job;
	struct fiber *caller;
	bool done;
};

static void call_done(void *arg)
{
	struct call *c = arg;
	c->done = true;
	sched_wake(c->caller);
}

int io_call_on(struct io_threads *t, io_call_fn fn, void *arg)
{
	struct loop *loop = loop_get();
	loop_may_block(loop); /* panics where waiting is not allowed */
	struct call c = {.job = {.fn = fn, .arg = arg}, .caller = sched_current(loop)};
	io_job_submit(t, &c.job, call_done, &c);
	while (!c.done)
		sched_park(loop, IO_FOREVER);
	errno = c.job.error;
	return c.job.rc;
}

int io_call(io_call_fn fn, void *arg)
{
	struct loop *loop = loop_peek();
	if (loop_may_block(loop))
		return fn(arg);
	return io_call_on(io_threads_default(loop), fn, arg);
}

/* --- reads of files --- */

struct cold_read {
	int fd;
	char *p;
	size_t n;
	uint64_t at;
	ssize_t got;
};

static int read_cold(void *arg)
{
	struct cold_read *r = arg;
	do
		r->got = pread(r->fd, r->p, r->n, (off_t)r->at);
	while (r->got < 0 && errno == EINTR);
	return 0;
}

/* Whatever the page cache has, else through a thread. */
static ssize_t read_part(int fd, void *p, size_t n, uint64_t at)
{
	struct iovec iov = {.iov_base = p, .iov_len = n};
	ssize_t got;
	do
		got = preadv2(fd, &iov, 1, (off_t)at, RWF_NOWAIT);
	while (got < 0 && errno == EINTR);
	if (got >= 0 || (errno != EAGAIN && errno != EOPNOTSUPP))
		return got;
	struct cold_read cold = {.fd = fd, .p = p, .n = n, .at = at};
	io_call(read_cold, &cold);
	return cold.got;
}

ssize_t io_pread(int fd, void *p, size_t n, uint64_t at)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = read_part(fd, (char *)p + done, n - done, at + done);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}
