#include "queue/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "os/os.h"
#include "queue/messages.h"
#include "queue/segment.h"

#define REST_OCTETS	   (64u * 1024) /* of a temporary file are written at once */
#define SPACE_CACHE_MS	   1000
#define OPEN_MS		   5000
#define SPACE_FACTOR(size) ((size) + (size) / 2) /* rule 10 */

/* A segment that is being written; closed by the last that leaves once it is retired. */
struct spool {
	struct segment_writer *writer;
	unsigned users;
	bool retired;
};

struct submitter {
	struct submitter_conf conf;
	struct spool *spool;
	struct fiber_mutex change; /* one at a time asks for a new segment */
	uint64_t refusals;	   /* of a new segment */
	enum submit_status refused; /* why the last was */
	uint64_t free_space;
	int64_t free_space_at;
	bool opening;		   /* a fiber opens the line to qmgr */
	struct segment_place last; /* to be announced when it is open; no length: none */
	bool freed;		   /* while that fiber was at it */
};

struct submission {
	struct submitter *s;
	struct str memory;
	int rest_fd; /* what memory_max does not hold; -1 none */
	uint64_t rest_size;
	struct str rest; /* what goes there next */
	bool failed, disk_full;
};

struct submitter *submitter_new(const struct submitter_conf *conf)
{
	struct submitter *s = mem_new(struct submitter);
	s->conf = *conf;
	s->free_space_at = INT64_MIN;
	return s;
}

static void leave(struct spool *spool)
{
	if (--spool->users == 0 && spool->retired) {
		segment_writer_close(&spool->writer);
		mem_free(&spool);
	}
}

static void retire(struct submitter *s)
{
	struct spool *spool = s->spool;
	if (!spool)
		return;
	s->spool = NULL;
	spool->retired = true;
	spool->users++;
	leave(spool);
}

void submitter_free(struct submitter **s)
{
	if (!*s)
		return;
	retire(*s);
	(*s)->freed = true;
	if ((*s)->opening)
		*s = NULL; /* that fiber frees it */
	else
		mem_free(s);
}

static bool is_usable(const struct submitter *s)
{
	return s->spool && !segment_writer_is_dead(s->spool->writer) &&
	       segment_writer_size(s->spool->writer) < s->conf.segment_size;
}

/* qmgr need not be there: it finds the record by itself. */
static int announce_place(struct submitter *s, const struct segment_place *place)
{
	struct queue_announce body = {
		.segment = place->segment, .offset = place->at, .length = place->length};
	return ipc_client_notify(s->conf.qmgr, &queue_announce_msg, &body, NULL, 0);
}

static void open_line(void *arg)
{
	struct submitter *s = arg;
	struct pool *pool = pool_new("announce");
	const char *err;
	if (!s->freed && ipc_client_open(s->conf.qmgr, pool, io_deadline(OPEN_MS), &err) == 0 && !s->freed &&
		s->last.length)
		announce_place(s, &s->last); /* those before it are found on the way there */
	pool_free(&pool);
	s->last.length = 0;
	s->opening = false;
	if (s->freed)
		mem_free(&s);
}

static void start_opening(struct submitter *s)
{
	if (!s->conf.qmgr || s->opening)
		return;
	s->opening = true;
	fiber_start("announce", open_line, s);
}

static void announce(struct submitter *s, const struct segment_place *place)
{
	if (!s->conf.qmgr || announce_place(s, place) == 0)
		return;
	s->last = *place;
	start_opening(s);
}

static enum submit_status fresh_segment(struct submitter *s, const char **err_r)
{
	uint64_t id;
	struct segment_writer *writer;
	int fd = s->conf.source(s->conf.arg, &id, err_r);
	if (fd < 0)
		return fd == SEGMENT_NO_SPACE ? SUBMIT_DISK_FULL : SUBMIT_FAILED;
	if (segment_writer_open(fd, id, &writer, err_r) < 0)
		return SUBMIT_FAILED;
	retire(s);
	s->spool = mem_new(struct spool);
	s->spool->writer = writer;
	start_opening(s); /* the first message is announced before it is acknowledged */
	return SUBMIT_OK;
}

/* Whoever waited for another's turn that brought none shares its answer: else a crowd waits for one refusal each. */
static enum submit_status change_segment(struct submitter *s, const char **err_r)
{
	uint64_t before = s->refusals;
	enum submit_status status = SUBMIT_OK;
	fiber_lock(&s->change, IO_FOREVER);
	if (!is_usable(s) && s->refusals != before) {
		*err_r = "Another was refused a new segment just now.";
		status = s->refused;
	} else if (!is_usable(s)) {
		status = fresh_segment(s, err_r);
		if (status != SUBMIT_OK) {
			log_warning("No spool segment to write to: %s", *err_r);
			s->refusals++;
			s->refused = status;
		}
	}
	fiber_unlock(&s->change);
	return status;
}

/* A segment to append to, entered. */
static enum submit_status enter(struct submitter *s, struct spool **spool_r, const char **err_r)
{
	enum submit_status status = is_usable(s) ? SUBMIT_OK : change_segment(s, err_r);
	if (status != SUBMIT_OK)
		return status;
	s->spool->users++;
	*spool_r = s->spool;
	return SUBMIT_OK;
}

static enum submit_status look_at_space(struct submitter *s)
{
	const char *err;
	struct spool *spool;
	enum submit_status status = enter(s, &spool, &err);
	if (status != SUBMIT_OK)
		return status;
	int rc = os_free_space(segment_writer_fd(spool->writer), &s->free_space);
	if (rc < 0)
		log_warning("The free space of the queue's disk is not known: %m");
	leave(spool);
	if (rc < 0)
		return SUBMIT_FAILED;
	s->free_space_at = clock_mono_ms();
	return SUBMIT_OK;
}

enum submit_status submitter_may_accept(struct submitter *s, uint64_t size)
{
	if (s->free_space_at == INT64_MIN || clock_mono_ms() - s->free_space_at >= SPACE_CACHE_MS) {
		enum submit_status status = look_at_space(s);
		if (status != SUBMIT_OK)
			return status;
	}
	return s->free_space >= s->conf.disk_reserve &&
			       s->free_space - s->conf.disk_reserve >= SPACE_FACTOR(size)
		       ? SUBMIT_OK
		       : SUBMIT_DISK_FULL;
}

/* --- one message --- */

struct submission *submission_new(struct submitter *s)
{
	struct submission *m = mem_new(struct submission);
	m->s = s;
	m->rest_fd = -1;
	return m;
}

static int fail_rest(struct submission *m, bool full, const char *why)
{
	log_warning("A message's temporary file can't be written: %s", why);
	m->disk_full = full;
	m->failed = true;
	return -1;
}

static int open_rest(struct submission *m)
{
	const struct submitter_conf *conf = &m->s->conf;
	const char *err = "There is no memory for it.";
	m->rest_fd = conf->temp ? conf->temp(conf->arg, &err) : memfd_create("message", MFD_CLOEXEC);
	return m->rest_fd < 0 ? fail_rest(m, false, err) : 0;
}

static int do_write(void *arg)
{
	struct submission *m = arg;
	return os_pwrite_all(m->rest_fd, m->rest.s, m->rest.len, m->rest_size);
}

/* On a helper thread: the disk may be slow. Many messages at once must not fill it, either. */
static int flush_rest(struct submission *m)
{
	if (m->failed || !m->rest.len)
		return m->failed ? -1 : 0;
	if (m->s->conf.disk_reserve && submitter_may_accept(m->s, 0) == SUBMIT_DISK_FULL)
		return fail_rest(m, true, "its disk has no more room than is kept free");
	if (m->rest_fd < 0 && open_rest(m) < 0)
		return -1;
	if (io_call(do_write, m) < 0)
		return fail_rest(m, errno == ENOSPC || errno == EDQUOT, strerror(errno));
	m->rest_size += m->rest.len;
	str_reset(&m->rest);
	return 0;
}

static int write_rest(struct submission *m, const char *p, size_t n)
{
	while (n) {
		size_t fits = num_min(n, REST_OCTETS - m->rest.len);
		str_add(&m->rest, p, fits);
		p += fits;
		n -= fits;
		if (m->rest.len == REST_OCTETS && flush_rest(m) < 0)
			return -1;
	}
	return 0;
}

int submission_write(struct submission *m, const void *p, size_t n)
{
	if (m->failed)
		return -1;
	size_t fits = 0;
	if (m->memory.len < m->s->conf.memory_max) {
		fits = num_min(n, m->s->conf.memory_max - m->memory.len);
		str_add(&m->memory, p, fits);
	}
	return n > fits ? write_rest(m, (const char *)p + fits, n - fits) : 0;
}

uint64_t submission_size(const struct submission *m)
{
	return m->memory.len + m->rest_size + m->rest.len;
}

struct span submission_head(const struct submission *m)
{
	return str_span(&m->memory);
}

void submission_abort(struct submission **m)
{
	if (!*m)
		return;
	str_fini(&(*m)->memory);
	str_fini(&(*m)->rest);
	if ((*m)->rest_fd >= 0)
		close((*m)->rest_fd);
	mem_free(m);
}

static enum submit_status append(
	struct submitter *s, const struct segment_message *message, const char **err_r)
{
	struct segment_place place;
	struct spool *spool;
	enum submit_status entered = enter(s, &spool, err_r);
	if (entered != SUBMIT_OK)
		return entered;
	enum segment_status status = segment_append(spool->writer, message, &place);
	if (status == SEGMENT_FAILED) {
		log_error("spool segment %016llx failed and is given up: %m",
			(unsigned long long)segment_writer_id(spool->writer));
		if (s->spool == spool)
			retire(s);
	}
	leave(spool);
	if (status == SEGMENT_OK)
		announce(s, &place);
	if (status != SEGMENT_OK)
		*err_r = status == SEGMENT_DISK_FULL ? "The disk of the queue is full."
						     : "Writing the message to the queue failed.";
	return status == SEGMENT_OK	     ? SUBMIT_OK
	       : status == SEGMENT_DISK_FULL ? SUBMIT_DISK_FULL
					     : SUBMIT_FAILED;
}

enum submit_status submission_commit(
	struct submission **mp, const struct envelope *env, struct span prefix, const char **err_r)
{
	struct submission *m = *mp;
	bool whole = flush_rest(m) == 0;
	enum submit_status status = m->disk_full ? SUBMIT_DISK_FULL : SUBMIT_FAILED;
	*err_r = "The message's temporary file could not be written.";
	if (whole) {
		struct str envelope = STR_INIT;
		envelope_put(&envelope, env);
		struct segment_message message = {.trace = env->trace.s,
			.envelope = str_span(&envelope),
			.prefix = prefix,
			.head = str_span(&m->memory),
			.rest_fd = m->rest_fd,
			.rest_size = m->rest_size};
		status = append(m->s, &message, err_r);
		str_fini(&envelope);
	}
	submission_abort(mp);
	return status;
}
