#include "service/scoreboard.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/os.h"

#define MAGIC  0x7468756e
#define LAYOUT 1
#define PROBES 64 /* places an address may be at: more is not searched, nor counted */

/* An address place is one word, so that it changes atomically: 40 bits of the address's hash, 12 of the
 * worker's row, 12 of its count. */
#define COUNT_BITS 12
#define ROW_BITS   12
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

struct scoreboard {
	uint32_t magic, layout;
	uint64_t seed; /* of the addresses' hash: nobody outside can aim at a place */
	struct scoreboard_row rows[SCOREBOARD_ROWS];
	_Atomic uint64_t addresses[SCOREBOARD_ADDRESSES];
};

_Static_assert(SCOREBOARD_ROWS <= 1 << ROW_BITS, "a row's number fits its bits");

int scoreboard_create(struct scoreboard **sb_r, int *fd_r, const char **err_r)
{
	int fd = memfd_create("scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(struct scoreboard)) < 0) {
		*err_r = "Shared memory for the scoreboard can't be had.";
		if (fd >= 0)
			close(fd);
		return -1;
	}
	struct scoreboard *sb =
		mmap(NULL, sizeof(*sb), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sb == MAP_FAILED) {
		*err_r = "The scoreboard can't be mapped.";
		close(fd);
		return -1;
	}
	sb->magic = MAGIC;
	sb->layout = LAYOUT;
	os_random(&sb->seed, sizeof(sb->seed));
	*sb_r = sb;
	*fd_r = fd;
	return 0;
}

int scoreboard_map(int fd, struct scoreboard **sb_r, const char **err_r)
{
	struct stat st;
	struct scoreboard *sb;

	*err_r = "The scoreboard can't be mapped.";
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != sizeof(*sb))
		return -1;
	sb = mmap(NULL, sizeof(*sb), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sb == MAP_FAILED)
		return -1;
	if (sb->magic != MAGIC || sb->layout != LAYOUT) {
		munmap(sb, sizeof(*sb));
		return -1;
	}
	*sb_r = sb;
	return 0;
}

struct scoreboard_row *scoreboard_row(struct scoreboard *sb, unsigned row)
{
	return &sb->rows[row % SCOREBOARD_ROWS];
}

static uint64_t place(uint64_t hash, unsigned row, uint64_t count)
{
	return hash << (ROW_BITS + COUNT_BITS) | (uint64_t)row << COUNT_BITS | count;
}

void scoreboard_clear(struct scoreboard *sb, unsigned row)
{
	struct scoreboard_row *r = scoreboard_row(sb, row);
	bool held = r->connections > 0;

	r->pid = 0;
	r->connections = 0;
	r->served = r->refused = 0;
	for (size_t i = 0; i < SERVICE_COUNTERS; i++)
		r->counters[i] = 0;
	if (!held)
		return; /* the table's pages stay untouched */
	for (size_t i = 0; i < SCOREBOARD_ADDRESSES; i++) {
		uint64_t v = sb->addresses[i];
		if (v && (v >> COUNT_BITS & ((1 << ROW_BITS) - 1)) == row)
			sb->addresses[i] = 0;
	}
}

/* --- addresses --- */

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

/* What counts as one address: all of IPv4, the network half of IPv6, where one host owns the rest. */
static uint64_t hash_address(const struct scoreboard *sb, const char *service,
	const struct sockaddr *sa)
{
	uint64_t h = mix(sb->seed, service, strlen(service));

	if (sa->sa_family == AF_INET) {
		h = mix(h, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)sa)->sin6_addr;
		h = IN6_IS_ADDR_V4MAPPED(a) ? mix(h, a->s6_addr + 12, 4) : mix(h, a->s6_addr, 8);
	}
	return h;
}

static bool is_same(uint64_t v, uint64_t hash)
{
	return v & COUNT_MASK && v >> (ROW_BITS + COUNT_BITS) == hash;
}

/* This worker's place for the address, or one that is free, or NULL. */
static _Atomic uint64_t *find_place(_Atomic uint64_t *set, uint64_t hash, unsigned row)
{
	_Atomic uint64_t *empty = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		uint64_t v = set[i];
		if (is_same(v, hash) && v >> COUNT_BITS == place(hash, row, 0) >> COUNT_BITS)
			return &set[i];
		if (!empty && !(v & COUNT_MASK))
			empty = &set[i];
	}
	return empty;
}

static unsigned sum(_Atomic uint64_t *set, uint64_t hash)
{
	unsigned n = 0;

	for (size_t i = 0; i < PROBES; i++) {
		uint64_t v = set[i];
		if (is_same(v, hash))
			n += (unsigned)(v & COUNT_MASK);
	}
	return n;
}

/* Changes this worker's count; another worker may take a free place first, then the search starts anew. */
static void change(_Atomic uint64_t *set, uint64_t hash, unsigned row, int by)
{
	for (int tries = 0; tries < PROBES; tries++) {
		_Atomic uint64_t *at = find_place(set, hash, row);
		uint64_t v = at ? *at : 0, count = v & COUNT_MASK;
		if (count && v >> COUNT_BITS != place(hash, row, 0) >> COUNT_BITS)
			continue; /* taken meanwhile */
		if (!at || (by < 0 && !count) || (by > 0 && count == COUNT_MASK))
			return;
		if (atomic_compare_exchange_strong(
			    at, &v, place(hash, row, by > 0 ? count + 1 : count - 1)))
			return;
	}
}

static _Atomic uint64_t *address_set(struct scoreboard *sb, uint64_t *hash)
{
	size_t sets = SCOREBOARD_ADDRESSES / PROBES;
	_Atomic uint64_t *set = &sb->addresses[*hash % sets * PROBES];

	*hash >>= ROW_BITS + COUNT_BITS;
	return set;
}

unsigned scoreboard_address_add(
	struct scoreboard *sb, unsigned row, const char *service, const struct sockaddr *sa)
{
	uint64_t hash = hash_address(sb, service, sa);
	_Atomic uint64_t *set = address_set(sb, &hash);

	change(set, hash, row, 1);
	return sum(set, hash);
}

void scoreboard_address_remove(
	struct scoreboard *sb, unsigned row, const char *service, const struct sockaddr *sa)
{
	uint64_t hash = hash_address(sb, service, sa);
	_Atomic uint64_t *set = address_set(sb, &hash);

	change(set, hash, row, -1);
}
