#include "master/directoryd/directoryd.h"

#include "base/clock.h"

/*
 * Who is over quota, as `local` says: RCPT refuses them early. A mark is a hint with an end: local repeats it while it
 * holds, and one whose local has died must not keep mail away for ever.
 */
#define MARK_MS  (2 * 60 * 1000)
#define MARKS_MAX 100000 /* past it nothing more is marked: such mail is refused at delivery instead */

struct mark {
	int64_t until;
};

static void forget(struct directoryd *d, const char *account)
{
	struct mark *m = hash_remove(d->over_quota, span_of(account));
	mem_free(&m);
}

void over_quota_note(struct directoryd *d, const char *account, bool over)
{
	struct mark *m = hash_find(d->over_quota, span_of(account));
	if (!over) {
		forget(d, account);
		return;
	}
	if (!m) {
		if (hash_count(d->over_quota) >= MARKS_MAX)
			return;
		m = mem_new(struct mark);
		hash_set(d->over_quota, span_of(account), m);
	}
	m->until = clock_mono_ms() + MARK_MS;
}

bool over_quota_is(struct directoryd *d, const char *account)
{
	struct mark *m = hash_find(d->over_quota, span_of(account));
	if (!m || m->until > clock_mono_ms())
		return m != NULL;
	forget(d, account);
	return false;
}

void over_quota_free(struct directoryd *d)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(d->over_quota, &at, &key, &value))
		mem_free(&value);
	hash_free(&d->over_quota);
}
