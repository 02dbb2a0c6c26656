#include "imap/seqset.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/str.h"

static bool parse_end_point(struct imap_parse *c, uint32_t *v_r)
{
	uint64_t v;

	if (imap_parse_skip(c, '*')) {
		*v_r = IMAP_STAR;
		return true;
	}
	if (!imap_parse_number(c, UINT32_MAX, &v) || v == 0) {
		c->err = NULL;
		return imap_parse_fail(c, "The message set is malformed.");
	}
	*v_r = (uint32_t)v;
	return true;
}

bool imap_parse_seqset(struct imap_parse *c, struct seqset *set_r)
{
	ARRAY(struct seq_range) ranges = ARRAY_IN(c->pool);

	*set_r = (struct seqset){0};
	if (c->err)
		return false;
	do {
		struct seq_range r = {0};
		if (!parse_end_point(c, &r.from))
			return false;
		r.to = r.from;
		if (imap_parse_skip(c, ':') && !parse_end_point(c, &r.to))
			return false;
		*array_add(&ranges) = r;
	} while (imap_parse_skip(c, ','));
	set_r->v = ranges.v;
	set_r->n = ranges.n;
	return true;
}

static int by_from(const void *a, const void *b)
{
	const struct seq_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* "*" and the direction; true when the ranges were ascending already. */
static bool put_star(struct seqset *set, uint32_t star)
{
	bool sorted = true;

	for (size_t i = 0; i < set->n; i++) {
		struct seq_range *r = &set->v[i];
		if (r->from == IMAP_STAR)
			r->from = star;
		if (r->to == IMAP_STAR)
			r->to = star;
		if (r->from > r->to)
			*r = (struct seq_range){r->to, r->from};
		if (i && r->from < r[-1].from)
			sorted = false;
	}
	return sorted;
}

void seqset_resolve(struct seqset *set, uint32_t star)
{
	size_t n = 0;

	if (!put_star(set, star))
		qsort(set->v, set->n, sizeof(*set->v), by_from);
	for (size_t i = 0; i < set->n; i++) {
		struct seq_range r = set->v[i];
		if (r.to == 0)
			continue;
		if (r.from == 0)
			r.from = 1;
		if (n && r.from <= set->v[n - 1].to + (set->v[n - 1].to < UINT32_MAX)) {
			if (r.to > set->v[n - 1].to)
				set->v[n - 1].to = r.to;
		} else {
			set->v[n++] = r;
		}
	}
	set->n = n;
}

bool seqset_has(const struct seqset *set, uint32_t v)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->v[mid].to < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < set->n && set->v[lo].from <= v;
}

uint32_t seqset_max(const struct seqset *set)
{
	return set->n ? set->v[set->n - 1].to : 0;
}

uint64_t seqset_count(const struct seqset *set)
{
	uint64_t count = 0;

	for (size_t i = 0; i < set->n; i++)
		count += (uint64_t)set->v[i].to - set->v[i].from + 1;
	return count;
}

static uint32_t number_at(const uint32_t *v, size_t i, size_t stride)
{
	return *(const uint32_t *)((const char *)v + i * stride);
}

void imap_put_numbers(struct str *out, const uint32_t *v, size_t n, size_t stride)
{
	for (size_t i = 0; i < n;) {
		uint32_t from = number_at(v, i, stride), to = from;
		while (++i < n && to < UINT32_MAX && number_at(v, i, stride) == to + 1)
			to++;
		str_put_u64(out, from);
		if (to > from) {
			str_putc(out, ':');
			str_put_u64(out, to);
		}
		if (i < n)
			str_putc(out, ',');
	}
}
