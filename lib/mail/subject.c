#include "mail/subject.h"

#include "mail/encoded.h"

static struct span from(struct span s, size_t n)
{
	return span_make(s.p + n, s.n - n);
}

static struct span skip_spaces(struct span s)
{
	while (s.n && s.p[0] == ' ')
		s = from(s, 1);
	return s;
}

/* subj-blob: "[" anything but brackets "]" and white space. What follows, or s itself. */
static struct span skip_blob(struct span s)
{
	if (!s.n || s.p[0] != '[')
		return s;
	for (size_t i = 1; i < s.n && s.p[i] != '['; i++)
		if (s.p[i] == ']')
			return skip_spaces(from(s, i + 1));
	return s;
}

/* subj-refwd: ("re" / ("fw" ["d"])) [blob] ":". What follows, or s itself. */
static struct span skip_refwd(struct span s)
{
	struct span rest;
	if (span_ihas_prefix(s, SPAN_LIT("fwd")))
		rest = from(s, 3);
	else if (span_ihas_prefix(s, SPAN_LIT("re")) || span_ihas_prefix(s, SPAN_LIT("fw")))
		rest = from(s, 2);
	else
		return s;
	rest = skip_blob(skip_spaces(rest));
	return rest.n && rest.p[0] == ':' ? from(rest, 1) : s;
}

/* Takes leaders and blobs off the front. When the blobs in front lead to no "re:", all of them go
 * at once (all but the last if nothing else is left), so that this stays linear. */
static struct span strip_front(struct span s, bool *reply)
{
	for (;;) {
		struct span rest, before_last;
		s = skip_spaces(s);
		rest = before_last = s;
		for (struct span next = skip_blob(rest); next.n < rest.n; next = skip_blob(rest)) {
			before_last = rest;
			rest = next;
		}
		struct span after = skip_refwd(rest);
		if (after.n == rest.n)
			return rest.n ? rest : before_last;
		*reply = true;
		s = after;
	}
}

static struct span strip_back(struct span s, bool *reply)
{
	static const struct span fwd = SPAN_LIT("(fwd)");
	for (;;) {
		while (s.n && s.p[s.n - 1] == ' ')
			s.n--;
		if (s.n < fwd.n || !span_ieq(from(s, s.n - fwd.n), fwd))
			return s;
		s.n -= fwd.n;
		*reply = true;
	}
}

static void put_collapsed(struct str *out, struct span value)
{
	struct str text = STR_INIT;
	encoded_put_decoded(&text, value);
	char *q = str_reserve(out, text.len);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.s[i];
		if (c == '\t' || c == '\r' || c == '\n')
			c = ' ';
		if (c != ' ' || (n && q[n - 1] != ' '))
			q[n++] = c;
	}
	q[n] = '\0';
	out->len += n;
	str_fini(&text);
}

bool subject_put_base(struct str *out, struct span value)
{
	struct str text = STR_INIT;
	bool reply = false;
	if (value.n > SUBJECT_MAX)
		value.n = SUBJECT_MAX;
	put_collapsed(&text, value);
	struct span s = str_span(&text);
	for (;;) {
		s = strip_front(strip_back(s, &reply), &reply);
		if (!span_ihas_prefix(s, SPAN_LIT("[fwd:")) || s.p[s.n - 1] != ']')
			break;
		s = span_make(s.p + 5, s.n - 6);
		reply = true;
	}
	char *q = str_reserve(out, s.n);
	for (size_t i = 0; i < s.n; i++)
		q[i] = (char)ascii_upper(s.p[i]);
	q[s.n] = '\0';
	out->len += s.n;
	str_fini(&text);
	return reply;
}
