#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "io/loop.h"
#include "qmgr/pickup/pickup.h"
#include "queue/drop.h"

#define EVENTS_MAX 4096
#define RETRY_MS   2000  /* while something waits: the server may just be starting */
#define SCAN_NAMES 10000 /* in one scan; more wait for the next */

static void scan(struct pickup *p)
{
	int fd = openat(p->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned left = SCAN_NAMES;
	p->retry = false;
	if (!dir) {
		log_error("The drop folder can't be read: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *e; !p->svc->stopping && left && (e = readdir(dir)); left--) {
		service_conn_hold(p->svc); /* a stop waits for the file under way */
		if (drop_is_new(e->d_name))
			pickup_file(p, e->d_name);
		else if (drop_is_tmp(e->d_name))
			pickup_stale(p, e->d_name);
		service_conn_release(p->svc);
	}
	p->retry |= left == 0;
	closedir(dir);
}

/* A new name, or the clock. What the events say is in the folder, too. */
static void wait_for_work(struct pickup *p)
{
	char events[EVENTS_MAX];
	int64_t ms = p->retry ? RETRY_MS : p->conf->scan_interval;
	if (p->watch < 0)
		io_sleep(ms);
	else if (io_wait(p->watch, LOOP_READ, io_deadline(ms)) > 0)
		while (read(p->watch, events, sizeof(events)) > 0)
			;
}

static void work(void *arg)
{
	struct pickup *p = arg;
	while (!p->svc->stopping) {
		scan(p);
		wait_for_work(p);
	}
}

static void open_watch(struct pickup *p, const char *path)
{
	p->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->watch >= 0 && inotify_add_watch(p->watch, path, IN_MOVED_TO | IN_ONLYDIR) < 0)
		io_close(&p->watch);
	if (p->watch < 0)
		log_warning("The drop folder can't be watched, only scanned: %s", strerror(errno));
}

static int pickup_start(struct service_ctx *svc, const char **err_r)
{
	struct pickup *p = pool_new_of(svc->pool, struct pickup);
	const char *path = pool_printf(svc->pool, "%s/drop", svc->common->queue_dir);
	p->svc = svc;
	p->conf = svc->params;
	p->socket = service_run_path(svc, "submit");
	p->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dirfd < 0) {
		*err_r = pool_printf(svc->pool, "%s can't be opened: %s.", path, strerror(errno));
		return -1;
	}
	open_watch(p, path);
	svc->state = p;
	fiber_start("pickup", work, p);
	return 0;
}

static const struct service pickup = {
	.name = "pickup",
	.flags = SERVICE_SINGLE | SERVICE_NO_NET,
	.conf_rows = pickup_conf_rows,
	.conf_size = sizeof(struct pickup_conf),
	.start_user = pickup_start,
};

int main(int argc, char **argv)
{
	return service_run(&pickup, argc, argv);
}
