/* A spool segment whose writer has ended, on a medium that may fail (medium.h), and qmgr on it in processes of their own. */
#ifndef T_QMGR_RUN_H
#define T_QMGR_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "t/qmgr/medium.h"
#include "t/qmgr/queue_manager.h"

#define MESSAGES 3
#define STEP	 "failed.1"

/* A segment of MESSAGES records that its writer has ended. */
struct run {
	char dir[64];
	uint64_t id;
	uint64_t at[MESSAGES];
};

static inline const char *trace_of(unsigned n)
{
	static const char *const traces[MESSAGES] = {"AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB", "CCCCCCCCCCCCCCCC"};
	return traces[n];
}

/* The last one is a report about the first. */
static inline void append(struct segment_writer *w, unsigned n, uint64_t *at_r)
{
	struct recipient to = {.address = "anna@sandbox.test", .orcpt = ""};
	struct attribute attributes[] = {{ATTRIBUTE_PARENT, trace_of(0)}, {ATTRIBUTE_STEP, STEP}};
	struct envelope env = {.sender = "joe@far.test",
		.arrival_us = clock_wall_us(),
		.recipients = &to,
		.nrecipient = 1,
		.attributes = attributes,
		.nattribute = n == MESSAGES - 1 ? 2 : 0};
	struct str envelope = STR_INIT;
	struct segment_place place;
	envelope_put(&envelope, &env);
	struct segment_message m = {
		.trace = trace_of(n), .envelope = str_span(&envelope), .head = SPAN_LIT("Subject: x\r\n\r\nx\r\n"), .rest_fd = -1};
	assert_int_equal(segment_append(w, &m, &place), SEGMENT_OK);
	*at_r = place.at;
	str_fini(&envelope);
}

static inline void make_segment(struct run *r)
{
	struct segment_writer *w;
	const char *err;
	int folder = open_folder(r->dir, SEGMENT_FOLDER);
	int fd = segment_create(folder, 0600, &r->id, &err);
	assert_true(fd >= 0);
	medium->folder = inode_of(folder);
	medium->segment = inode_of(fd);
	assert_int_equal(segment_writer_open(fd, r->id, &w, &err), 0);
	for (unsigned n = 0; n < MESSAGES; n++)
		append(w, n, &r->at[n]);
	segment_writer_close(&w);
	close(folder);
	close(open_folder(r->dir, "db"));
}

static inline void begin(struct run *r)
{
	folder_make(r->dir);
	medium = mmap(NULL, sizeof(*medium), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(medium, MAP_FAILED);
	make_segment(r);
	medium->syncs = 0;
}

static inline void end(struct run *r)
{
	munmap(medium, sizeof(*medium));
	medium = NULL;
	folder_remove(r->dir);
}

/* In a process of its own, which ends as a killed one does. */
static inline void in_process(void (*fn)(const struct run *r), const struct run *r)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		fn(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline struct qmgr *start(const struct run *r)
{
	struct qmgr *q = qmgr_start(r->dir);
	qmgr_run(q);
	WAIT_FOR(message_find(q, r->id, r->at[0]));
	return q;
}

static inline void end_message(struct message *m)
{
	list_remove(&m->link); /* it waits to be routed */
	m->rcpts.v[0].state = RCPT_DONE;
	message_step(m);
}

/* It is delivered. reported: with a report. */
static inline void finish(struct qmgr *q, const struct run *r, unsigned n, bool reported)
{
	WAIT_FOR(message_find(q, r->id, r->at[n]));
	struct message *m = message_find(q, r->id, r->at[n]);
	if (reported)
		ledger_add_child(q->ledger, trace_of(n), STEP);
	m->parent = reported;
	end_message(m);
}

static inline void finish_others(struct qmgr *q, const struct run *r, unsigned but)
{
	for (unsigned n = 0; n < MESSAGES; n++)
		if (n != but)
			finish(q, r, n, false);
}

static inline bool is_durable(const struct run *r, unsigned n)
{
	return medium->durable[place_of(r->at[n])];
}

#endif
