#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/wire.h"
#include "io/io.h"
#include "os/os.h"

#define AHEAD	  (512 * 1024) /* written ahead with zeros, so that a sync changes no metadata */
#define SMALL	  (64 * 1024)  /* beyond it the body costs more than the metadata */
#define LARGE	  (256 * 1024) /* summed and written on a helper thread */
#define PACK_NAME 32

/* Bytes of a large blob on their way to the file: durable ends before the first of them. */
struct flight {
	struct list link;
	uint64_t at;
};

struct pack {
	struct list link;
	uint64_t id;
	uint32_t salt;
	int fd;
	struct commit *commit;
	uint64_t end, room, durable;
	uint64_t blobs, octets;
	struct list flights;
	unsigned users; /* fibers that use it across a wait */
	bool dead;	/* a write or sync failed: nothing more goes here */
	bool sealed;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): dirs becomes ours, to be closed and freed */
void packs_init(struct packs *p, int *dirs, size_t ndirs, uint64_t size, int (*sync)(int fd))
{
	*p = (struct packs){.dirs = dirs, .ndirs = ndirs, .size = size, .sync = sync};
	p->files = hash_new();
	list_init(&p->all);
}

static void pack_name(char name[PACK_NAME], uint64_t id)
{
	snprintf(name, PACK_NAME, "%016llx", (unsigned long long)id);
}

/* --- making and sealing --- */

/* Never used again: time in microseconds and chance. */
static uint64_t mint_id(void)
{
	uint16_t noise;
	os_random(&noise, sizeof(noise));
	return (uint64_t)clock_wall_us() << 10 | (noise & 1023);
}

static void put_pack_header(struct str *out, uint64_t id, uint32_t salt)
{
	str_add(out, PACK_MAGIC, 8);
	put_u32(out, FORMAT_VERSION);
	put_u32(out, salt);
	put_u64(out, id);
	while (out->len < PACK_HEADER - 4)
		put_u8(out, 0);
	put_u32(out, os_crc32c(0, out->s, out->len));
}

int pack_parse_header(struct span bytes, uint64_t id, uint32_t *salt_r)
{
	if (bytes.n < PACK_HEADER)
		return -1;
	struct reader in = reader_of(bytes),
		      sum = reader_of(span_make(bytes.p + PACK_HEADER - 4, 4));
	bool magic = span_eq(get_bytes(&in, 8), span_make(PACK_MAGIC, 8));
	uint32_t version = get_u32(&in);
	*salt_r = get_u32(&in);
	return magic && version == FORMAT_VERSION && *salt_r && get_u64(&in) == id &&
			       get_u32(&sum) == os_crc32c(0, bytes.p, PACK_HEADER - 4)
		       ? 0
		       : -1;
}

struct making {
	struct packs *packs;
	struct pack *pack;
};

static int make_file(void *arg)
{
	struct making *m = arg;
	struct pack *k = m->pack;
	char name[PACK_NAME];
	do {
		k->id = mint_id();
		pack_name(name, k->id);
		k->fd = openat(
			m->packs->dirs[0], name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} while (k->fd < 0 && errno == EEXIST);
	if (k->fd < 0)
		return -1;
	struct str header = STR_INIT;
	put_pack_header(&header, k->id, k->salt);
	int rc = os_lock_try(k->fd, true) < 0 ||
				 os_pwrite_all(k->fd, header.s, header.len, 0) < 0 ||
				 os_sync_dir(m->packs->dirs[0]) < 0
			 ? -1
			 : 0;
	int cause = errno;
	str_fini(&header);
	if (rc < 0) /* else each attempt on a full disk would leave one */
		unlinkat(m->packs->dirs[0], name, 0);
	errno = cause;
	return rc;
}

static struct pack *pack_make(struct packs *p)
{
	struct pack *k = mem_new(struct pack);
	k->fd = -1;
	do
		os_random(&k->salt, sizeof(k->salt));
	while (!k->salt);
	struct making m = {.packs = p, .pack = k};
	if (io_call(make_file, &m) < 0) {
		int cause = errno;
		log_error("A pack can't be made: %m.");
		if (k->fd >= 0)
			close(k->fd);
		mem_free(&k);
		errno = cause;
		return NULL;
	}
	k->end = k->room = PACK_HEADER;
	k->commit = commit_new(k->fd, p->sync);
	list_init(&k->flights);
	list_add_tail(&p->all, &k->link);
	return k;
}

static void pack_free(struct pack *k)
{
	list_remove(&k->link);
	commit_free(&k->commit);
	close(k->fd);
	mem_free(&k);
}

static void put_seal(const struct pack *k, struct str *out)
{
	put_u32(out, k->salt);
	put_u32(out, 0);
	put_u64(out, k->end);
	put_u64(out, k->blobs);
	put_u64(out, k->octets);
	put_u32(out, os_crc32c(0, out->s, out->len));
	put_u32(out, 0);
}

/* Also cuts what was allocated ahead. A pack that can't be sealed stays readable. */
static void seal(struct packs *p, struct pack *k)
{
	struct str bytes = STR_INIT;
	put_seal(k, &bytes);
	uint64_t size = k->end + bytes.len;
	if (os_pwrite_all(k->fd, bytes.s, bytes.len, k->end) < 0 ||
		ftruncate(k->fd, (off_t)size) < 0 || commit_wait(k->commit) < 0) {
		log_error("Pack %016llx can't be sealed: %m.", (unsigned long long)k->id);
		k->dead = true;
	} else {
		k->durable = k->end;
		k->sealed = true;
		p->sealed[p->nsealed++ % PACKS_SEALED_MAX] = k->id;
	}
	str_fini(&bytes);
}

/* The last user of a pack that nothing is written to any more seals it. */
static void release(struct packs *p, struct pack *k)
{
	if (k->users == 1 && p->current != k && !k->dead && !k->sealed)
		seal(p, k);
	if (--k->users == 0 && p->current != k)
		pack_free(k);
}

static void pack_done(struct packs *p, struct pack *k)
{
	if (p->current == k)
		p->current = NULL;
	k->users++;
	release(p, k);
}

void packs_fini(struct packs *p)
{
	if (p->current)
		pack_done(p, p->current);
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(p->files, &at, &key, &value)) {
		struct pack_file *f = value;
		close(f->fd);
		mem_free(&f);
	}
	hash_free(&p->files);
	for (size_t i = 0; i < p->ndirs; i++)
		close(p->dirs[i]);
	mem_free(&p->dirs);
}

/* The pack that new blobs go to; NULL with errno. */
static struct pack *current(struct packs *p)
{
	fiber_lock(&p->making, IO_FOREVER);
	struct pack *old = p->current;
	if (old && (old->dead || old->end >= p->size))
		pack_done(p, old);
	if (!p->current)
		p->current = pack_make(p);
	fiber_unlock(&p->making);
	return p->current;
}

/* --- writing blobs --- */

static void put_head(struct str *out, const struct pack *k, struct span body,
	const char *const *readers, size_t nreaders, const unsigned char *sha256)
{
	put_u32(out, k->salt);
	put_u32(out, 0);
	put_u64(out, k->end);
	put_u64(out, body.n);
	put_u32(out, 0);
	put_u32(out, (uint32_t)nreaders);
	str_add(out, sha256, 32);
	for (size_t i = 0; i < nreaders; i++) {
		put_u8(out, (uint8_t)strnlen(readers[i], 255));
		str_add(out, readers[i], strnlen(readers[i], 255));
	}
	while (out->len % 8)
		put_u8(out, 0);
}

static void finish_head(struct str *head, uint32_t body_crc)
{
	uint32_t size = (uint32_t)head->len + 8;
	set_u32(head, 4, size);
	set_u32(head, 24, body_crc);
	put_u32(head, os_crc32c(0, head->s, head->len));
	put_u32(head, size);
}

struct writing {
	int fd;
	uint64_t at;
	struct str head;
	struct span body;
	unsigned char *sha256;
};

static int write_blob(void *arg)
{
	struct writing *w = arg;
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, w->body.n, (const unsigned char *)w->body.p);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, w->sha256);
	memcpy(w->head.s + 32, w->sha256, 32);
	finish_head(&w->head, os_crc32c(0, w->body.p, w->body.n));
	if (os_pwrite_all(w->fd, w->head.s, w->head.len, w->at) < 0)
		return -1;
	return os_pwrite_all(w->fd, w->body.p, w->body.n, w->at + w->head.len);
}

static int put_zeros(int fd, uint64_t from, uint64_t to)
{
	static const char zeros[64 * 1024];
	while (from < to) {
		size_t n = num_min(sizeof(zeros), to - from);
		if (os_pwrite_all(fd, zeros, n, from) < 0)
			return -1;
		from += n;
	}
	return 0;
}

static int make_room(struct pack *k, uint64_t need, size_t body)
{
	if (need <= k->room)
		return 0;
	uint64_t to = need + AHEAD;
	if (body > SMALL || put_zeros(k->fd, k->room, to) < 0) {
		to = need;
		if (os_preallocate(k->fd, k->room, to) < 0)
			return -1;
	}
	k->room = to;
	return 0;
}

static enum store_status status_of_errno(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? STORE_DISK_FULL
								    : STORE_FAILED;
}

static int write_reserved(struct packs *p, struct pack *k, struct writing *w)
{
	struct flight flight = {.at = w->at};
	uint64_t end = k->end;
	list_add_tail(&k->flights, &flight.link);
	k->users++;
	int rc = w->body.n > LARGE ? io_call(write_blob, w) : write_blob(w);
	int cause = errno;
	list_remove(&flight.link);
	if (rc < 0 && k->end == end)
		k->end = w->at; /* as if it had never been */
	else if (rc < 0)
		k->dead = true;
	release(p, k);
	errno = cause;
	return rc;
}

enum store_status packs_put(struct packs *p, struct span body, const char *const *readers,
	size_t nreaders, struct blob *blob_r)
{
	if (body.n > UINT32_MAX || nreaders > BLOB_READERS_MAX)
		return STORE_TOO_MANY;
	struct pack *k = current(p);
	if (!k)
		return status_of_errno(errno);
	unsigned char no_sum[32] = {0};
	k->users++; /* another fiber may begin the next pack while a large body is written */
	struct writing w = {.fd = k->fd, .at = k->end, .body = body, .sha256 = blob_r->sha256};
	put_head(&w.head, k, body, readers, nreaders, no_sum);
	uint64_t body_at = k->end + w.head.len + 8;
	uint64_t end = (body_at + body.n + 7) / 8 * 8;
	int rc = make_room(k, end, body.n);
	if (rc == 0) {
		k->end = end;
		rc = write_reserved(p, k, &w);
	}
	enum store_status status = rc == 0 ? STORE_OK : status_of_errno(errno);
	if (rc == 0) {
		k->blobs++;
		k->octets += body.n;
		blob_r->pack = k->id;
		blob_r->at = body_at;
		blob_r->size = (uint32_t)body.n;
	} else {
		log_error("A body of %zu octets can't be written to pack %016llx: %m.", body.n,
			(unsigned long long)k->id);
	}
	release(p, k);
	str_fini(&w.head);
	return status;
}

/* --- syncing --- */

static struct pack *find_written(struct packs *p, uint64_t id)
{
	list_each(l, &p->all) {
		struct pack *k = list_entry(l, struct pack, link);
		if (k->id == id)
			return k;
	}
	return NULL;
}

/* All bytes below this have reached the file. */
static uint64_t written_below(const struct pack *k)
{
	uint64_t below = k->end;
	list_each(l, &k->flights) {
		const struct flight *f = list_entry(l, struct flight, link);
		if (f->at < below)
			below = f->at;
	}
	return below;
}

/* Rule 8: of a pack that could not be synced nobody may believe a later sync, of another descriptor either. So only
 * those that are known to be durable to their end count. */
static bool is_sealed(const struct packs *p, uint64_t id)
{
	for (size_t i = 0; i < num_min(p->nsealed, COUNT_OF(p->sealed)); i++)
		if (p->sealed[i] == id)
			return true;
	return false;
}

enum store_status packs_sync(struct packs *p, const struct blob *blob)
{
	struct pack *k = find_written(p, blob->pack);
	if (!k)
		return is_sealed(p, blob->pack) ? STORE_OK : STORE_FAILED;
	uint64_t need = blob->at + blob->size;
	if (k->durable >= need)
		return STORE_OK;
	if (k->dead)
		return STORE_FAILED;
	uint64_t below = written_below(k);
	k->users++;
	int rc = commit_wait(k->commit);
	if (rc < 0) {
		log_error("Pack %016llx can't be synced and is abandoned: %m.",
			(unsigned long long)k->id);
		k->dead = true;
	} else if (below > k->durable) {
		k->durable = below;
	}
	release(p, k);
	return rc < 0 ? STORE_FAILED : STORE_OK;
}
