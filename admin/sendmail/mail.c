/* sendmail -bm: to smtpd, or what smtpd can't take now to the drop folder. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"
#include "base/clock.h"
#include "queue/drop.h"
#include "submit/client.h"

#define ASK_MS    10000 /* of who does not answer the message goes to the drop folder: programs wait for us */
#define SUBMIT_MS 300000

struct drop_work {
	struct sendmail *s;
	struct drop_message message;
};

static int write_drop(void *arg)
{
	struct drop_work *w = arg;
	const char *path = pool_printf(w->s->pool, "%s/drop", w->s->config->common.queue_dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : drop_write(fd, &w->message);
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		return EX_OK;
	return say(EX_TEMPFAIL,
		"The server is not running, and the message can't be kept in %s: %s.", path,
		strerror(error));
}

/* The recipients that have to wait go to the drop folder. */
static int keep_for_later(struct sendmail *s, const struct submit_message *m)
{
	struct drop_work w = {
		.s = s,
		.message =
			{
				.uid = getuid(),
				.time = (uint64_t)clock_wall_s(),
				.sender = m->sender,
				.envid = m->envid,
				.notify = m->notify,
				.ret = m->ret,
				.recipients = ARRAY_IN(s->pool),
				.body = m->body,
			},
	};
	for (size_t i = 0; i < m->nrecipient; i++)
		if (m->recipients[i].fate == HANDED_LATER)
			*array_add(&w.message.recipients) = m->recipients[i].address;
	return w.message.recipients.n ? harden_with_group(write_drop, &w) : EX_OK;
}

static int report_refused(const struct submit_message *m)
{
	int status = EX_OK;
	for (size_t i = 0; i < m->nrecipient; i++)
		if (m->recipients[i].fate == HANDED_REFUSED)
			status = say(strncmp(m->recipients[i].reply, "550 5.1.1", 9) == 0
					     ? EX_NOUSER
					     : EX_UNAVAILABLE,
				"%s: %s", m->recipients[i].address, m->recipients[i].reply);
	return status;
}

int mode_mail(struct sendmail *s)
{
	struct str body = STR_INIT;
	int status = compose(s, &body);
	if (status == EX_OK && !s->recipients.n)
		status = say(EX_USAGE, "There are no recipients.");
	if (status == EX_OK) {
		struct submit_message m = {
			.sender = s->sender ? s->sender
					    : pool_printf(s->pool, "%s@%s", s->login, s->domain),
			.envid = s->envid ? s->envid : "",
			.ret = (enum dsn_ret)s->ret,
			.notify = s->notify,
			.body = str_span(&body),
			.recipients = pool_array(
				s->pool, s->recipients.n, sizeof(struct submit_recipient)),
			.nrecipient = s->recipients.n,
		};
		for (size_t i = 0; i < m.nrecipient; i++)
			m.recipients[i].address = s->recipients.v[i];
		submit_send(s->pool, run_path(s, "submit"), ASK_MS, SUBMIT_MS, &m);
		status = report_refused(&m);
		int kept = keep_for_later(s, &m);
		status = kept == EX_OK ? status : kept;
	}
	str_fini(&body);
	return status;
}
