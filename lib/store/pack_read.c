/* Packs that are read: a cache of descriptors, and the parsers of what is in them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/wire.h"
#include "os/os.h"
#include "store/pack.h"

static void drop_oldest(struct packs *p)
{
	size_t at = 0;
	struct span key;
	void *value;
	struct pack_file *oldest = NULL;
	while (hash_next(p->files, &at, &key, &value)) {
		struct pack_file *f = value;
		if (!f->pins && (!oldest || f->used < oldest->used))
			oldest = f;
	}
	if (!oldest)
		return;
	hash_remove(p->files, hash_key_u64(&oldest->id));
	close(oldest->fd);
	mem_free(&oldest);
}

static int open_any(const struct packs *p, uint64_t id)
{
	char name[32];
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)id);
	for (size_t i = 0; i < p->ndirs; i++) {
		int fd = openat(p->dirs[i], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 || errno != ENOENT)
			return fd;
	}
	return -1;
}

struct pack_file *packs_open(struct packs *p, uint64_t id)
{
	struct pack_file *f = hash_find(p->files, hash_key_u64(&id));
	if (!f) {
		int fd = open_any(p, id);
		if (fd < 0)
			return NULL;
		if (hash_count(p->files) >= PACK_FILES_MAX)
			drop_oldest(p);
		f = mem_new(struct pack_file);
		f->id = id;
		f->fd = fd;
		hash_set(p->files, hash_key_u64(&id), f);
	}
	f->used = ++p->clock;
	return f;
}

int blob_head_parse(struct span bytes, uint32_t salt, uint64_t at, struct blob_head *head_r)
{
	struct reader in = reader_of(bytes);
	uint32_t found_salt = get_u32(&in);
	*head_r = (struct blob_head){.at = at, .head_size = get_u32(&in)};
	uint64_t position = get_u64(&in);
	head_r->body_size = get_u64(&in);
	head_r->crc = get_u32(&in);
	head_r->nreaders = get_u32(&in);
	struct span sum = get_bytes(&in, 32);
	if (in.bad || found_salt != salt || position != at || head_r->head_size < BLOB_HEAD_MIN ||
		head_r->head_size > bytes.n || head_r->head_size > BLOB_HEAD_MAX ||
		head_r->head_size % 8 || head_r->nreaders > BLOB_READERS_MAX)
		return -1;
	memcpy(head_r->sha256, sum.p, 32);
	head_r->body_at = at + head_r->head_size;
	head_r->readers = span_make(bytes.p + 64, head_r->head_size - BLOB_HEAD_MIN);
	struct reader end = reader_of(span_make(bytes.p + head_r->head_size - 8, 8));
	return get_u32(&end) == os_crc32c(0, bytes.p, head_r->head_size - 8) ? 0 : -1;
}

int blob_reader_next(struct span *rest, struct span *reader_r)
{
	if (!rest->n || !*rest->p)
		return 0;
	struct reader in = reader_of(*rest);
	*reader_r = get_bytes(&in, get_u8(&in));
	*rest = span_make(in.p, reader_left(&in));
	return in.bad ? -1 : 1;
}

uint32_t blob_head_size(struct span last8)
{
	if (last8.n < 8)
		return 0;
	struct reader in = reader_of(span_make(last8.p + 4, 4));
	return get_u32(&in);
}
