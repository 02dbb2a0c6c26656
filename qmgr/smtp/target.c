/* From a destination to the hosts to try (RFC 5321 5.1, RFC 7505). */
#include <netinet/in.h>

#include "base/array.h"
#include "base/num.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "io/net.h"
#include "qmgr/smtp/smtp.h"

#define LMTP_PORT      24
#define DNS_TIMEOUT_MS 30000

/* "host", "host:port", "[host]", "[host]:port", each with "lmtp:" in front or not. IPv6 addresses
 * need brackets, as in "[IPv6:::1]". */
static int parse_host(struct pool *pool, struct span text, uint16_t port, struct target *t,
	const char **err_r)
{
	struct span host, rest;
	uint32_t number = 0;
	t->lmtp = span_ihas_prefix(text, SPAN_LIT("lmtp:"));
	if (t->lmtp)
		text = span_make(text.p + 5, text.n - 5);
	size_t end = span_index(text, 0, text.n && text.p[0] == '[' ? ']' : ':');
	if (text.n && text.p[0] == '[') {
		host = span_make(text.p + 1, end - 1);
		end += end < text.n;
	} else {
		host = span_make(text.p, end);
	}
	rest = span_make(text.p + end, text.n - end);
	if (span_ihas_prefix(host, SPAN_LIT("IPv6:")))
		host = span_make(host.p + 5, host.n - 5);
	if (rest.n && (rest.p[0] != ':' ||
			      !num_parse_u32(span_make(rest.p + 1, rest.n - 1), 65535, &number) ||
			      !number))
		host.n = 0;
	if (!host.n) {
		*err_r = pool_printf(pool, "%.*s is no host or host:port.", (int)text.n, text.p);
		return -1;
	}
	t->host = pool_span(pool, host);
	t->port = number ? (uint16_t)number : t->lmtp ? LMTP_PORT : port;
	t->lmtp |= t->port == LMTP_PORT;
	t->use_mx = false;
	return 0;
}

/* The value of `domain=value`, for the domain itself or the nearest ".parent". */
static bool find_route(const struct smtp_agent *agent, struct span domain, struct span *value_r)
{
	struct span word, name;
	size_t best = 0;
	for (size_t at = 0; conf_list_next(agent->conf->routes, &at, &word);) {
		struct span value = word;
		if (!span_split(&value, '=', &name) || !value.p || !name.n)
			continue;
		bool parent = name.p[0] == '.' && domain.n > name.n &&
			span_ieq(span_make(domain.p + domain.n - name.n, name.n), name);
		if ((parent || span_ieq(name, domain)) && name.n > best) {
			best = name.n;
			*value_r = value;
		}
	}
	return best != 0;
}

static bool is_explicit(const char *destination)
{
	return *destination == '[' || strchr(destination, ':');
}

int target_find(const struct smtp_agent *agent, struct pool *pool, const char *destination,
	struct target *target_r, const char **err_r)
{
	struct span text = span_of(destination), route = {0};
	uint16_t port = (uint16_t)agent->conf->port;
	int rc = 0;
	*target_r = (struct target){
		.host = destination, .port = port, .use_mx = true, .may_be_us = true};
	if (find_route(agent, text, &route))
		rc = parse_host(pool, route, port, target_r, err_r);
	else if (is_explicit(destination))
		rc = parse_host(pool, text, port, target_r, err_r);
	else if (*agent->conf->smart_host)
		rc = parse_host(pool, span_of(agent->conf->smart_host), port, target_r, err_r);
	else
		target_r->may_be_us = false;
	if (text.n && text.p[text.n - 1] == ']' && !route.p) /* a literal, as users write it */
		target_r->may_be_us = false;
	const char *ascii = rc == 0 ? domain_to_ascii(pool, target_r->host) : NULL;
	if (ascii)
		target_r->host = ascii; /* else the look-up finds nothing */
	if (rc == 0)
		target_r->key = pool_printf(pool, "%s%s%s:%u", target_r->lmtp ? "lmtp:" : "",
			target_r->use_mx ? "mx:" : target_r->may_be_us ? "" : "literal:", target_r->host, target_r->port);
	return rc;
}

/* --- hosts --- */

struct search {
	struct smtp_agent *agent;
	struct pool *pool;
	const struct target *target;
	ARRAY(struct peer) peers;
	bool tempfail;  /* some look-up gave no answer */
	bool own;       /* some address was ours */
	int64_t deadline;
};

static void add_peer(struct search *s, const char *name, const struct sockaddr_storage *addr)
{
	struct str text = STR_IN(s->pool);
	struct peer *p = array_add(&s->peers);
	p->name = name;
	p->addr = *addr;
	p->len = addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					     : sizeof(struct sockaddr_in);
	str_printf(&text, "%s[", name);
	net_put_host(&text, (const struct sockaddr *)addr);
	str_printf(&text, "]:%u", s->target->port);
	p->text = str_c(&text);
}

/* A host that is this machine would give the mail back to us: only where the configuration says so. */
static void add_address(struct search *s, const char *name, const struct sockaddr_storage *addr)
{
	if (!s->target->may_be_us && !s->agent->conf->loopback &&
		net_is_own((const struct sockaddr *)addr))
		s->own = true;
	else
		add_peer(s, name, addr);
}

static bool add_literal(struct search *s, const char *text)
{
	struct net_addr addr;
	if (!net_parse_host(text, &addr))
		return false;
	((struct sockaddr_in *)&addr.sa)->sin_port = htons(s->target->port); /* same place in IPv6's */
	add_address(s, text, &addr.sa);
	return true;
}

static void add_host(struct search *s, const char *host)
{
	struct sockaddr_storage *addr;
	size_t n;
	size_t most = s->agent->conf->hosts_max;
	enum dns_status status =
		dns_addr(s->agent->dns, s->pool, host, s->target->port, s->deadline, &addr, &n);
	s->tempfail |= status == DNS_TEMPFAIL;
	for (size_t i = 0; status == DNS_OK && i < n && s->peers.n < most; i++)
		add_address(s, host, &addr[i]);
}

static struct outcome fail(const char *status, const char *text)
{
	return outcome_make(*status == '5' ? FATE_FAILED : FATE_DEFERRED, status, text);
}

/* RFC 5321 5.1: of the hosts only those better than ourselves. */
static size_t before_ourselves(const struct search *s, const struct dns_mx *mx, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(mx[i].host, s->agent->hostname) == 0) {
			while (i > 0 && mx[i - 1].preference == mx[i].preference)
				i--;
			return i;
		}
	return n;
}

/* True when the search is over, with what *outcome_r says. */
static bool search_mx(struct search *s, struct outcome *outcome_r)
{
	const char *domain = s->target->host;
	struct dns_mx *mx;
	size_t n = 0;
	enum dns_status status = dns_mx(s->agent->dns, s->pool, domain, s->deadline, &mx, &n);
	if (status == DNS_TEMPFAIL) {
		*outcome_r =
			fail("4.4.3", pool_printf(s->pool, "The MX look-up of %s failed.", domain));
		return true;
	}
	if (status == DNS_NONE) {
		add_host(s, domain); /* the implicit MX */
		if (s->own)
			s->peers.n = 0;
		return false;
	}
	if (n == 1 && !*mx[0].host) {
		*outcome_r = fail(
			"5.1.10", pool_printf(s->pool,
					  "556 The domain %s accepts no mail (null MX).", domain));
		return true;
	}
	size_t better = before_ourselves(s, mx, n), same = 0;
	for (size_t i = 0; i < better && !s->own && s->peers.n < s->agent->conf->hosts_max; i++) {
		if (i && mx[i].preference != mx[i - 1].preference)
			same = s->peers.n;
		if (*mx[i].host && !add_literal(s, mx[i].host))
			add_host(s, mx[i].host);
	}
	if (s->own) /* it is known by its address */
		s->peers.n = same;
	s->own |= better < n;
	return false;
}

/* Nothing was found: why. */
static struct outcome nothing(const struct search *s)
{
	const char *host = s->target->host;
	if (s->tempfail)
		return fail(
			"4.4.3", pool_printf(s->pool, "The address look-up for %s failed.", host));
	if (s->own)
		return fail("5.4.6",
			pool_printf(s->pool,
				"The best mail host for %s is this host: mail would loop.", host));
	return s->target->use_mx
		       ? fail("5.1.2",
				 pool_printf(s->pool,
					 "The domain %s does not exist or has no mail host.", host))
		       : fail("4.4.3", pool_printf(s->pool, "The host %s is not known.", host));
}

size_t target_peers(struct smtp_agent *agent, struct pool *pool, const struct target *target,
	struct peer **peers_r, struct outcome *outcome_r)
{
	struct search s = {
		.agent = agent,
		.pool = pool,
		.target = target,
		.peers = ARRAY_IN(pool),
		.deadline = io_deadline(DNS_TIMEOUT_MS),
	};
	if (!add_literal(&s, target->host)) {
		if (!target->use_mx)
			add_host(&s, target->host);
		else if (search_mx(&s, outcome_r))
			return 0;
	}
	if (!s.peers.n)
		*outcome_r = nothing(&s);
	*peers_r = s.peers.v;
	return s.peers.n;
}
