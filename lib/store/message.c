/* Reading messages: bodies from packs, summaries from the log. */
#include <errno.h>

#include "base/log.h"
#include "io/io.h"
#include "store/account.h"

enum store_status message_read(struct account *a, const struct msg_row *row, uint64_t from,
	uint64_t n, struct pool *pool, struct span *body_r)
{
	uint64_t left = from < row->size ? row->size - from : 0;
	if (n > left)
		n = left;
	struct pack_file *f = packs_open(&a->store->packs, row->pack);
	if (!f)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	char *bytes = pool_alloc(pool, n + 1);
	f->pins++;
	ssize_t got = io_pread(f->fd, bytes, n, row->pack_at + from);
	f->pins--;
	*body_r = span_make(bytes, n);
	if (got == (ssize_t)n)
		return STORE_OK;
	log_error("UID %u of account %s can't be read from pack %016llx.", row->uid, a->id,
		(unsigned long long)row->pack);
	return got < 0 ? STORE_FAILED : STORE_DAMAGED;
}

enum store_status message_locate(
	struct account *a, const struct msg_row *row, int *fd_r, uint64_t *at_r)
{
	struct pack_file *f = packs_open(&a->store->packs, row->pack);
	if (!f)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	size_t i = 0;
	while (i < a->npinned && a->pinned[i] != f)
		i++;
	if (i == a->npinned) {
		a->pinned = mem_realloc(a->pinned, (i + 1) * sizeof(struct pack_file *));
		a->pinned[a->npinned++] = f;
		f->pins++;
	}
	*fd_r = f->fd;
	*at_r = row->pack_at;
	return STORE_OK;
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
