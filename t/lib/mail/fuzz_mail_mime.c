/* MIME structure, sections, decoders: any bytes, and every extent lies in the message. */
#include "mail/mime.h"

#include "base/log.h"
#include "mail/charset.h"
#include "mail/section.h"
#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const struct mime *m, uint32_t i)
{
	const struct mime_part *p = &m->parts[i];
	if (p->header_at + p->header_len != p->body_at || p->body_at + p->body_len > m->message.n ||
		p->end <= i || p->end > m->n)
		log_panic("part %u is out of bounds", i);
	if ((p->kind == MIME_MULTIPART) != (p->end > i + 1 && m->parts[i + 1].parent == i &&
						   p->kind != MIME_MESSAGE))
		log_panic("part %u has children that it can't have", i);
	if (p->parent != MIME_NONE && (p->parent >= i || m->parts[p->parent].end < p->end))
		log_panic("part %u is not in its parent", i);
}

static void check_decoding(const struct mime *m, const struct mime_part *p)
{
	struct transfer t;
	struct str out = STR_INIT, text = STR_INIT;
	transfer_init(&t, mime_part_encoding(p));
	transfer_put(&t, &out, mime_part_body(m, p));
	transfer_end(&t, &out);
	charset_put_utf8(&text, mime_part_charset(p), str_span(&out));
	mime_part_put_filename(p, &text);
	str_fini(&out);
	str_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct span text = span_make(data, size);
	struct mime m;
	struct str table = STR_INIT;
	struct section s = {.depth = 2, .path = {1, 2}};
	struct extent e;
	mime_parse(text, pool, &m);
	for (uint32_t i = 0; i < m.n; i++) {
		check_part(&m, i);
		if (i < 20)
			check_decoding(&m, &m.parts[i]);
	}
	extents_put(&table, &m);
	if (extents_find(str_span(&table), &s, &e) == 1 && e.at + e.len > size)
		log_panic("an extent is out of bounds");
	section_parse(text, &s, NULL);
	extents_find(text, &s, &e);
	str_fini(&table);
	pool_free(&pool);
	return 0;
}
