#include "queue/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/num.h"
#include "os/os.h"

static bool is_line(const char *text)
{
	return !text[strcspn(text, "\r\n")];
}

int drop_put_header(struct str *out, const struct drop_message *m)
{
	if (!is_line(m->sender) || (m->envid && !is_line(m->envid)))
		return -1;
	str_printf(out, DROP_MAGIC "\nuid %llu\ntime %llu\nsender %s\n", (unsigned long long)m->uid,
		(unsigned long long)m->time, m->sender);
	if (m->notify)
		str_printf(out, "notify %llu\n", (unsigned long long)m->notify);
	if (m->ret)
		str_printf(out, "ret %llu\n", (unsigned long long)m->ret);
	if (m->envid && m->envid[0])
		str_printf(out, "envid %s\n", m->envid);
	for (size_t i = 0; i < m->recipients.n; i++) {
		if (!is_line(m->recipients.v[i]))
			return -1;
		str_printf(out, "to %s\n", m->recipients.v[i]);
	}
	str_putc(out, '\n');
	return 0;
}

struct parse {
	struct pool *pool;
	struct drop_message *m;
	bool has_uid, has_sender;
};

static bool take_text(struct parse *p, struct span value, const char **to)
{
	if (*to || memchr(value.p, '\0', value.n) || memchr(value.p, '\r', value.n))
		return false;
	*to = pool_span(p->pool, value);
	return true;
}

static bool take_uid(struct parse *p, struct span value)
{
	if (p->has_uid)
		return false;
	p->has_uid = true;
	return num_parse_u64(value, UINT32_MAX, &p->m->uid);
}

static bool take_time(struct parse *p, struct span value)
{
	return num_parse_u64(value, INT64_MAX / 1000000, &p->m->time);
}

static bool take_sender(struct parse *p, struct span value)
{
	return take_text(p, value, &p->m->sender);
}

static bool take_envid(struct parse *p, struct span value)
{
	return take_text(p, value, &p->m->envid);
}

static bool take_notify(struct parse *p, struct span value)
{
	return num_parse_u64(value, 15, &p->m->notify);
}

static bool take_ret(struct parse *p, struct span value)
{
	return num_parse_u64(value, 2, &p->m->ret);
}

static bool take_to(struct parse *p, struct span value)
{
	const char *address = NULL;
	if (!value.n || p->m->recipients.n >= DROP_RECIPIENTS_MAX || !take_text(p, value, &address))
		return false;
	*array_add(&p->m->recipients) = address;
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct parse *p, struct span value);
} lines[] = {
	{"uid", take_uid},
	{"time", take_time},
	{"sender", take_sender},
	{"notify", take_notify},
	{"ret", take_ret},
	{"envid", take_envid},
	{"to", take_to},
};

static bool take_line(struct parse *p, struct span line)
{
	size_t blank = span_index(line, 0, ' ');
	if (blank == line.n)
		return false;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (span_is(span_make(line.p, blank), lines[i].name))
			return lines[i].take(p, span_make(line.p + blank + 1, line.n - blank - 1));
	return false;
}

/* The header's lines: true at the empty line that ends it, with *file behind that. */
static bool take_header(struct parse *p, struct span *file)
{
	size_t total = file->n;
	bool first = true;
	for (;;) {
		size_t end = span_index(*file, 0, '\n');
		struct span line = span_make(file->p, end);
		if (end == file->n || total - file->n > DROP_HEADER_MAX)
			return false;
		*file = span_make(file->p + end + 1, file->n - end - 1);
		if (!line.n && !first)
			return true;
		if (first ? !span_is(line, DROP_MAGIC) : !take_line(p, line))
			return false;
		first = false;
	}
}

int drop_parse(struct pool *pool, struct span file, struct drop_message *m_r, const char **err_r)
{
	struct parse p = {.pool = pool, .m = m_r};
	*m_r = (struct drop_message){.recipients = ARRAY_IN(pool)};
	if (!take_header(&p, &file) || !p.has_uid || !m_r->sender || !m_r->recipients.n) {
		*err_r = "It is not what sendmail writes.";
		return -1;
	}
	if (!m_r->envid)
		m_r->envid = "";
	m_r->body = file;
	return 0;
}

/* Distinct from every other process's: time, pid, random. */
static void put_name(struct str *out, const char *prefix, const struct str *unique)
{
	str_reset(out);
	str_printf(out, "%s%s", prefix, str_c(unique));
}

static int write_file(int dirfd, const char *name, const struct str *header, struct span body)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	/* Its group is drop's: pickup reads it. */
	int rc = os_write_all(fd, header->s, header->len) < 0 ||
				 os_write_all(fd, body.p, body.n) < 0 || fchmod(fd, 0640) < 0 ||
				 fsync(fd) < 0
			 ? -1
			 : 0;
	int error = errno;
	if (close(fd) < 0 && rc == 0) {
		rc = -1;
		error = errno;
	}
	if (rc < 0)
		unlinkat(dirfd, name, 0);
	errno = error;
	return rc;
}

/* Who is told that it failed sends it again: nothing may be left that is sent, too. */
static int name_durably(int dirfd, const char *tmp, const char *name)
{
	const char *left = tmp;
	if (renameat(dirfd, tmp, dirfd, name) == 0) {
		left = name;
		if (os_sync_dir(dirfd) == 0)
			return 0;
	}
	int error = errno;
	unlinkat(dirfd, left, 0);
	errno = error;
	return -1;
}

int drop_write(int dirfd, const struct drop_message *m)
{
	struct str header = STR_INIT, unique = STR_INIT, tmp = STR_INIT, name = STR_INIT;
	unsigned char noise[8];
	int rc = -1;

	os_random(noise, sizeof(noise));
	str_printf(&unique, "%lld.%d.", (long long)clock_wall_us(), (int)getpid());
	hex_put(&unique, span_make(noise, sizeof(noise)));
	put_name(&tmp, "tmp.", &unique);
	put_name(&name, "new.", &unique);
	errno = EINVAL;
	if (drop_put_header(&header, m) == 0 &&
		write_file(dirfd, str_c(&tmp), &header, m->body) == 0)
		rc = name_durably(dirfd, str_c(&tmp), str_c(&name));
	int error = errno;
	str_fini(&header);
	str_fini(&unique);
	str_fini(&tmp);
	str_fini(&name);
	errno = error;
	return rc;
}
