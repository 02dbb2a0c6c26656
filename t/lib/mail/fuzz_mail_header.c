/* Header fields, encoded words, parameters: any bytes; what is written can't be two fields. */
#include "mail/header.h"

#include "base/log.h"
#include "base/utf8.h"
#include "mail/dsn.h"
#include "mail/encoded.h"
#include "mail/param.h"
#include "mail/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(struct span text)
{
	struct str out = STR_INIT, coded = STR_INIT;
	encoded_put_decoded(&out, text);
	if (!utf8_is_valid(str_span(&out)))
		log_panic("decoded words are not UTF-8");
	encoded_put(&coded, str_span(&out));
	encoded_put_phrase(&coded, str_span(&out));
	str_reset(&out);
	subject_put_base(&out, text);
	str_reset(&out);
	xtext_parse(text, &out);
	xtext_put(&out, text);
	str_fini(&coded);
	str_fini(&out);
}

static void check_writing(struct span text)
{
	struct str out = STR_INIT;
	header_put(&out, "X", text);
	header_put_text(&out, "Y", text, false);
	if (header_count(str_span(&out), "X") != 1 || header_count(str_span(&out), "Y") != 1 ||
		header_length(str_span(&out)) != out.len)
		log_panic("a written field broke out");
	struct header_reader r;
	struct header_field f;
	int n = 0;
	header_reader_init(&r, str_span(&out));
	while (header_read(&r, &f))
		n++;
	if (n != 2)
		log_panic("two fields became %d", n);
	str_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct span text = span_make(data, size), type, subtype, rest, id;
	struct header_reader r;
	struct header_field f;
	struct params params;
	struct str out = STR_INIT;
	size_t total = 0;
	header_reader_init(&r, text);
	while (header_read(&r, &f))
		total += f.whole.n;
	if (header_length(text) < total || header_length(text) > total + 2)
		log_panic("the fields are not the header");
	check_words(text);
	check_writing(text);
	param_parse_type(text, &type, &subtype, &rest);
	params_parse(rest, pool, &params);
	params_put_utf8(&params, "name", &out);
	for (rest = text; header_next_msgid(&rest, &id);)
		str_add_span(&out, id);
	header_put_unfolded(&out, text);
	str_fini(&out);
	pool_free(&pool);
	return 0;
}
