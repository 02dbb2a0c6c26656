/* The first octet seeds how the rest is cut and what is done with literals. */
#include <stdint.h>
#include <stdlib.h>

#include "imap/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_reader r;
	unsigned seed = size ? data[0] : 0;
	size_t at = size ? 1 : 0;

	imap_reader_init(&r, 200);
	for (int turns = 0; at < size && turns < 100000; turns++) {
		size_t step = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 50, used;
		if (step > size - at)
			step = size - at;
		enum imap_read rc = imap_reader_feed(&r, span_make(data + at, step), &used);
		if (used > step || r.text.len > IMAP_COMMAND_MAX)
			abort();
		at += used;
		if (rc == IMAP_READ_LOST)
			break;
		if (rc == IMAP_READ_LITERAL) {
			if (seed % 8 == 0)
				imap_reader_refuse(&r, "no");
			else if (seed % 8 == 1)
				imap_reader_stream(&r);
			else
				imap_reader_take(&r);
		} else if (rc != IMAP_READ_MORE) {
			imap_reader_reset(&r);
		}
	}
	imap_reader_fini(&r);
	return 0;
}
