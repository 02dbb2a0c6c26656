#include "master/directoryd/directoryd.h"

#include <errno.h>
#include <pwd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/loop.h"

/*
 * NSS may read files or ask the network; it runs on a thread of its own (design rule 24). Who was found is not asked for
 * again for a while: each message to a system user needs the answer. Who wasn't is asked for each time: a user that has
 * just been made receives mail.
 *
 * When /etc/passwd changes all of that is forgotten, here and by whoever has looked up. Its folder is watched, for it is
 * replaced by another file. What NSS knows from elsewhere holds for KEEP_MS.
 */
#define PASSWD_FOLDER     "/etc"
#define PASSWD_NAME       "passwd"
#define PASSWD_OCTETS_MAX (64 * 1024)
#define KEEP_MS           60000
#define KEPT_MAX          10000 /* past it all are forgotten */
#define UID_NOBODY        65534 /* nobody, of whom no mailbox is ever read */
#define UID_NONE          65535 /* -1 of 16 bits */

struct system_users {
	struct directoryd *d;
	struct io_threads *thread;
	struct hash *known; /* name -> int64_t *, until when */
	uint64_t changes;   /* of the file: an answer from before one is not kept */
	int inotify;
	struct loop_watch *watch;
};

struct question {
	const char *name;
	uint64_t uid_least;
	int answer;
};

static void forget_all(struct system_users *u)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(u->known, &at, &key, &value)) {
		mem_free(&value);
		hash_remove(u->known, key);
	}
}

static bool names_file(const char *events, ssize_t n)
{
	bool found = false;
	for (const char *p = events; p < events + n;) {
		const struct inotify_event *e = (const void *)p;
		found |= (e->len && strcmp(e->name, PASSWD_NAME) == 0) || e->mask & IN_Q_OVERFLOW;
		p += sizeof(*e) + e->len;
	}
	return found;
}

static void on_event(void *arg, int fd, int events)
{
	struct system_users *u = arg;
	_Alignas(struct inotify_event) char buffer[4096];
	bool changed = false;
	(void)events;
	for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;)
		changed |= names_file(buffer, n);
	if (!changed)
		return;
	u->changes++;
	forget_all(u);
	lookers_tell(u->d, "");
}

static void watch_file(struct system_users *u)
{
	u->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (u->inotify >= 0
		&& inotify_add_watch(u->inotify, PASSWD_FOLDER, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) >= 0)
		u->watch = loop_watch_add(u->inotify, LOOP_READ, false, on_event, u);
	else
		log_warning("%s/%s can't be watched (%m): system users that go are known for a minute.", PASSWD_FOLDER,
			PASSWD_NAME);
}

struct system_users *system_users_new(struct directoryd *d)
{
	struct system_users *u = mem_new(struct system_users);
	u->d = d;
	u->thread = io_threads_new("nss", 1);
	u->known = hash_new();
	watch_file(u);
	return u;
}

void system_users_free(struct system_users **u)
{
	if (!*u)
		return;
	loop_watch_remove(&(*u)->watch);
	io_close(&(*u)->inotify);
	forget_all(*u);
	hash_free(&(*u)->known);
	io_threads_free(&(*u)->thread);
	mem_free(u);
}

/* uids of programs, and those that mean that there is no one, are no people: only an alias brings them mail. */
static bool has_mailbox(uid_t uid, uint64_t least)
{
	return uid == 0 || (uid >= least && uid != UID_NOBODY && uid != UID_NONE);
}

static int ask(void *arg)
{
	struct question *q = arg;
	struct passwd pw, *found = NULL;
	char *buf = mem_alloc(PASSWD_OCTETS_MAX);
	int rc = getpwnam_r(q->name, &pw, buf, PASSWD_OCTETS_MAX, &found);
	if (found)
		q->answer = has_mailbox(found->pw_uid, q->uid_least);
	else
		q->answer = rc == 0 || rc == ENOENT || rc == ESRCH ? 0 : -1;
	mem_free(&buf);
	return 0;
}

static void remember(struct system_users *u, const char *name)
{
	int64_t *until = hash_find(u->known, span_of(name));
	if (!until) {
		if (hash_count(u->known) >= KEPT_MAX)
			forget_all(u);
		until = mem_new(int64_t);
		hash_set(u->known, span_of(name), until);
	}
	*until = clock_mono_ms() + KEEP_MS;
}

int system_user_find(struct system_users *u, const char *name)
{
	if (!u->d->conf->system_users)
		return 0;
	const int64_t *until = hash_find(u->known, span_of(name));
	if (until && *until > clock_mono_ms())
		return 1;
	struct question q = {.name = name, .uid_least = u->d->conf->system_uid_least, .answer = -1};
	uint64_t before = u->changes;
	io_call_on(u->thread, ask, &q);
	if (q.answer == 1 && before == u->changes)
		remember(u, name);
	return q.answer;
}
