/*
 * Loading a configuration: read and checked whole, sockets bound, only then carried out; what fails
 * before that changes nothing. New workers start beside the old ones, which go when the first new one
 * is ready and end when their connections have.
 */
#include <stdio.h>

#include "base/log.h"
#include "master/master.h"
#include "os/os.h"
#include "service/shared.h"

static bool is_same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* What a KIND_SINGLE process can't change while it lives. */
static bool needs_restart(const struct planned *a, const struct planned *b)
{
	return !is_same_text(a->conf.program, b->conf.program) ||
		!is_same_text(a->conf.listen, b->conf.listen) ||
		!is_same_text(a->conf.chroot, b->conf.chroot) || a->uid != b->uid ||
		a->conf.connections != b->conf.connections || a->conf.tls_wrap != b->conf.tls_wrap;
}

static void all_children(struct supplied *s, enum child_event ev)
{
	list_each(l, &s->children)
	{
		child_event(list_entry(l, struct child, link), ev);
	}
}

static void set_target(struct supplied *s)
{
	const struct service_conf *conf = &s->planned->conf;

	if (s->target < conf->min_workers)
		s->target = (unsigned)conf->min_workers;
	if (s->target > conf->max_workers)
		s->target = (unsigned)conf->max_workers;
}

/* The new settings of a service, and what they mean for its processes. Many: supply starts the new
 * generation, and its first ready one retires the old. */
static void renew(struct supplied *s, const struct planned *p, bool fresh_binary)
{
	const struct planned *old = s->planned;
	bool restart = fresh_binary || (old && needs_restart(old, p));

	s->planned = p;
	s->generation = s->master->generation;
	s->retry_at = 0;
	s->failures = 0;
	mem_free(&s->program);
	s->program = mem_strdup(p->conf.program);
	set_target(s);
	if (s->kind != KIND_MANY)
		all_children(s, restart ? EV_STOP : EV_RELOAD);
}

static void drop(struct supplied *s)
{
	s->planned = NULL;
	s->target = 0;
	all_children(s, s->kind == KIND_SINGLE ? EV_STOP : EV_RETIRE);
	supply_forget_if_done(&s);
}

static const struct planned *find_planned(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n; i++)
		if (strcmp(plan->services[i].name, name) == 0)
			return &plan->services[i];
	return NULL;
}

void master_carry_out(struct master *m, struct plan *plan, bool fresh_binary)
{
	struct plan *old = m->plan;

	m->plan = plan;
	m->generation++;
	demand_forget_all(m);
	for (size_t i = 0; i < plan->n; i++) {
		const struct planned *p = &plan->services[i];
		struct supplied *s = supply_find(m, p->name);
		renew(s ? s : supply_new(m, p->name), p, fresh_binary);
	}
	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		if (!find_planned(plan, s->name))
			drop(s);
	}
	sockets_commit(m);
	segment_source_close(&m->segments); /* queue_dir may be another */
	plan_free(&old);
	supply_all(m);
}

static int prepare(struct master *m, struct plan *plan, const char **err_r)
{
	/* Kept past the plan whose pool it may be in. */
	static _Thread_local char kept[1024];

	if (strcmp(plan->config->common.run_dir, m->plan->config->common.run_dir) != 0)
		*err_r = "run_dir can't change while the server runs.";
	else if (layout_create(plan->config, err_r) == 0 && sockets_prepare(m, plan, err_r) == 0)
		return 0;
	sockets_cancel(m);
	snprintf(kept, sizeof(kept), "%s", *err_r);
	*err_r = kept;
	return -1;
}

void master_reopen_log(struct master *m)
{
	const char *err;

	if (log_reopen(m->plan->config->common.log, &err) < 0)
		log_error("%s", err);
	else
		children_move_log(m);
}

int master_reload(struct master *m, const char **err_r)
{
	struct plan *plan;

	if (m->stopping) {
		*err_r = "The server is stopping.";
		return -1;
	}
	os_sd_notify("RELOADING=1");
	if (plan_read(m->config_dir, &plan, err_r) < 0)
		goto bad;
	if (prepare(m, plan, err_r) < 0) {
		plan_free(&plan);
		goto bad;
	}
	master_carry_out(m, plan, false);
	master_reopen_log(m);
	log_info("reload generation=%u", m->generation);
	os_sd_notify("READY=1");
	return 0;
bad:
	log_error("The configuration stays as it was: %s", *err_r);
	os_sd_notify("READY=1");
	return -1;
}
