/* Dates: any bytes, and what is understood comes back from its own text. */
#include "mail/date.h"

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	struct date d, back;
	struct str out = STR_INIT;
	date_parse_imap(text, &d);
	if (date_parse(text, &d) == 0) {
		date_put(&out, &d);
		if (date_parse(str_span(&out), &back) < 0 || back.utc_s != d.utc_s)
			log_panic("%s is not what was meant", out.s);
		date_put_imap(&out, &d);
	}
	str_fini(&out);
	return 0;
}
