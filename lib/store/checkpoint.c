#include "store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/codec.h"
#include "os/os.h"

void checkpoint_put(const struct checkpoint *c, const char *magic, const char *account,
	char out[CHECKPOINT_HEADER])
{
	struct str s = STR_INIT;
	uint32_t order = BYTE_ORDER_MARK;
	char id[ACCOUNT_ID_ROOM] = {0};
	memcpy(id, account, strnlen(account, ACCOUNT_ID_MAX));
	str_add(&s, magic, 8);
	put_u32(&s, FORMAT_VERSION);
	str_add(&s, &order, sizeof(order)); /* as this processor has it: that is the point */
	put_u64(&s, c->at);
	put_u64(&s, c->sequence);
	put_u64(&s, c->mailbox);
	put_u64(&s, c->count);
	put_u64(&s, c->changes);
	put_u32(&s, c->body_crc);
	str_add(&s, id, sizeof(id));
	while (s.len < CHECKPOINT_HEADER - 4)
		put_u8(&s, 0);
	put_u32(&s, os_crc32c(0, s.s, s.len));
	memcpy(out, s.s, CHECKPOINT_HEADER);
	str_fini(&s);
}

int checkpoint_parse(
	struct checkpoint *c, const char *magic, const char *account, struct span header)
{
	if (header.n < CHECKPOINT_HEADER)
		return -1;
	struct reader in = reader_of(header),
		      sum = reader_of(span_make(header.p + CHECKPOINT_HEADER - 4, 4));
	bool right =
		span_eq(get_bytes(&in, 8), span_make(magic, 8)) && get_u32(&in) == FORMAT_VERSION;
	uint32_t order;
	memcpy(&order, get_bytes(&in, 4).n ? header.p + 12 : "\0\0\0\0", 4);
	c->at = get_u64(&in);
	c->sequence = get_u64(&in);
	c->mailbox = get_u64(&in);
	c->count = get_u64(&in);
	c->changes = get_u64(&in);
	c->body_crc = get_u32(&in);
	struct span id = get_bytes(&in, ACCOUNT_ID_ROOM);
	char want[ACCOUNT_ID_ROOM] = {0};
	memcpy(want, account, strnlen(account, ACCOUNT_ID_MAX));
	return right && order == BYTE_ORDER_MARK && memcmp(id.p, want, sizeof(want)) == 0 &&
			       get_u32(&sum) == os_crc32c(0, header.p, CHECKPOINT_HEADER - 4)
		       ? 0
		       : -1;
}

static int write_and_sync(
	int fd, const char header[CHECKPOINT_HEADER], struct span body, int (*sync)(int fd))
{
	if (os_pwrite_all(fd, header, CHECKPOINT_HEADER, 0) < 0 ||
		os_pwrite_all(fd, body.p, body.n, CHECKPOINT_HEADER) < 0)
		return -1;
	return sync(fd);
}

/* A file without a name takes another's place through a name that nobody else uses. */
static int take_place(int dirfd, int fd, const char *name)
{
	unsigned char noise[8];
	struct str temporary = STR_INIT;
	char self[32];
	os_random(noise, sizeof(noise));
	str_puts(&temporary, ".");
	hex_put(&temporary, span_make(noise, sizeof(noise)));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	int rc = linkat(AT_FDCWD, self, dirfd, temporary.s, AT_SYMLINK_FOLLOW);
	if (rc == 0 && (rc = renameat(dirfd, temporary.s, dirfd, name)) < 0) {
		int cause = errno;
		unlinkat(dirfd, temporary.s, 0);
		errno = cause;
	}
	str_fini(&temporary);
	return rc;
}

int checkpoint_write(int dirfd, const char *name, const char header[CHECKPOINT_HEADER],
	struct span body, int (*sync)(int fd))
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int rc = write_and_sync(fd, header, body, sync);
	if (rc == 0)
		rc = take_place(dirfd, fd, name);
	if (rc == 0)
		rc = os_sync_dir(dirfd);
	int cause = errno;
	close(fd);
	errno = cause;
	return rc;
}
