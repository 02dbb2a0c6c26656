#include "store/name.h"

#include "base/utf8.h"
#include "store/store.h"

static bool has_control(const char *s)
{
	struct span rest = span_of(s);
	uint32_t cp;
	for (int n; (n = utf8_next(rest, &cp)) > 0; rest.p += n, rest.n -= (size_t)n)
		if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
			return true;
	return false;
}

static bool levels_are_good(struct span name)
{
	unsigned levels = 0;
	struct span level;
	while (span_split(&name, '/', &level))
		if (!level.n || ++levels > STORE_LEVELS_MAX)
			return false;
	return levels > 0;
}

const char *name_clean(struct pool *pool, const char *name)
{
	struct span whole = span_of(name);
	if (!whole.n || whole.n > STORE_NAME_MAX || !utf8_is_valid(whole) || has_control(name) ||
		!levels_are_good(whole))
		return NULL;
	char *clean = pool_strdup(pool, name);
	if (span_iis(span_make(name, span_index(whole, 0, '/')), "INBOX"))
		memcpy(clean, "INBOX", 5); /* NOLINT(bugprone-not-null-terminated-result): what follows stays */
	return clean;
}

struct span name_parent(struct span name)
{
	while (name.n && name.p[name.n - 1] != '/')
		name.n--;
	name.n -= name.n > 0;
	return name;
}

bool name_is_below(const char *name, const char *parent)
{
	size_t n = strlen(parent);
	return strncmp(name, parent, n) == 0 && name[n] == '/';
}

bool keyword_is_valid(const char *keyword)
{
	size_t n = 0;
	for (const unsigned char *c = (const unsigned char *)keyword; *c; c++, n++)
		if (*c <= ' ' || *c >= 127 || strchr("(){%*\"\\]", *c))
			return false;
	return n && n <= KEYWORD_MAX;
}
