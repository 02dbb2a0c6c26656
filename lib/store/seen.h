/*
 * The deliveries that an account has had (design rule 17): a ring of the last SEEN_MAX ids of the
 * last SEEN_SECONDS. A delivery repeated within that window is stored once.
 */
#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include "base/wire.h"
#include "store/record.h"

struct seen;

struct seen *seen_new(void);
void seen_free(struct seen **s);

/* The 16 octets that stand for a delivery id. */
void seen_digest(const char *delivery_id, unsigned char digest_r[OP_SEEN_SIZE]);
/* at: position of the record that says so. */
void seen_add(
	struct seen *s, const unsigned char *digest, int64_t time_s, uint32_t uid, uint64_t at);
/* 1 and the UID it got; 0 not seen. */
int seen_find(const struct seen *s, const unsigned char *digest, uint32_t *uid_r);

/* Those of records before the position: a checkpoint must not know of a delivery that may yet be
 * lost. */
void seen_put(const struct seen *s, int64_t now_s, uint64_t before, struct str *out);
int seen_parse(struct seen *s, struct reader *in);

#endif
