#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "imap/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that is taken goes back to the very same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str name = STR_INIT, wire = STR_INIT;
	struct span in = span_make(data, size);

	if (utf7_to_utf8(&name, in)) {
		utf7_put(&wire, str_span(&name));
		if (!utf8_is_valid(str_span(&name)) || !span_eq(str_span(&wire), in))
			abort();
	}
	str_reset(&wire);
	utf7_put(&wire, in);
	str_fini(&name);
	str_fini(&wire);
	return 0;
}
