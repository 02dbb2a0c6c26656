#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"

static void enter_root(const char *path)
{
	if (chroot(path) < 0 || chdir("/") < 0)
		log_fatal("The folder %s can't become the root: %m.", path);
}

/* None can come back by whatever is executed. Without CAP_SETPCAP the bounding set is what whoever started us left; for a
 * process without privileges it is a second lock only. */
static void drop_capabilities(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

void os_drop_privilege(uid_t uid, gid_t gid, const char *chroot_to)
{
	if (chroot_to)
		enter_root(chroot_to);
	if (geteuid() != 0) {
		if (uid != getuid() || uid != geteuid() || gid != getgid() || gid != getegid())
			log_fatal("Only root can become user %u.", (unsigned)uid);
		return;
	}
	if (uid != 0)
		drop_capabilities();
	if (setgroups(0, NULL) < 0)
		log_fatal("The supplementary groups can't be dropped: %m.");
	if (setresgid(gid, gid, gid) < 0)
		log_fatal("The group can't become %u: %m.", (unsigned)gid);
	if (setresuid(uid, uid, uid) < 0)
		log_fatal("The user can't become %u: %m.", (unsigned)uid);
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		log_fatal("Privilege could be regained after it was dropped.");
}

void os_no_new_privs(void)
{
	static const struct rlimit none = {0, 0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_fatal("New privileges can't be forbidden: %m.");
	if (!log_is_on(LOG_LEVEL_DEBUG) &&
		(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0))
		log_fatal("Core dumps can't be forbidden: %m.");
}

void os_sd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	/* Refused: who waited for READY (thurn start) has long gone. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0 &&
		errno != ECONNREFUSED)
		log_warning("systemd could not be told \"%s\": %m", state);
	close(fd);
}

void os_boot_id(char id_r[37])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	bool known = fd >= 0 && os_pread_all(fd, id_r, 36, 0) == 0;
	if (fd >= 0)
		close(fd);
	if (!known) {
		/* Unknown means that a power cut may have happened: an id that nobody has seen. */
		unsigned char noise[18];
		struct str hex = STR_INIT;
		os_random(noise, sizeof(noise));
		hex_put(&hex, span_make(noise, sizeof(noise)));
		memcpy(id_r, hex.s, 36);
		str_fini(&hex);
	}
	id_r[36] = '\0';
}
