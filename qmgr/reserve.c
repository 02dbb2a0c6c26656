#include "qmgr/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/os.h"

#define RESERVE_NAME "db/reserve"
#define RESERVE_SIZE (32u * 1024 * 1024)
#define LOW_MARK     (16u * 1024 * 1024)   /* less is left: it is given back */
#define HIGH_MARK    (8ull * RESERVE_SIZE) /* more is left: it is taken again */
#define WATCH_MS     1000

static void adjust(int fd)
{
	struct stat st;
	uint64_t left;
	if (os_free_space(fd, &left) < 0 || fstat(fd, &st) < 0)
		return;
	if (st.st_size && left < LOW_MARK) {
		log_warning("the disk of the queue is full: qmgr's reserve is given back");
		if (ftruncate(fd, 0) < 0)
			log_error("qmgr's reserve can't be given back: %m");
	} else if (!st.st_size && left > HIGH_MARK && os_preallocate(fd, 0, RESERVE_SIZE) == 0 &&
		   ftruncate(fd, RESERVE_SIZE) < 0) {
		log_warning("qmgr's reserve can't be taken: %m");
	}
}

static void watch(void *arg)
{
	int fd = *(int *)arg;
	for (;;) {
		adjust(fd);
		io_sleep(WATCH_MS);
	}
}

int reserve_start(struct qmgr *q, const char **err_r)
{
	const char *path = pool_printf(q->svc->pool, "%s/" RESERVE_NAME, q->svc->common->queue_dir);
	int *fd = pool_new_of(q->svc->pool, int);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0) {
		*err_r = pool_printf(
			q->svc->pool, "The file %s can't be opened: %s.", path, strerror(errno));
		return -1;
	}
	adjust(*fd);
	fiber_start("reserve", watch, fd);
	return 0;
}
