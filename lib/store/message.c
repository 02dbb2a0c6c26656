/* Reading messages: bodies from packs, summaries from the log. */
#include <errno.h>

#include "base/log.h"
#include "base/wire.h"
#include "io/io.h"
#include "os/os.h"
#include "store/account.h"

/* Octets in front of a body that are read along with it: the whole head where readers are few. */
#define HEAD_NEAR    160
#define CRC_AT	     24 /* in the head (format.h) */
#define VERIFY_PIECE (64 * 1024)

static enum store_status fail(const struct account *a, const struct msg_row *row, bool damaged)
{
	log_error("UID %u of account %s %s pack %016llx.", row->uid, a->id,
		damaged ? "is damaged in" : "can't be read from", (unsigned long long)row->pack);
	return damaged ? STORE_DAMAGED : STORE_FAILED;
}

/* near: what stands in front of the body, at least BLOB_HEAD_MIN octets, with the end of its head. 0, or -1 without a
 * sum that could be compared. */
static int find_crc(const struct pack_file *f, const struct msg_row *row, struct span near, uint32_t *crc_r)
{
	char far[4];
	const char *at = far;
	uint32_t size = blob_head_size(span_make(near.p + near.n - 8, 8));
	if (size < BLOB_HEAD_MIN || size > BLOB_HEAD_MAX || size > row->pack_at)
		return -1;
	if (size <= near.n)
		at = near.p + near.n - size + CRC_AT;
	else if (io_pread(f->fd, far, sizeof(far), row->pack_at - size + CRC_AT) != sizeof(far))
		return -1;
	struct reader in = reader_of(span_make(at, 4));
	*crc_r = get_u32(&in);
	return 0;
}

/* A body that is read whole is compared with its sum: damage is never shown as mail. */
static enum store_status read_whole(struct account *a, struct pack_file *f, const struct msg_row *row,
	struct pool *pool, struct span *body_r)
{
	uint64_t before = row->pack_at < HEAD_NEAR ? row->pack_at : HEAD_NEAR, n = before + row->size;
	uint32_t crc;
	char *bytes = pool_alloc(pool, n + 1);
	ssize_t got = io_pread(f->fd, bytes, n, row->pack_at - before);
	if (got < 0)
		return fail(a, row, false);
	if (got != (ssize_t)n || before < BLOB_HEAD_MIN || find_crc(f, row, span_make(bytes, before), &crc) < 0 ||
		os_crc32c(0, bytes + before, row->size) != crc)
		return fail(a, row, true);
	*body_r = span_make(bytes + before, row->size);
	return STORE_OK;
}

static enum store_status read_range(struct account *a, struct pack_file *f, const struct msg_row *row, uint64_t from,
	uint64_t n, struct pool *pool, struct span *body_r)
{
	char *bytes = pool_alloc(pool, n + 1);
	ssize_t got = io_pread(f->fd, bytes, n, row->pack_at + from);
	*body_r = span_make(bytes, n);
	return got == (ssize_t)n ? STORE_OK : fail(a, row, got >= 0);
}

enum store_status message_read(struct account *a, const struct msg_row *row, uint64_t from,
	uint64_t n, struct pool *pool, struct span *body_r)
{
	uint64_t left = from < row->size ? row->size - from : 0;
	if (n > left)
		n = left;
	struct pack_file *f = packs_open(&a->store->packs, row->pack);
	if (!f)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	f->pins++;
	enum store_status status = n == row->size ? read_whole(a, f, row, pool, body_r)
						  : read_range(a, f, row, from, n, pool, body_r);
	f->pins--;
	return status;
}

static enum store_status verify(struct account *a, const struct pack_file *f, const struct msg_row *row, char *piece)
{
	uint64_t before = row->pack_at < HEAD_NEAR ? row->pack_at : HEAD_NEAR;
	uint32_t crc, sum = 0;
	if (before < BLOB_HEAD_MIN || io_pread(f->fd, piece, before, row->pack_at - before) != (ssize_t)before ||
		find_crc(f, row, span_make(piece, before), &crc) < 0)
		return fail(a, row, true);
	for (uint64_t at = 0, n; at < row->size; at += n) {
		n = row->size - at < VERIFY_PIECE ? row->size - at : VERIFY_PIECE;
		ssize_t got = io_pread(f->fd, piece, n, row->pack_at + at);
		if (got != (ssize_t)n)
			return fail(a, row, got >= 0);
		sum = os_crc32c(sum, piece, n);
		fiber_breathe();
	}
	return sum == crc ? STORE_OK : fail(a, row, true);
}

enum store_status message_verify(struct account *a, const struct msg_row *row)
{
	struct pack_file *f = packs_open(&a->store->packs, row->pack);
	if (!f)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	char *piece = mem_alloc(VERIFY_PIECE);
	f->pins++;
	enum store_status status = verify(a, f, row, piece);
	f->pins--;
	mem_free(&piece);
	return status;
}

enum store_status message_locate(
	struct account *a, const struct msg_row *row, struct message_file *file_r)
{
	struct pack_file *f = packs_open(&a->store->packs, row->pack);
	if (!f)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	f->pins++;
	*file_r = (struct message_file){.fd = f->fd, .at = row->pack_at, .pack = f};
	return STORE_OK;
}

void message_release(struct message_file *file)
{
	file->pack->pins--;
}

enum store_status message_summary(
	struct account *a, const struct msg_row *row, struct pool *pool, struct span *summary_r)
{
	struct span bytes;
	if (a->log.limit < a->live.at)
		a->log.limit = a->live.at;
	if (log_read(&a->log, row->summary_at, row->summary_size, &bytes) < 0) {
		log_error("The summary of UID %u of account %s can't be read.", row->uid, a->id);
		return STORE_DAMAGED;
	}
	*summary_r = pool_copy(pool, bytes);
	return STORE_OK;
}
