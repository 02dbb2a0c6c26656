/* The exclusive session lock (rule 22): a file of its own and a description of its own for each
 * session, so that two sessions of one process exclude each other too. */
#include <fcntl.h>
#include <unistd.h>

#include "os/os.h"
#include "store/account.h"

struct session_lock {
	int fd;
};

enum store_status account_session_lock(struct account *a, struct session_lock **lock_r)
{
	int fd = openat(a->dirfd, "session", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return STORE_FAILED;
	int rc = os_lock_try(fd, true);
	if (rc <= 0) {
		close(fd);
		return rc == 0 ? STORE_BUSY : STORE_FAILED;
	}
	*lock_r = mem_new(struct session_lock);
	(*lock_r)->fd = fd;
	return STORE_OK;
}

void account_session_unlock(struct session_lock **lock)
{
	if (!*lock)
		return;
	close((*lock)->fd);
	mem_free(lock);
}
