/* sendmail -bs: SMTP on standard input and output, which is smtpd's, over run_dir/submit. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"
#include "io/io.h"
#include "os/os.h"

#define CONNECT_MS 10000
#define IDLE_MS    600000

/* What can be read from one goes to the other. 1 copied, 0 end, -1 error. */
static int copy(int from, int to)
{
	char block[16384];
	ssize_t n = read(from, block, sizeof(block));
	if (n <= 0)
		return (int)n;
	return os_write_all(to, block, (size_t)n) < 0 ? -1 : 1;
}

int mode_smtp(struct sendmail *s)
{
	int fd = io_connect_unix(run_path(s, "submit"), io_deadline(CONNECT_MS));
	if (fd < 0)
		return say(EX_TEMPFAIL, "The server is not running.");
	os_set_nonblock(fd, false);
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};
	int rc = 1;
	while (rc > 0 && poll(fds, 2, IDLE_MS) > 0) {
		if (fds[1].revents)
			rc = copy(fd, STDOUT_FILENO);
		/* The client may have said all and still waits for the last replies. */
		if (rc > 0 && fds[0].revents && copy(STDIN_FILENO, fd) <= 0) {
			shutdown(fd, SHUT_WR);
			fds[0].fd = -1;
		}
	}
	close(fd);
	return rc == 0 ? EX_OK : EX_TEMPFAIL;
}
