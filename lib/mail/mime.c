#include "mail/mime.h"

#include "base/array.h"
#include "mail/header.h"

struct open_multipart {
	struct span boundary;
	uint32_t part, last_child;
};

struct parser {
	struct span in;
	struct pool *pool;
	ARRAY(struct mime_part) parts;
	struct open_multipart open[MIME_DEPTH_MAX];
	unsigned nopen;
	uint32_t cur;	/* the innermost open part */
	size_t pos;	/* always the start of a line */
	uint32_t lines; /* line ends before pos */
};

/* Where a delimiter line stands, and whose. */
struct delimiter {
	size_t at, after;
	unsigned open;
	bool last;
};

static size_t line_end(const struct parser *p, size_t at)
{
	const char *nl = memchr(p->in.p + at, '\n', p->in.n - at);
	return nl ? (size_t)(nl - p->in.p) + 1 : p->in.n;
}

static uint32_t count_lines(struct span s)
{
	uint32_t n = 0;
	const char *end = s.p + s.n;
	for (const char *q = s.p; q < end && (q = memchr(q, '\n', (size_t)(end - q))); q++)
		n++;
	return n;
}

/* RFC 2046 5.1.1: it is enough that the line starts with the boundary. One boundary may be the
 * start of another, so the longest wins. */
static bool is_delimiter(const struct parser *p, size_t at, struct delimiter *d_r)
{
	struct span line = span_make(p->in.p + at, p->in.n - at);
	bool found = false;
	if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	line = span_make(line.p + 2, line.n - 2);
	for (unsigned i = p->nopen; i-- > 0;) {
		struct span b = p->open[i].boundary;
		if (!span_has_prefix(line, b) || (found && b.n <= p->open[d_r->open].boundary.n))
			continue;
		d_r->open = i;
		found = true;
	}
	if (!found)
		return false;
	size_t n = p->open[d_r->open].boundary.n;
	d_r->at = at;
	d_r->after = line_end(p, at);
	d_r->last = line.n >= n + 2 && line.p[n] == '-' && line.p[n + 1] == '-';
	return true;
}

static void set_type(struct mime_part *part, const char *type, const char *subtype)
{
	part->type = span_of(type);
	part->subtype = span_of(subtype);
	part->params = (struct params){0};
}

/* Content-Type, Content-ID ...: a field counts the first time it appears. */
static void take_field(
	struct parser *p, struct mime_part *part, struct span name, struct span value)
{
	struct span rest;
	value = span_trim(value);
	name = span_make(name.p + 8, name.n - 8);
	if (span_iis(name, "Type") && !part->type.p) {
		if (param_parse_type(value, &part->type, &part->subtype, &rest))
			params_parse(rest, p->pool, &part->params);
		else
			set_type(part, "text", "plain");
	} else if (span_iis(name, "Transfer-Encoding") && !part->encoding.p) {
		part->encoding = param_parse_token(value, &rest);
	} else if (span_iis(name, "Disposition") && !part->disposition.p) {
		part->disposition = param_parse_token(value, &rest);
		params_parse(rest, p->pool, &part->disposition_params);
	} else if (span_iis(name, "ID") && !part->id.p) {
		part->id = value;
	} else if (span_iis(name, "Description") && !part->description.p) {
		part->description = value;
	} else if (span_iis(name, "Location") && !part->location.p) {
		part->location = value;
	} else if (span_iis(name, "MD5") && !part->md5.p) {
		part->md5 = value;
	} else if (span_iis(name, "Language") && !part->language.p) {
		part->language = value;
	}
}

/* Reads the header of a part. A delimiter may cut it short; then the body is empty. */
static void read_header(struct parser *p, struct mime_part *part)
{
	struct header_reader r;
	struct header_field f;
	struct delimiter d;
	header_reader_init(&r, span_make(p->in.p + p->pos, p->in.n - p->pos));
	part->header_at = p->pos;
	while (header_read(&r, &f)) {
		size_t at = (size_t)(f.whole.p - p->in.p);
		if (p->nopen && f.whole.p[0] == '-' && is_delimiter(p, at, &d)) {
			r.p = f.whole.p;
			break;
		}
		if (f.name.n > 8 && span_ihas_prefix(f.name, SPAN_LIT("Content-")))
			take_field(p, part, f.name, f.value);
	}
	p->pos = p->in.p ? (size_t)(r.p - p->in.p) : 0;
	part->header_len = p->pos - part->header_at;
	part->body_at = p->pos;
	if (part->parent != MIME_NONE)
		p->lines += count_lines(span_make(p->in.p + part->header_at, part->header_len));
	part->body_lines = p->lines; /* where it starts, until the part is closed */
}

static struct span trim_right(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static void start_multipart(struct parser *p, struct mime_part *part)
{
	struct span boundary;
	if (!params_find(&part->params, "boundary", &boundary))
		boundary.n = 0;
	boundary = boundary.n ? trim_right(boundary) : boundary;
	if (!boundary.n) {
		part->kind = MIME_TEXT;
		set_type(part, "text", "plain");
		return;
	}
	part->kind = MIME_MULTIPART;
	p->open[p->nopen++] = (struct open_multipart){
		.boundary = boundary, .part = p->cur, .last_child = MIME_NONE};
}

/* What kind of body follows; too deep or too many: an opaque one. */
static void start_body(struct parser *p)
{
	struct mime_part *part = &p->parts.v[p->cur];
	bool multipart = span_iis(part->type, "multipart");
	bool message = span_iis(part->type, "message") && span_iis(part->subtype, "rfc822");
	bool full = p->parts.n >= MIME_PARTS_MAX;
	if (full)
		p->nopen = 0;
	if ((multipart || message) && (full || part->depth + 1 >= MIME_DEPTH_MAX))
		set_type(part, "application", "octet-stream");
	else if (multipart)
		start_multipart(p, part);
	else if (message)
		part->kind = MIME_MESSAGE;
	else
		part->kind = span_iis(part->type, "text") ? MIME_TEXT : MIME_LEAF;
}

static bool is_digest(const struct parser *p, uint32_t parent)
{
	return parent != MIME_NONE && p->parts.v[parent].kind == MIME_MULTIPART &&
	       span_iis(p->parts.v[parent].subtype, "digest");
}

static void open_part(struct parser *p, uint32_t parent)
{
	uint32_t index = (uint32_t)p->parts.n;
	struct mime_part *part = array_add(&p->parts);
	part->parent = parent;
	part->next = MIME_NONE;
	part->depth = parent == MIME_NONE ? 0 : p->parts.v[parent].depth + 1;
	if (p->nopen && p->open[p->nopen - 1].part == parent) {
		struct open_multipart *m = &p->open[p->nopen - 1];
		if (m->last_child != MIME_NONE)
			p->parts.v[m->last_child].next = index;
		m->last_child = index;
	}
	p->cur = index;
	read_header(p, part);
	if (!part->type.p && is_digest(p, parent))
		set_type(part, "message", "rfc822");
	else if (!part->type.p)
		set_type(part, "text", "plain");
	start_body(p);
}

static void close_part(struct parser *p, struct mime_part *part, size_t end, uint32_t lines)
{
	bool empty = end <= part->body_at;
	part->body_len = empty ? 0 : end - part->body_at;
	part->body_lines = empty ? 0 : lines - part->body_lines;
	part->end = (uint32_t)p->parts.n;
	if (part->kind == MIME_MULTIPART && part->end == (uint32_t)(part - p->parts.v) + 1) {
		part->kind = MIME_TEXT;
		set_type(part, "text", "plain");
	}
}

/* Closes what is open inside the part stop. */
static void close_until(struct parser *p, uint32_t stop, size_t end, uint32_t lines)
{
	while (p->cur != stop) {
		struct mime_part *part = &p->parts.v[p->cur];
		close_part(p, part, end, lines);
		p->cur = part->parent;
	}
}

static bool find_delimiter(struct parser *p, struct delimiter *d_r)
{
	if (!p->nopen) {
		p->lines += count_lines(span_make(p->in.p + p->pos, p->in.n - p->pos));
		p->pos = p->in.n;
		return false;
	}
	while (p->pos < p->in.n) {
		if (p->in.p[p->pos] == '-' && is_delimiter(p, p->pos, d_r))
			return true;
		p->pos = line_end(p, p->pos);
		p->lines += p->in.p[p->pos - 1] == '\n';
	}
	return false;
}

/* The line end before a delimiter belongs to it. */
static void take_delimiter(struct parser *p, const struct delimiter *d)
{
	size_t end = d->at;
	uint32_t part = p->open[d->open].part;
	if (end > 1 && p->in.p[end - 2] == '\r')
		end--;
	close_until(p, part, end ? end - 1 : 0, p->lines - (p->lines > 0));
	p->nopen = d->open + !d->last;
	p->pos = d->after;
	p->lines += p->in.p[p->pos - 1] == '\n';
	if (!d->last)
		open_part(p, part);
}

void mime_parse(struct span message, struct pool *pool, struct mime *mime_r)
{
	struct parser p = {.in = message, .pool = pool, .parts = ARRAY_IN(pool)};
	struct delimiter d;
	open_part(&p, MIME_NONE);
	for (;;) {
		if (p.parts.v[p.cur].kind == MIME_MESSAGE)
			open_part(&p, p.cur);
		else if (find_delimiter(&p, &d))
			take_delimiter(&p, &d);
		else
			break;
	}
	close_until(&p, MIME_NONE, message.n, p.lines);
	*mime_r = (struct mime){message, p.parts.v, (uint32_t)p.parts.n};
}

enum mime_encoding mime_part_encoding(const struct mime_part *part)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} rows[] = {{"7bit", MIME_IDENTITY}, {"8bit", MIME_IDENTITY}, {"binary", MIME_IDENTITY},
		{"base64", MIME_BASE64}, {"quoted-printable", MIME_QP}};
	if (!part->encoding.n)
		return MIME_IDENTITY;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_iis(part->encoding, rows[i].name))
			return rows[i].encoding;
	return MIME_UNKNOWN_ENCODING;
}

struct span mime_part_charset(const struct mime_part *part)
{
	struct span charset;
	if (params_find(&part->params, "charset", &charset) && charset.n)
		return charset;
	return SPAN_LIT("us-ascii");
}

int mime_part_put_filename(const struct mime_part *part, struct str *out)
{
	return params_put_utf8(&part->disposition_params, "filename", out) ||
	       params_put_utf8(&part->params, "name", out);
}
