#include "master/directoryd/directoryd.h"

#include <errno.h>
#include <pwd.h>

#include "base/log.h"

#define PASSWD_OCTETS_MAX (64 * 1024)

struct question {
	const char *name;
	uint64_t uid_least;
	int answer;
};

/* NSS may read files or ask the network; it runs on a thread of its own (design rule 24). */
static int ask(void *arg)
{
	struct question *q = arg;
	struct passwd pw, *found = NULL;
	char *buf = mem_alloc(PASSWD_OCTETS_MAX);
	int rc = getpwnam_r(q->name, &pw, buf, PASSWD_OCTETS_MAX, &found);
	if (found)
		q->answer = found->pw_uid == 0 || found->pw_uid >= q->uid_least;
	else
		q->answer = rc == 0 || rc == ENOENT || rc == ESRCH ? 0 : -1;
	mem_free(&buf);
	return 0;
}

int system_user_find(struct directoryd *d, const char *name)
{
	if (!d->conf->system_users)
		return 0;
	struct question q = {.name = name, .uid_least = d->conf->system_uid_least, .answer = -1};
	io_call_on(d->nss, ask, &q);
	return q.answer;
}
