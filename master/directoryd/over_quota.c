#include "master/directoryd/directoryd.h"

#include "base/clock.h"

#define MARKS_MAX 100000 /* past it nothing more is marked: such mail is refused at delivery instead */

struct mark {
	int64_t until;
};

struct over_quota {
	struct hash *marks; /* account id -> struct mark */
	int64_t life;
};

struct over_quota *over_quota_new(int64_t life_ms)
{
	struct over_quota *o = mem_new(struct over_quota);
	o->marks = hash_new();
	o->life = life_ms;
	return o;
}

void over_quota_free(struct over_quota **o)
{
	size_t at = 0;
	struct span key;
	void *value;
	if (!*o)
		return;
	while (hash_next((*o)->marks, &at, &key, &value))
		mem_free(&value);
	hash_free(&(*o)->marks);
	mem_free(o);
}

static void forget(struct over_quota *o, const char *account)
{
	struct mark *m = hash_remove(o->marks, span_of(account));
	mem_free(&m);
}

void over_quota_note(struct over_quota *o, const char *account, bool over)
{
	struct mark *m = hash_find(o->marks, span_of(account));
	if (!over) {
		forget(o, account);
		return;
	}
	if (!m) {
		if (hash_count(o->marks) >= MARKS_MAX)
			return;
		m = mem_new(struct mark);
		hash_set(o->marks, span_of(account), m);
	}
	m->until = clock_mono_ms() + o->life;
}

bool over_quota_is(struct over_quota *o, const char *account)
{
	struct mark *m = hash_find(o->marks, span_of(account));
	if (!m || m->until > clock_mono_ms())
		return m != NULL;
	forget(o, account);
	return false;
}
