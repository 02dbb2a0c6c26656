/*
 * Sets of sequence numbers or UIDs: "1:5,7,10:*" (RFC 3501 sequence-set). Kept as ranges whatever
 * they cover, never expanded.
 */
#ifndef IMAP_SEQSET_H
#define IMAP_SEQSET_H

#include "imap/parse.h"

struct str;

#define IMAP_STAR 0 /* "*" before it is resolved: no number that a client can write */

struct seq_range {
	uint32_t from, to;
};
struct seqset {
	struct seq_range *v;
	size_t n;
};

/* As written: ranges in any order and direction, IMAP_STAR in them. */
bool imap_parse_seqset(struct imap_parse *c, struct seqset *set_r);
/* Puts star (the largest number in use, 0 for none) in place of "*", then sorts and joins: from
 * <= to, ascending, disjoint, not adjacent. What star 0 leaves empty goes. In place, n log n. */
void seqset_resolve(struct seqset *set, uint32_t star);
/* Of a resolved set. */
bool seqset_has(const struct seqset *set, uint32_t v);
uint32_t seqset_max(const struct seqset *set); /* 0 when empty */
uint64_t seqset_count(const struct seqset *set);

/* "1:3,7": runs of consecutive ascending numbers shortened, the order kept. stride: distance in
 * octets from one number to the next. */
void imap_put_numbers(struct str *out, const uint32_t *v, size_t n, size_t stride);

#endif
