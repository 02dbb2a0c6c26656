#include "agent/line.h"
#include "base/clock.h"
#include "base/log.h"

#define ORPHAN_KEPT_MS (15 * 60 * 1000)
#define ORPHANS_MAX    20000 /* the oldest are forgotten: their deliveries may be repeated */

static bool remembers(const struct line *line)
{
	return !line->agent->segments;
}

void memory_init(struct line *line)
{
	list_init(&line->running);
	list_init(&line->unnoted);
	list_init(&line->orphan_list);
	line->orphans = hash_new();
}

/* Message, purpose and recipients: another set of recipients is another delivery. */
static void make_key(struct work *w)
{
	str_printf(&w->key, "%s %s %s", w->envelope.trace.s, w->job.reason, w->envelope.sender);
	for (size_t i = 0; i < w->job.n; i++) {
		str_putc(&w->key, '\n');
		str_puts(&w->key, w->job.recipients[i].address);
	}
}

static void forget(struct work *w)
{
	hash_remove(w->line->orphans, str_span(&w->key));
	list_remove(&w->link);
	w->orphan = false;
}

static void sweep(struct line *line)
{
	int64_t now = clock_mono_ms();
	list_each (l, &line->orphan_list) {
		struct work *w = list_entry(l, struct work, link);
		if (now - w->orphan_since < ORPHAN_KEPT_MS &&
			hash_count(line->orphans) <= ORPHANS_MAX)
			return;
		if (!w->finished)
			continue; /* frees itself when it ends */
		forget(w);
		work_free(w);
	}
}

static void make_orphan(struct work *w)
{
	struct work *other = hash_set(w->line->orphans, str_span(&w->key), w);
	list_remove(&w->link);
	list_add_tail(&w->line->orphan_list, &w->link);
	w->orphan = true;
	w->orphan_since = clock_mono_ms();
	if (!other)
		return;
	list_remove(&other->link);
	other->orphan = false;
	if (other->finished)
		work_free(other);
}

/* The older one answers in place of the new one. */
static void adopt(struct work *old, const struct work *w)
{
	struct line *line = old->line;
	forget(old);
	old->id = w->id;
	old->generation = line->generation;
	if (!old->finished) {
		list_add_tail(&line->running, &old->link);
		return;
	}
	work_send_result(old);
	list_add_tail(&line->unnoted, &old->link);
}

bool memory_takes(struct line *line, struct work *w)
{
	if (!remembers(line))
		return false;
	make_key(w);
	sweep(line);
	struct work *old = hash_find(line->orphans, str_span(&w->key));
	if (!old)
		return false;
	log_info("a job that was given out before is answered once trace=%s", w->envelope.trace.s);
	adopt(old, w);
	return true;
}

void memory_started(struct work *w)
{
	list_add_tail(&w->line->running, &w->link);
}

void memory_finished(struct work *w)
{
	w->finished = true;
	if (w->orphan)
		return; /* waits for its job to come again */
	list_remove(&w->link);
	if (remembers(w->line) && w->generation == w->line->generation)
		list_add_tail(&w->line->unnoted, &w->link);
	else
		work_free(w);
}

void memory_noted(struct line *line, uint64_t count)
{
	for (; line->noted < count && !list_is_empty(&line->unnoted); line->noted++) {
		struct work *w = list_entry(line->unnoted.next, struct work, link);
		list_remove(&w->link);
		work_free(w);
	}
}

void memory_line_ended(struct line *line)
{
	line->noted = 0;
	if (!remembers(line))
		return;
	list_each (l, &line->running)
		make_orphan(list_entry(l, struct work, link));
	list_each (l, &line->unnoted)
		make_orphan(list_entry(l, struct work, link));
}
