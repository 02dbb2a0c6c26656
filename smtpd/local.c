#include "smtpd/local.h"

#include <pwd.h>

#define ENTRY_MAX 16384

struct question {
	uid_t uid;
	char entry[ENTRY_MAX];
	struct passwd pw, *found;
};

/* NSS may ask the network: on a helper thread. */
static int ask(void *arg)
{
	struct question *q = arg;
	return getpwuid_r(q->uid, &q->pw, q->entry, sizeof(q->entry), &q->found);
}

const char *local_user(struct conn *conn)
{
	struct question *q = mem_new(struct question);
	q->uid = conn->peer_uid;
	io_call(ask, q);
	const char *name = q->found && *q->pw.pw_name
		? pool_strdup(conn->pool, q->pw.pw_name)
		: pool_printf(conn->pool, "uid%u", (unsigned)conn->peer_uid);
	mem_free(&q);
	return name;
}
