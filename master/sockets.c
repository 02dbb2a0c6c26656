/* Listening sockets. Kept by their address: a reload binds what is new and closes what is gone, the rest never
 * stops listening. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/net.h"
#include "master/master.h"
#include "service/shared.h"

#define UNIX_PREFIX "unix:"

static const char *unix_path(const struct listening *l)
{
	size_t n = strlen(UNIX_PREFIX);

	return strncmp(l->address, UNIX_PREFIX, n) == 0 ? l->address + n : NULL;
}

static void forget(struct listening *l, bool remove_file)
{
	const char *path = unix_path(l);

	if (path && remove_file)
		unlink(path);
	list_remove(&l->link);
	loop_watch_remove(&l->watch);
	close(l->fd);
	mem_free(&l->address);
	mem_free(&l);
}

static struct listening *find(struct master *m, const char *address)
{
	list_each(e, &m->listening)
	{
		struct listening *l = list_entry(e, struct listening, link);
		if (strcmp(l->address, address) == 0)
			return l;
	}
	return NULL;
}

static struct listening *remember(struct master *m, const char *address, int fd)
{
	struct listening *l = mem_new(struct listening);

	l->address = mem_strdup(address);
	l->fd = fd;
	list_add_tail(&m->listening, &l->link);
	return l;
}

void sockets_adopt(struct master *m, const char *address, int fd)
{
	remember(m, address, fd);
}

/* Unix sockets belong to root and the programs' common group; the mode says who else. */
static int set_access(struct plan *plan, const struct listening *l, unsigned mode, const char **err_r)
{
	const char *path = unix_path(l);

	if (!path)
		return 0;
	if ((geteuid() == 0 && chown(path, 0, plan->group) < 0) || chmod(path, mode) < 0) {
		*err_r = pool_printf(plan->config->pool, "The access to %s can't be set: %s.", path,
			strerror(errno));
		return -1;
	}
	return 0;
}

static struct listening *open_socket(
	struct master *m, struct plan *plan, const char *address, const char **err_r)
{
	struct listening *l = find(m, address);
	struct net_addr addr;
	const char *why;
	int fd;

	if (l)
		return l;
	if (net_parse(address, &addr, err_r) < 0)
		return NULL;
	fd = net_listen(&addr, (int)plan->conf.backlog, 0600, &why);
	if (fd < 0) {
		*err_r = pool_printf(plan->config->pool, "%s: %s", address, why);
		return NULL;
	}
	l = remember(m, address, fd);
	l->fresh = true;
	return l;
}

static int prepare_service(
	struct master *m, struct plan *plan, struct planned *p, const char **err_r)
{
	ARRAY(struct listening *) list = ARRAY_IN(plan->config->pool);
	struct span word;
	size_t at = 0;

	while (conf_list_next(p->conf.listen, &at, &word)) {
		struct listening *l;
		const char *address;
		if (service_listen_address(plan->config->pool, &plan->config->common, word,
			    &address, err_r) < 0)
			return -1;
		l = open_socket(m, plan, address, err_r);
		if (!l)
			return -1;
		if (l->wanted) {
			*err_r = pool_printf(plan->config->pool,
				"Service %s: another service listens on %s already.", p->name,
				address);
			return -1;
		}
		l->wanted = true;
		if (set_access(plan, l, service_conf_mode(&p->conf), err_r) < 0)
			return -1;
		*array_add(&list) = l;
	}
	p->sockets = list.v;
	p->n_sockets = list.n;
	return 0;
}

int sockets_prepare(struct master *m, struct plan *plan, const char **err_r)
{
	for (size_t i = 0; i < plan->n; i++)
		if (prepare_service(m, plan, &plan->services[i], err_r) < 0)
			return -1;
	return 0;
}

void sockets_commit(struct master *m)
{
	list_each(e, &m->listening)
	{
		struct listening *l = list_entry(e, struct listening, link);
		if (!l->wanted)
			forget(l, true);
		else
			l->wanted = l->fresh = false;
	}
}

void sockets_cancel(struct master *m)
{
	list_each(e, &m->listening)
	{
		struct listening *l = list_entry(e, struct listening, link);
		if (l->fresh)
			forget(l, true);
		else
			l->wanted = false;
	}
}

void sockets_close_of(struct planned *p)
{
	for (size_t i = 0; i < p->n_sockets; i++)
		forget(p->sockets[i], true);
	p->n_sockets = 0;
}

void sockets_ignore(struct master *m)
{
	list_each(e, &m->listening)
	{
		loop_watch_remove(&list_entry(e, struct listening, link)->watch);
	}
}

void sockets_close_all(struct master *m)
{
	list_each(e, &m->listening)
	{
		forget(list_entry(e, struct listening, link), true);
	}
}
