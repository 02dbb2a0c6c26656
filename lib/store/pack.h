/*
 * Packs: append-only files of bodies (format.h). A process writes one pack at a time; all of its
 * accounts share it, and so its syncs. Any process reads any pack.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/hash.h"
#include "io/commit.h"
#include "store/format.h"
#include "store/store.h"

struct pack; /* being written */

/* One opened for reading. */
struct pack_file {
	uint64_t id;
	int fd;
	unsigned pins; /* fibers that read from it */
	uint64_t used; /* clock of the cache */
};

/* Sealed packs whose blobs may still be recorded; of an older one a blob counts as lost, and its sender tries again. */
#define PACKS_SEALED_MAX 16

struct packs {
	int *dirs; /* the packs folders of all partitions; [0] is where new ones go */
	size_t ndirs;
	uint64_t size; /* sealed past this */
	int (*sync)(int fd);
	struct fiber_mutex making;
	struct pack *current;
	struct list all;    /* current and those that somebody waits for */
	uint64_t sealed[PACKS_SEALED_MAX]; /* ids of the last ones that this process has sealed, a ring */
	size_t nsealed;
	struct hash *files; /* id -> struct pack_file */
	uint64_t clock;
};

#define PACK_FILES_MAX 1024 /* open for reading, apart from pinned ones */

/* dirs (descriptors) become the packs'. */
void packs_init(struct packs *p, int *dirs, size_t ndirs, uint64_t size, int (*sync)(int fd));
/* Seals what this process wrote. */
void packs_fini(struct packs *p);

/* blob_put of store.h. */
enum store_status packs_put(struct packs *p, struct span body, const char *const *readers,
	size_t nreaders, struct blob *blob_r);
/* The blob, one that packs_put of these packs has written, is durable when this returns STORE_OK. */
enum store_status packs_sync(struct packs *p, const struct blob *blob);

/* NULL with errno. */
struct pack_file *packs_open(struct packs *p, uint64_t id);

/* --- the bytes, for readers and checks --- */

struct blob_head {
	uint64_t at, body_at, body_size;
	uint32_t head_size, crc, nreaders;
	unsigned char sha256[32];
	struct span readers;
};
/* bytes: the head of a blob at that place of its pack: 0, or -1 damaged. */
int blob_head_parse(struct span bytes, uint32_t salt, uint64_t at, struct blob_head *head_r);
/* 1, 0 at the end, -1 damaged. rest starts as head.readers. */
int blob_reader_next(struct span *rest, struct span *reader_r);
/* The length of the head that ends with these 8 octets, right before a body. */
uint32_t blob_head_size(struct span last8);
int pack_parse_header(struct span bytes, uint64_t id, uint32_t *salt_r);

#endif
