#include "store/head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/os.h"

struct head_page {
	char magic[8];
	uint32_t version, account_crc;
	char account[ACCOUNT_ID_ROOM];
	/* group */
	_Atomic uint64_t end, sequence, segment, chain;
	char boot[40];
	uint64_t group_crc;
	/* advance */
	_Atomic uint64_t durable, durable_not, failed, linked;
	uint64_t notice;
};

_Static_assert(offsetof(struct head_page, end) == 64, "as in format.h");
_Static_assert(offsetof(struct head_page, group_crc) == 136, "as in format.h");
_Static_assert(offsetof(struct head_page, notice) == 176, "as in format.h");

bool head_is_of(const struct head *h, const char *account)
{
	const struct head_page *page = h->page;
	return memcmp(page->magic, HEAD_MAGIC, 8) == 0 && page->version == FORMAT_VERSION &&
	       page->account_crc == os_crc32c(0, page->account, sizeof(page->account)) &&
	       strncmp(page->account, account, sizeof(page->account)) == 0;
}

/* Fields are set one by one, never the whole page at once: another process may be looking. */
void head_make(struct head *h, const char *account)
{
	struct head_page *page = h->page;
	page->group_crc = ~UINT64_C(0);
	atomic_store(&page->durable, 0);
	atomic_store(&page->durable_not, ~UINT64_C(0));
	atomic_store(&page->failed, 0);
	atomic_store(&page->linked, 0);
	memset(page->account, 0, sizeof(page->account));
	memcpy(page->account, account, strnlen(account, ACCOUNT_ID_MAX));
	page->account_crc = os_crc32c(0, page->account, sizeof(page->account));
	page->version = FORMAT_VERSION;
	memcpy(page->magic, HEAD_MAGIC, 8);
}

static int map_page(struct head *h)
{
	struct stat st;
	if (fstat(h->fd, &st) < 0)
		return -1;
	/* Allocated, not a hole: a store into a mapping can't be told that the disk is full. */
	if (st.st_size < HEAD_SIZE && os_preallocate(h->fd, 0, HEAD_SIZE) < 0)
		return -1;
	if (mapping_open(&h->map, h->fd, HEAD_SIZE, true) < 0)
		return -1;
	h->page = h->map.p;
	return 0;
}

int head_open(struct head *h, int dirfd, bool create)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
	*h = (struct head){.fd = openat(dirfd, "head", flags, 0600)};
	if (h->fd < 0)
		return -1;
	if (map_page(h) == 0)
		return 0;
	int cause = errno;
	head_close(h);
	errno = cause;
	return -1;
}

void head_close(struct head *h)
{
	mapping_close(&h->map);
	if (h->fd >= 0)
		close(h->fd);
	*h = (struct head){.fd = -1};
}

bool head_is_bad(const struct head *h)
{
	return mapping_is_bad(&h->map);
}

uint64_t head_end(const struct head *h)
{
	return atomic_load_explicit(&h->page->end, memory_order_acquire);
}

uint64_t head_segment(const struct head *h)
{
	return atomic_load_explicit(&h->page->segment, memory_order_acquire);
}

uint64_t head_sequence(const struct head *h)
{
	return atomic_load_explicit(&h->page->sequence, memory_order_acquire);
}

uint64_t head_durable(const struct head *h)
{
	return atomic_load_explicit(&h->page->durable, memory_order_acquire);
}

static uint64_t group_crc(const struct head_page *page)
{
	const char *from = (const char *)page + offsetof(struct head_page, end);
	return os_crc32c(
		0, from, offsetof(struct head_page, group_crc) - offsetof(struct head_page, end));
}

bool head_get(const struct head *h, struct head_group *group_r)
{
	const struct head_page *page = h->page;
	*group_r = (struct head_group){
		.end = page->end,
		.sequence = page->sequence,
		.segment = page->segment,
		.chain = (uint32_t)page->chain,
	};
	memcpy(group_r->boot, page->boot, sizeof(page->boot));
	group_r->boot[sizeof(group_r->boot) - 1] = '\0';
	return page->group_crc == group_crc(page);
}

/* The order matters to readers without the lock: who sees the new end sees the new segment. */
void head_set(struct head *h, const struct head_group *group)
{
	struct head_page *page = h->page;
	page->group_crc = ~UINT64_C(0);
	memset(page->boot, 0, sizeof(page->boot));
	memcpy(page->boot, group->boot, strnlen(group->boot, sizeof(page->boot) - 1));
	atomic_store_explicit(&page->chain, group->chain, memory_order_relaxed);
	atomic_store_explicit(&page->segment, group->segment, memory_order_release);
	atomic_store_explicit(&page->sequence, group->sequence, memory_order_release);
	atomic_store_explicit(&page->end, group->end, memory_order_release);
	page->group_crc = group_crc(page);
}

bool head_durable_agrees(const struct head *h)
{
	return atomic_load(&h->page->durable) == ~atomic_load(&h->page->durable_not);
}

void head_spoil(struct head *h)
{
	h->page->group_crc = ~UINT64_C(0);
}

uint64_t head_floor(const struct head *h)
{
	uint64_t a = atomic_load(&h->page->durable), b = ~atomic_load(&h->page->durable_not);
	return a < b ? a : b;
}

static void raise_to(_Atomic uint64_t *at, uint64_t v)
{
	uint64_t now = atomic_load(at);
	while (now < v && !atomic_compare_exchange_weak(at, &now, v))
		;
}

static void lower_to(_Atomic uint64_t *at, uint64_t v)
{
	uint64_t now = atomic_load(at);
	while (now > v && !atomic_compare_exchange_weak(at, &now, v))
		;
}

void head_advance(struct head *h, uint64_t durable)
{
	raise_to(&h->page->durable, durable);
	lower_to(&h->page->durable_not, ~durable);
}

void head_reset_durable(struct head *h, uint64_t durable)
{
	atomic_store(&h->page->durable, durable);
	atomic_store(&h->page->durable_not, ~durable);
}

uint64_t head_failed(const struct head *h)
{
	return atomic_load(&h->page->failed);
}

void head_set_failed(struct head *h, uint64_t segment)
{
	raise_to(&h->page->failed, segment);
}

void head_check_marks(struct head *h, uint64_t segment)
{
	if (head_failed(h) > segment)
		atomic_store(&h->page->failed, 0);
	if (head_linked(h) > segment)
		atomic_store(&h->page->linked, 0);
}

uint64_t head_linked(const struct head *h)
{
	return atomic_load(&h->page->linked);
}

void head_set_linked(struct head *h, uint64_t segment)
{
	raise_to(&h->page->linked, segment);
}

/* inotify sees writes, not stores into a mapping. What is written does not matter; that somebody
 * else's notice overwrites it does not either. */
void head_notify(struct head *h)
{
	int64_t now = clock_mono_us();
	ssize_t n = pwrite(h->fd, &now, sizeof(now), offsetof(struct head_page, notice));
	(void)n; /* a lost notice is caught by the poll */
}
