/* MAIL: may this sender start a message now? */
#include "base/log.h"
#include "smtpd/local.h"
#include "smtpd/session.h"

static const struct smtp_fault too_big = {552, "5.3.4", "Message size exceeds fixed limit"};
static const struct smtp_fault disk_full = {452, "4.3.1", "Insufficient system storage"};
static const struct smtp_fault no_queue = {451, "4.3.0", "No mail can be accepted now"};
static const struct smtp_fault not_yours = {
	553, "5.7.1", "Sender address not owned by the user who logged in"};
static const struct smtp_fault no_user = {530, "5.7.0", "The user who logged in is none any more"};
static const struct smtp_fault cannot_say = {451, "4.3.0", "Sender can't be checked now"};

/* Who logged in may have gone since. (Local users are the kernel's.) */
static const struct smtp_fault *user_fault(struct session *s)
{
	if (!s->user || s->mode->bit == MODE_LOCAL)
		return NULL;
	const char *sender = s->mode->owns_sender ? s->tx.sender : "";
	int rc = directory_may_send(s->d->directory, s->scratch, s->user, sender);
	if (rc < 0)
		return &cannot_say;
	return rc ? NULL : s->mode->owns_sender ? &not_yours : &no_user;
}

static const struct smtp_fault *check(struct session *s)
{
	if (s->tx.mail.size > s->d->common->message_size_limit)
		return &too_big;
	switch (submitter_may_accept(s->d->submitter, s->tx.mail.size)) {
	case SUBMIT_OK:
		break;
	case SUBMIT_DISK_FULL:
		return &disk_full;
	case SUBMIT_FAILED:
		return &no_queue;
	}
	return user_fault(s);
}

/* From local programs a name alone is a user of this system. */
static void complete(struct session *s, struct address *a)
{
	if (*a->local && !*a->domain)
		a->domain = s->d->common->default_domain;
}

static const char *owner(struct session *s)
{
	uid_t uid;
	if (s->messenger && s->tx.mail.auth && local_parse_uid(s->tx.mail.auth, &uid) == 0)
		return local_user(s->tx.pool, uid);
	return s->user;
}

void cmd_mail(struct session *s, struct span args)
{
	if (s->messages >= s->d->conf->messages_max) {
		reply_and_close(s, 421, "4.7.0", "Too many messages on one connection");
		return;
	}
	transaction_start(s);
	const struct smtp_fault *fault = smtp_mail_parse(args, session_offers(s),
		s->mode->bare_names ? ADDRESS_NO_DOMAIN_OK : 0, s->tx.pool, &s->tx.mail);
	if (!fault) {
		complete(s, &s->tx.mail.sender);
		s->tx.sender = address_text(s->tx.pool, &s->tx.mail.sender);
		s->tx.user = owner(s);
		fault = check(s);
	}
	if (fault) {
		refuse(s, fault, pool_span(s->scratch, args));
		transaction_reset(s);
		return;
	}
	s->state = ST_MAIL;
	reply(s, 250, "2.1.0", "Ok");
}
