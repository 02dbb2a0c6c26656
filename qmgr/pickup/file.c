#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/received.h"
#include "os/os.h"
#include "qmgr/pickup/pickup.h"

/* Design rule 27: regular, one link, nobody's but the sender's. NONBLOCK, so that a pipe does not
 * hold us. */
static int open_file(struct pickup *p, const char *name, struct stat *st)
{
	int fd = openat(p->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1)
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* Out of the way, for the administrator to look at; its sender was told that it was kept. */
static void set_aside(struct pickup *p, const char *name, const char *why)
{
	struct str aside = STR_INIT;
	str_printf(&aside, "bad.%s", name);
	log_error("drop file %s is not submitted, and renamed to %s: %s", log_q(name),
		log_q(str_c(&aside)), why);
	if (renameat(p->dirfd, name, p->dirfd, str_c(&aside)) < 0)
		log_warning("drop file %s can't be renamed: %s", log_q(name), strerror(errno));
	str_fini(&aside);
}

/* Says who sent it: smtpd sees only us. */
static const char *trace_field(struct pickup *p, struct pool *pool, const struct drop_message *m)
{
	struct str field = STR_IN(pool);
	struct date when = {(int64_t)m->time, 0};
	str_printf(&field,
		"Received: by %s (Thurn, from uid %llu, kept while the server was down);\r\n\t",
		p->svc->common->hostname, (unsigned long long)m->uid);
	date_put(&field, &when);
	str_puts(&field, "\r\n");
	return str_c(&field);
}

static void submit(struct pickup *p, struct pool *pool, const struct drop_message *m,
	struct submit_message *to)
{
	struct str body = STR_INIT;
	str_puts(&body, trace_field(p, pool, m));
	str_add_span(&body, m->body);
	*to = (struct submit_message){
		.sender = m->sender,
		.envid = m->envid,
		.auth = pool_printf(pool, "uid%llu@%s", (unsigned long long)m->uid,
			p->svc->common->hostname),
		.notify = (unsigned)m->notify,
		.ret = (enum dsn_ret)m->ret,
		.body = str_span(&body),
		.recipients = pool_array(pool, m->recipients.n, sizeof(*to->recipients)),
		.nrecipient = m->recipients.n,
	};
	for (size_t i = 0; i < m->recipients.n; i++)
		to->recipients[i].address = m->recipients.v[i];
	submit_send(pool, p->socket, p->conf->submit_timeout, p->conf->submit_timeout, to);
	to->body = span_make(NULL, 0);
	str_fini(&body);
}

/* Who had to wait is written as a new file before the old one goes. Who was refused waits when their report has to. */
static int keep_rest(struct pickup *p, struct pool *pool, const struct drop_message *m,
	const struct submit_message *sent, bool refused_too)
{
	struct drop_message rest = *m;
	rest.recipients.v = NULL;
	rest.recipients.n = rest.recipients.cap = 0;
	rest.recipients.pool = pool;
	for (size_t i = 0; i < sent->nrecipient; i++)
		if (sent->recipients[i].fate == HANDED_LATER ||
			(refused_too && sent->recipients[i].fate == HANDED_REFUSED))
			*array_add(&rest.recipients) = sent->recipients[i].address;
	if (!rest.recipients.n)
		return 0;
	p->retry = true;
	if (rest.recipients.n == m->recipients.n)
		return -1; /* all of them: the file is right as it is */
	/* Ours now: the uid that is written must be the file's owner's. */
	rest.uid = geteuid();
	return drop_write(p->dirfd, &rest);
}

static void log_fates(
	const struct drop_message *m, const struct submit_message *sent, const char *name)
{
	for (size_t i = 0; i < sent->nrecipient; i++) {
		const struct submit_recipient *r = &sent->recipients[i];
		if (r->fate == HANDED_TAKEN)
			log_info("picked up file=%s uid=%llu to=%s", log_q(name),
				(unsigned long long)m->uid, log_q(r->address));
		else if (r->fate == HANDED_REFUSED)
			log_error("refused file=%s uid=%llu from=%s to=%s reply=%s", log_q(name),
				(unsigned long long)m->uid, log_q(m->sender), log_q(r->address),
				log_q(r->reply));
		else
			log_debug("waits file=%s to=%s reply=%s", log_q(name), log_q(r->address),
				log_q(r->reply));
	}
}

static bool all_refused(const struct submit_message *sent)
{
	for (size_t i = 0; i < sent->nrecipient; i++)
		if (sent->recipients[i].fate != HANDED_REFUSED)
			return false;
	return true;
}

static void handle(
	struct pickup *p, struct pool *pool, const char *name, struct span bytes, uid_t owner)
{
	struct drop_message m;
	struct submit_message sent;
	const char *why;
	if (drop_parse(pool, bytes, &m, &why) < 0) {
		set_aside(p, name, why);
		return;
	}
	if (m.uid != owner) {
		set_aside(p, name, "Its owner is not who sent it.");
		return;
	}
	submit(p, pool, &m, &sent);
	log_fates(&m, &sent, name);
	enum handed reported = pickup_report(p, pool, &m, &sent);
	if (reported == HANDED_REFUSED && all_refused(&sent))
		set_aside(p, name, "The server refused it.");
	else if (keep_rest(p, pool, &m, &sent, reported == HANDED_LATER) == 0 &&
		 (unlinkat(p->dirfd, name, 0) < 0 || os_sync_dir(p->dirfd) < 0))
		log_warning("drop file %s can't be removed: %s", log_q(name), strerror(errno));
}

void pickup_file(struct pickup *p, const char *name)
{
	size_t most = (size_t)p->svc->common->message_size_limit + DROP_HEADER_MAX;
	struct stat st;
	int fd = open_file(p, name, &st);
	if (fd < 0) {
		if (errno == EINVAL || errno == ELOOP || errno == ENXIO) {
			set_aside(p, name, "It is not a plain file with one link.");
		} else if (errno != ENOENT) {
			log_warning(
				"drop file %s can't be opened: %s", log_q(name), strerror(errno));
			p->retry = true;
		}
		return;
	}
	if ((uint64_t)st.st_size > most) {
		set_aside(p, name, "It is too big.");
	} else {
		char *bytes = mem_alloc((size_t)st.st_size + 1);
		struct pool *pool = pool_new("drop file");
		if (os_pread_all(fd, bytes, (size_t)st.st_size, 0) == 0)
			handle(p, pool, name, span_make(bytes, (size_t)st.st_size), st.st_uid);
		else
			log_error("drop file %s can't be read: %s", log_q(name), strerror(errno));
		pool_free(&pool);
		mem_free(&bytes);
	}
	close(fd);
}

void pickup_stale(struct pickup *p, const char *name)
{
	struct stat st;
	if (fstatat(p->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		st.st_mtime > clock_wall_s() - DROP_TMP_AGE_S)
		return;
	log_warning("drop file %s was never finished and is removed", log_q(name));
	unlinkat(p->dirfd, name, 0);
}
