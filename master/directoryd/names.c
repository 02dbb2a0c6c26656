#include "master/directoryd/directoryd.h"

#include "base/utf8.h"

#define DOMAIN_OCTETS_MAX 255

const char *name_domain(struct pool *pool, const char *domain)
{
	size_t n = strlen(domain);
	if (n && domain[n - 1] == '.')
		n--;
	if (!n || n > DOMAIN_OCTETS_MAX || !utf8_is_valid(span_make(domain, n)))
		return NULL;
	char *lower = pool_strndup(pool, domain, n);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)lower[i];
		if (c <= ' ' || c == 127 || c == '@' || c == '/' || c == ',')
			return NULL;
		if (c == '.' && (i == 0 || i + 1 == n || lower[i - 1] == '.'))
			return NULL;
		lower[i] = (char)ascii_lower(c);
	}
	return lower;
}

const char *name_key(
	const struct directoryd *d, struct pool *pool, const char *local, const char *domain)
{
	const char *lower_domain = *domain ? name_domain(pool, domain) : d->default_domain;
	size_t n = strlen(local);
	if (!lower_domain || !n || n + strlen(lower_domain) + 1 > NAME_OCTETS_MAX
		|| !utf8_is_valid(span_make(local, n)))
		return NULL;
	char *key = pool_printf(pool, "%s@%s", local, lower_domain);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)key[i];
		if (c < ' ' || c == 127)
			return NULL;
		key[i] = (char)ascii_lower(c);
	}
	return key;
}

const char *name_parse(const struct directoryd *d, struct pool *pool, const char *address)
{
	const char *at = strrchr(address, '@');
	if (!at)
		return name_key(d, pool, address, "");
	if (at == address || !at[1])
		return NULL;
	return name_key(d, pool, pool_strndup(pool, address, (size_t)(at - address)), at + 1);
}

bool name_is_in(struct span key, const char *domain)
{
	size_t n = strlen(domain);
	return key.n > n && key.p[key.n - n - 1] == '@'
		&& span_eq(span_make(key.p + key.n - n, n), span_make(domain, n));
}
