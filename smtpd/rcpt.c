/* RCPT: what can't be delivered, or isn't ours to deliver, is refused here. */
#include "base/log.h"
#include "smtpd/session.h"

static const struct smtp_fault too_many = {452, "4.5.3", "Too many recipients"};
static const struct smtp_fault relaying = {550, "5.7.1", "Relaying denied"};
static const struct smtp_fault unknown = {550, "5.1.1", "User unknown"};
static const struct smtp_fault over_quota = {452, "4.2.2", "Mailbox full"};
static const struct smtp_fault never_fits = {552, "5.2.3", "Message larger than the mailbox"};
static const struct smtp_fault cannot_say = {451, "4.3.0", "Recipient can't be checked now"};

static void refuse_recipient(struct session *s, const struct smtp_fault *fault, const char *address)
{
	s->tx.refused++;
	refuse(s, fault, address);
}

/* RFC 5321 4.5.3.1.10: the client sends the message to those that were taken and comes back for the
 * others. Who pipelines has named all of them already, so that as many again are no errors: these
 * would end the session before the message, which would never arrive however often it is tried. */
static void refuse_one_too_many(struct session *s, const char *address)
{
	if (s->tx.beyond++ >= s->d->conf->recipients_max) {
		refuse_recipient(s, &too_many, address);
		return;
	}
	s->tx.refused++;
	refuse_gently(s, &too_many, address);
}

/* The status and text of the route, when it has its own. */
static void refuse_route(struct session *s, const struct route *r, const struct smtp_fault *fault,
	const char *address)
{
	bool own = r->status && *r->status && r->text && *r->text;
	unsigned code = own && r->status[0] != fault->status[0] ? (r->status[0] == '4' ? 451 : 550)
								: fault->code;
	s->tx.refused++;
	refuse_printf(s, code, own ? r->status : fault->status, address, "%s",
		own ? r->text : fault->text);
}

static bool may_relay(const struct session *s)
{
	return s->user || s->may_relay;
}

static const struct smtp_fault *quota_fault(const struct session *s, const struct route *r)
{
	if (r->over_quota)
		return &over_quota;
	return r->quota_bytes && s->tx.mail.size > r->quota_bytes ? &never_fits : NULL;
}

/* A name without a domain (postmaster, local users) is somebody of the directory's default domain: a
 * user gets their whole address, an alias stays as it is, for the queue to look up the same way. */
static const char *queue_address(
	struct session *s, const struct address *a, const struct route *r)
{
	if (!*a->domain && r->canonical && *r->canonical)
		return pool_strdup(s->tx.pool, r->canonical);
	return address_text(s->tx.pool, a);
}

static void accept_recipient(struct session *s, const struct smtp_rcpt *rcpt, const char *address)
{
	struct recipient *to = array_add(&s->tx.rcpts);
	to->address = address;
	to->orcpt = rcpt->orcpt;
	to->notify = rcpt->notify;
	s->state = ST_RCPT;
	reply(s, 250, "2.1.5", "Ok");
}

/* NULL when the recipient is fine; else refused already or the fault. */
static bool check_route(struct session *s, const struct route *r, const char *address)
{
	const struct smtp_fault *fault = NULL;
	switch (r->kind) {
	case ROUTE_LOCAL:
		fault = quota_fault(s, r);
		break;
	case ROUTE_ALIAS:
		break;
	case ROUTE_REMOTE:
		fault = may_relay(s) ? NULL : &relaying;
		break;
	case ROUTE_REFUSED:
		refuse_route(s, r, &unknown, address);
		return false;
	case ROUTE_TEMPFAIL:
		refuse_route(s, r, &cannot_say, address);
		return false;
	}
	if (fault)
		refuse_recipient(s, fault, address);
	return !fault;
}

static bool is_postmaster(const struct address *a)
{
	return !*a->domain && strcasecmp(a->local, "postmaster") == 0;
}

void cmd_rcpt(struct session *s, struct span args)
{
	static const struct smtp_fault no_domain = {
		501, "5.1.3", "Recipient address has no domain"};
	struct smtp_rcpt rcpt;
	struct route route;
	unsigned offers = session_offers(s);
	if (!s->tx.mail.smtputf8)
		offers &= ~(unsigned)SMTP_EXT_UTF8;
	const struct smtp_fault *fault =
		smtp_rcpt_parse(args, offers, ADDRESS_NO_DOMAIN_OK, s->tx.pool, &rcpt);
	if (!fault && !*rcpt.address.domain && !s->mode->bare_names &&
		!is_postmaster(&rcpt.address))
		fault = &no_domain;
	if (fault) {
		refuse_recipient(s, fault, pool_span(s->scratch, args));
		return;
	}
	if (s->tx.rcpts.n >= s->d->conf->recipients_max) {
		refuse_one_too_many(s, pool_span(s->scratch, args));
		return;
	}
	route_cached(s->d->routes, s->scratch, &rcpt.address, &route);
	const char *address = queue_address(s, &rcpt.address, &route);
	if (check_route(s, &route, address))
		accept_recipient(s, &rcpt, address);
}
