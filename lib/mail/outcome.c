#include "mail/outcome.h"

#include "base/array.h"

static const struct {
	const char *name;
	const char *classes; /* first digits of a status that it can have */
} fates[] = {
	[FATE_DELIVERED] = {"delivered", "2"},
	[FATE_RELAYED] = {"relayed", "2"},
	[FATE_HANDED_ON] = {"handed-on", "2"},
	[FATE_EXPANDED] = {"expanded", "2"},
	[FATE_DEFERRED] = {"deferred", "4"},
	[FATE_FAILED] = {"failed", "45"}, /* 4: given up after many tries */
};

const char *fate_name(enum fate fate)
{
	return fates[fate].name;
}

int fate_parse(struct span name, enum fate *fate_r)
{
	for (size_t i = 0; i < COUNT_OF(fates); i++) {
		if (span_is(name, fates[i].name)) {
			*fate_r = (enum fate)i;
			return 0;
		}
	}
	return -1;
}

struct outcome outcome_make(enum fate fate, const char *status, const char *text)
{
	return (struct outcome){.fate = fate, .status = status, .text = text, .remote_mta = ""};
}

/* How many octets of s are an enhanced status code (RFC 3463 2); 0 none. */
static size_t status_len(struct span s)
{
	size_t at = 1;
	if (s.n < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5'))
		return 0;
	for (int part = 0; part < 2; part++) {
		if (at >= s.n || s.p[at++] != '.')
			return 0;
		size_t start = at;
		while (at < s.n && at - start < 3 && ascii_is_digit(s.p[at]))
			at++;
		if (at == start)
			return 0;
	}
	return at;
}

bool outcome_is_valid(const struct outcome *o)
{
	struct span status = span_of(o->status);
	if ((size_t)o->fate >= COUNT_OF(fates) || !o->text || !o->remote_mta)
		return false;
	size_t n = status_len(status);
	return n && n == status.n && strchr(fates[o->fate].classes, status.p[0]);
}

const char *outcome_status_of(struct pool *pool, unsigned code, struct span text)
{
	size_t n = status_len(text);
	unsigned class = code / 100;
	bool fits = n && (n == text.n || text.p[n] == ' ') && (unsigned)(text.p[0] - '0') == class;
	if (fits)
		return pool_strndup(pool, text.p, n);
	return class == 2 ? "2.0.0" : class == 4 ? "4.0.0" : "5.0.0";
}
