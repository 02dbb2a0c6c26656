/* Summaries of any bytes parse; any bytes as a summary do no harm; replies are well formed. */
#include "mail/summary.h"

#include "base/log.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Brackets balance outside of strings, and literals are as long as they say. */
static void check_form(struct span text)
{
	long depth = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '"') {
			for (i++; i < text.n && text.p[i] != '"'; i++)
				i += text.p[i] == '\\';
			if (i >= text.n)
				log_panic("a string never ends");
		} else if (c == '{') {
			size_t n = 0;
			for (i++; i < text.n && ascii_is_digit(text.p[i]); i++)
				n = n * 10 + (size_t)(text.p[i] - '0');
			i += 2 + n;
		} else if (c == '(') {
			depth++;
		} else if (c == ')' && --depth == 0 && i + 1 != text.n) {
			log_panic("something follows the list");
		}
	}
	if (depth != 0)
		log_panic("brackets don't balance");
}

static void use(const struct summary *s)
{
	struct str out = STR_INIT;
	struct section section = {.depth = 1, .path = {1}};
	struct extent e;
	struct span v;
	summary_put_body(&out, s);
	summary_put_fields(&out, s, UINT32_MAX);
	for (int id = 0; id < SUMMARY_NFIELD; id++)
		summary_find_field(s, (enum summary_field)id, &v);
	summary_section(s, &section, &e);
	summary_ref(s, 1);
	str_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str blob = STR_INIT, body = STR_INIT;
	struct summary s;
	if (summary_parse(span_make(data, size), &s) == 0)
		use(&s);
	mail_summarize(span_make(data, size), &blob);
	if (summary_parse(str_span(&blob), &s) < 0 || s.size != size || blob.len > SUMMARY_MAX)
		log_panic("a summary is damaged");
	summary_put_body(&body, &s);
	check_form(s.envelope);
	check_form(s.bodystructure);
	check_form(str_span(&body));
	if (!utf8_is_valid(s.preview) || !utf8_is_valid(s.subject))
		log_panic("text is not UTF-8");
	use(&s);
	str_fini(&blob);
	str_fini(&body);
	return 0;
}
