/*
 * Any bytes as a segment. So that the fuzzer gets past the checksums they are made right first,
 * wherever a record's magic stands at a record's place: the parser then has to cope with every
 * length and kind.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/wire.h"
#include "os/os.h"
#include "queue/queue.h"
#include "queue/record.h"

#define SALT	0x1122334455667788u
#define CHECKED 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_le(char *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = (char)(v >> (8 * i));
}

static uint64_t get_le(const char *p, int n)
{
	uint64_t v = 0;
	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static void mend(char *p, size_t n)
{
	for (size_t at = SEGMENT_START; at + SEGMENT_RECORD <= n; at += SEGMENT_ALIGN) {
		if (memcmp(p + at, "TReC", 4) != 0)
			continue;
		uint64_t length = get_le(p + at + 16, 8);
		memcpy(p + at, "TRec", 4);
		put_le(p + at + 8, SALT ^ at, 8);
		if (length <= n && at + SEGMENT_RECORD + length <= n)
			put_le(p + at + 28, os_crc32c(0, p + at + SEGMENT_RECORD, length), 4);
		put_le(p + at + CHECKED, os_crc32c(0, p + at, CHECKED), 4);
	}
}

static void read_all(int fd, bool closed)
{
	struct segment_reader *r;
	struct segment_record rec;
	struct str envelope = STR_INIT;
	uint64_t lost = 0, at = SEGMENT_START;
	if (segment_reader_open(fd, 1, &r) != 1)
		return;
	while (segment_read(r, at, closed, &rec, &lost) == SEGMENT_FOUND) {
		if (rec.next <= at || rec.at < at || rec.body_at < rec.at ||
			rec.body_at + rec.body_size > rec.next)
			abort();
		if (segment_read_at(r, rec.at, &envelope, &rec) != SEGMENT_FOUND)
			abort();
		at = rec.next;
	}
	str_fini(&envelope);
	segment_reader_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str file = STR_INIT;
	struct segment_head head = {.id = 1, .salt = SALT};
	segment_head_put(&file, &head);
	str_add(&file, data, size);
	mend(file.s, file.len);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || os_pwrite_all(fd, file.s, file.len, 0) < 0)
		abort();
	read_all(fd, false);
	read_all(fd, true);
	if (size && os_pwrite_all(fd, data, size < SEGMENT_START ? size : SEGMENT_START, 0) == 0)
		read_all(fd, true); /* the headers are gone, too */
	close(fd);
	str_fini(&file);
	return 0;
}
