/* The mechanisms that are offered: what directoryd can do, as far as the configuration allows it,
 * cached. */
#include "base/clock.h"
#include "conf/conf.h"
#include "smtpd/smtpd.h"

#define KEEP_MS 60000

struct mech_cache {
	struct {
		char *names;
		int64_t until;
	} phase[2]; /* without and with TLS */
};

struct mech_cache *mech_cache_new(void)
{
	return mem_new(struct mech_cache);
}

void mech_cache_free(struct mech_cache **c)
{
	if (!*c)
		return;
	mem_free(&(*c)->phase[0].names);
	mem_free(&(*c)->phase[1].names);
	mem_free(c);
}

/* What needs a channel to bind to. */
static bool binds(struct span name)
{
	return name.n > 5 && span_is(span_make(name.p + name.n - 5, 5), "-PLUS");
}

bool mech_needs_tls(const struct smtpd *d, const char *mechanism)
{
	return !d->conf->auth_plain_without_tls &&
		(strcasecmp(mechanism, "PLAIN") == 0 || strcasecmp(mechanism, "LOGIN") == 0);
}

static char *ask(struct smtpd *d, struct pool *pool, bool tls)
{
	struct str out = STR_INIT;
	struct span word;
	const char *names = auth_mechanisms(d->auth, pool, tls || d->conf->auth_plain_without_tls);
	for (size_t at = 0; conf_list_next(names, &at, &word);) {
		const char *name = pool_span(pool, word);
		if (!auth_is_listed(
			    d->conf->auth_mechanisms, d->conf->auth_channel_binding, word) ||
			(!tls && (binds(word) || mech_needs_tls(d, name))))
			continue;
		if (out.len)
			str_putc(&out, ' ');
		str_add_span(&out, word);
	}
	char *copy = mem_strdup(str_c(&out));
	str_fini(&out);
	return copy;
}

const char *mechs_offered(struct smtpd *d, struct pool *pool, bool tls)
{
	int64_t now = clock_mono_ms();
	if (!d->mechs->phase[tls].names || now >= d->mechs->phase[tls].until) {
		char *names = ask(d, pool, tls); /* waits: another fiber may have been here */
		mem_free(&d->mechs->phase[tls].names);
		d->mechs->phase[tls].names = names;
		/* An empty answer is most likely a directoryd that is starting. */
		d->mechs->phase[tls].until = now + (*names ? KEEP_MS : 0);
	}
	return pool_strdup(pool, d->mechs->phase[tls].names);
}
