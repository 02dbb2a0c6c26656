/*
 * The smtp agent without qmgr: each line of standard input is a job, its recipients' outcomes are
 *lines of standard output, ended by "done" or "done host_down". Fields are separated by tabs:
 *
 *	job DESTINATION SENDER FLAGS FILE RECIPIENT...	FLAGS: utf8 8bit envid=X ret=full,... or -
 *	sleep MILLISECONDS
 *
 * A recipient is address, address|NOTIFY or address|NOTIFY|ORCPT. Parameters: name=value of the
 *agent's configuration, and hostname=, dns=, ca=.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "base/num.h"
#include "io/loop.h"
#include "qmgr/smtp/smtp.h"

struct tool {
	struct pool *pool;
	struct smtp_conf conf;
	const char *hostname, *dns, *ca;
	struct smtp_agent *agent;
};

static void set(struct tool *t, const char *arg)
{
	struct span value = span_of(arg), name;
	const char *err = "needs name=value";
	span_split(&value, '=', &name);
	const char *text = value.p ? pool_span(t->pool, value) : "";
	const struct conf_row *row = conf_find_row(smtp_conf_rows, pool_span(t->pool, name));
	if (span_is(name, "hostname"))
		t->hostname = text;
	else if (span_is(name, "dns"))
		t->dns = text;
	else if (span_is(name, "ca"))
		t->ca = text;
	else if (!row || conf_set(t->pool, row, "/", text, &t->conf, &err) < 0)
		log_fatal("%s: %s", arg, err);
}

static void set_flag(struct envelope *e, struct pool *pool, struct span flag)
{
	if (span_is(flag, "utf8"))
		e->smtputf8 = true;
	else if (span_is(flag, "8bit"))
		e->body = BODY_8BITMIME;
	else if (span_is(flag, "ret=full"))
		e->ret = DSN_RET_FULL;
	else if (span_is(flag, "ret=hdrs"))
		e->ret = DSN_RET_HDRS;
	else if (span_has_prefix(flag, SPAN_LIT("envid=")))
		e->envid = pool_strndup(pool, flag.p + 6, flag.n - 6);
}

static void set_recipient(struct agent_recipient *r, struct pool *pool, struct span text)
{
	struct recipient *e = pool_new_of(pool, struct recipient);
	struct span part;
	span_split(&text, '|', &part);
	r->address = e->address = pool_span(pool, part);
	e->orcpt = "";
	if (span_split(&text, '|', &part) && part.n)
		notify_parse(part, &e->notify);
	if (span_split(&text, '|', &part))
		e->orcpt = pool_span(pool, part);
	r->account = "";
	r->envelope = e;
	r->outcome = outcome_make(FATE_DEFERRED, "4.3.0", "nobody said");
}

static void open_file(struct agent_job *job, const char *path)
{
	struct stat st;
	job->fd = open(path, O_RDONLY);
	if (job->fd < 0 || fstat(job->fd, &st) < 0)
		log_fatal("%s can't be read.", path);
	job->size = (uint64_t)st.st_size;
}

static void print(const struct agent_job *job)
{
	for (size_t i = 0; i < job->n; i++) {
		const struct outcome *o = &job->recipients[i].outcome;
		if (!outcome_is_valid(o))
			log_fatal("invalid outcome %s", o->status);
		printf("%s\t%s\t%s\t%s\n", fate_name(o->fate), o->status,
			o->remote_mta ? o->remote_mta : "", o->text);
	}
	printf("done%s\n", job->host_down ? " host_down" : "");
	fflush(stdout);
}

static void run_job(struct tool *t, struct span rest)
{
	struct pool *pool = pool_new("job");
	struct span field, flags, flag;
	struct envelope e = {.trace = trace_id_make(1), .sender = "", .envid = ""};
	struct agent_job job = {.pool = pool, .envelope = &e, .attempt = 1};
	ARRAY(struct agent_recipient) rcpts = ARRAY_IN(pool);
	span_split(&rest, '\t', &field);
	job.destination = pool_span(pool, field);
	span_split(&rest, '\t', &field);
	e.sender = pool_span(pool, field);
	span_split(&rest, '\t', &flags);
	while (span_split(&flags, ',', &flag))
		set_flag(&e, pool, flag);
	span_split(&rest, '\t', &field);
	open_file(&job, pool_span(pool, field));
	while (span_split(&rest, '\t', &field))
		set_recipient(array_add(&rcpts), pool, field);
	job.recipients = rcpts.v;
	job.n = rcpts.n;
	smtp_deliver(t->agent, &job);
	print(&job);
	close(job.fd);
	pool_free(&pool);
}

static void run(void *arg)
{
	struct tool *t = arg;
	char *line = NULL;
	size_t cap = 0;
	for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
		struct span rest = span_trim(span_make(line, (size_t)n)), verb;
		uint64_t ms;
		span_split(&rest, '\t', &verb);
		if (span_is(verb, "sleep") && num_parse_u64(rest, 60000, &ms))
			io_sleep((int64_t)ms);
		else
			run_job(t, rest);
	}
	free(line);
	smtp_agent_free(&t->agent);
	io_sleep(50); /* partings under way */
	loop_stop();
}

int main(int argc, char **argv)
{
	struct tool t = {.pool = pool_new("tool"), .hostname = "client.test", .dns = "", .ca = ""};
	const char *err;
	if (conf_defaults(t.pool, smtp_conf_rows, "/", &t.conf, &err) < 0)
		log_fatal("%s", err);
	for (int i = 1; i < argc; i++)
		set(&t, argv[i]);
	if (smtp_agent_new(t.pool, &t.conf, t.hostname, t.dns, t.ca, &t.agent, &err) < 0)
		log_fatal("%s", err);
	fiber_start("jobs", run, &t);
	loop_run();
	pool_free(&t.pool);
	return 0;
}
