#include "mail/envelope.h"

#include "base/wire.h"

#define VERSION 1

enum tag {
	TAG_TRACE = 1,
	TAG_ARRIVAL, /* u64 */
	TAG_SENDER,
	TAG_RECIPIENT, /* rows of its own */
	TAG_ENVID,
	TAG_RET,  /* u8 */
	TAG_BODY, /* u8 */
	TAG_SMTPUTF8,
	TAG_HOLD,
	TAG_URGENCY, /* u8 */
	TAG_CHANNEL,
	TAG_AUTH_USER,
	TAG_REMOTE_HOST,
	TAG_REMOTE_IP,
	TAG_HELO,
	TAG_PROTOCOL,
	TAG_ATTRIBUTE, /* two blobs */
};

enum recipient_tag { RECIPIENT_ADDRESS = 1, RECIPIENT_ORCPT, RECIPIENT_NOTIFY };

static void put_text(struct str *out, unsigned tag, const char *s)
{
	if (!s || !*s)
		return;
	put_varint(out, tag);
	put_cstr(out, s);
}

static void put_small(struct str *out, unsigned tag, unsigned v)
{
	if (!v)
		return;
	put_varint(out, tag);
	put_varint(out, 1);
	put_u8(out, (uint8_t)v);
}

static void put_recipient(struct str *out, struct str *row, const struct recipient *r)
{
	str_reset(row);
	put_text(row, RECIPIENT_ADDRESS, r->address);
	put_text(row, RECIPIENT_ORCPT, r->orcpt);
	put_small(row, RECIPIENT_NOTIFY, r->notify);
	put_varint(out, TAG_RECIPIENT);
	put_blob(out, str_span(row));
}

static void put_attribute(struct str *out, struct str *row, const struct attribute *a)
{
	str_reset(row);
	put_cstr(row, a->name);
	put_cstr(row, a->value);
	put_varint(out, TAG_ATTRIBUTE);
	put_blob(out, str_span(row));
}

void envelope_put(struct str *out, const struct envelope *e)
{
	struct str row = STR_INIT;
	put_u8(out, VERSION);
	put_text(out, TAG_TRACE, e->trace.s);
	put_varint(out, TAG_ARRIVAL);
	put_varint(out, 8);
	put_u64(out, (uint64_t)e->arrival_us);
	put_text(out, TAG_SENDER, e->sender);
	put_text(out, TAG_ENVID, e->envid);
	put_small(out, TAG_RET, e->ret);
	put_small(out, TAG_BODY, e->body);
	put_small(out, TAG_SMTPUTF8, e->smtputf8);
	put_small(out, TAG_HOLD, e->hold);
	put_small(out, TAG_URGENCY, e->urgency);
	put_text(out, TAG_CHANNEL, e->channel);
	put_text(out, TAG_AUTH_USER, e->auth_user);
	put_text(out, TAG_REMOTE_HOST, e->remote_host);
	put_text(out, TAG_REMOTE_IP, e->remote_ip);
	put_text(out, TAG_HELO, e->helo);
	put_text(out, TAG_PROTOCOL, e->protocol);
	for (size_t i = 0; i < e->nrecipient; i++)
		put_recipient(out, &row, &e->recipients[i]);
	for (size_t i = 0; i < e->nattribute; i++)
		put_attribute(out, &row, &e->attributes[i]);
	str_fini(&row);
}

/* A row's bytes as a string; a NUL inside is damage. */
static const char *text_of(struct span bytes, struct pool *pool, bool *bad)
{
	if (bytes.n && memchr(bytes.p, 0, bytes.n)) {
		*bad = true;
		return "";
	}
	return pool_span(pool, bytes);
}

static unsigned small_of(struct span bytes, unsigned max, bool *bad)
{
	unsigned v = bytes.n == 1 ? (unsigned char)bytes.p[0] : max + 1;
	*bad |= v > max;
	return v > max ? 0 : v;
}

static bool read_row(struct reader *r, uint64_t *tag_r, struct span *bytes_r)
{
	if (!reader_left(r) || r->bad)
		return false;
	*tag_r = get_varint(r);
	*bytes_r = get_blob(r);
	return !r->bad;
}

static void parse_recipient(struct recipient *to, struct span bytes, struct pool *pool, bool *bad)
{
	struct reader r = reader_of(bytes);
	uint64_t tag;
	to->address = to->orcpt = "";
	while (read_row(&r, &tag, &bytes)) {
		if (tag == RECIPIENT_ADDRESS)
			to->address = text_of(bytes, pool, bad);
		else if (tag == RECIPIENT_ORCPT)
			to->orcpt = text_of(bytes, pool, bad);
		else if (tag == RECIPIENT_NOTIFY)
			to->notify = small_of(bytes, 15, bad);
	}
	*bad |= r.bad || !*to->address;
}

static void parse_attribute(struct attribute *a, struct span bytes, struct pool *pool, bool *bad)
{
	struct reader r = reader_of(bytes);
	a->name = get_cstr(&r, pool);
	a->value = get_cstr(&r, pool);
	*bad |= r.bad;
}

static void parse_fixed(struct envelope *e, uint64_t tag, struct span bytes, bool *bad)
{
	struct reader r = reader_of(bytes);
	switch (tag) {
	case TAG_TRACE:
		*bad |= !trace_id_parse(bytes, &e->trace);
		break;
	case TAG_ARRIVAL:
		e->arrival_us = (int64_t)get_u64(&r);
		*bad |= r.bad;
		break;
	case TAG_RET:
		e->ret = small_of(bytes, DSN_RET_HDRS, bad);
		break;
	case TAG_BODY:
		e->body = small_of(bytes, BODY_BINARYMIME, bad);
		break;
	case TAG_SMTPUTF8:
		e->smtputf8 = small_of(bytes, 1, bad);
		break;
	case TAG_HOLD:
		e->hold = small_of(bytes, 1, bad);
		break;
	case TAG_URGENCY:
		e->urgency = small_of(bytes, URGENCY_URGENT, bad);
		break;
	default:
		break;
	}
}

static const char **text_slot(struct envelope *e, uint64_t tag)
{
	switch (tag) {
	case TAG_SENDER:
		return &e->sender;
	case TAG_ENVID:
		return &e->envid;
	case TAG_CHANNEL:
		return &e->channel;
	case TAG_AUTH_USER:
		return &e->auth_user;
	case TAG_REMOTE_HOST:
		return &e->remote_host;
	case TAG_REMOTE_IP:
		return &e->remote_ip;
	case TAG_HELO:
		return &e->helo;
	case TAG_PROTOCOL:
		return &e->protocol;
	default:
		return NULL;
	}
}

/* First pass: how many of each there are, so that the arrays are exact. */
static int count_rows(struct span blob, struct envelope *e)
{
	struct reader r = reader_of(blob);
	struct span bytes;
	uint64_t tag;
	get_u8(&r);
	while (read_row(&r, &tag, &bytes)) {
		e->nrecipient += tag == TAG_RECIPIENT;
		e->nattribute += tag == TAG_ATTRIBUTE;
	}
	return r.bad || e->nrecipient > ENVELOPE_RECIPIENTS_MAX ||
			       e->nattribute > ENVELOPE_ATTRIBUTES_MAX
		       ? -1
		       : 0;
}

static int parse_rows(struct span blob, struct pool *pool, struct envelope *e)
{
	struct reader r = reader_of(blob);
	struct span bytes;
	uint64_t tag;
	size_t nrecipient = 0, nattribute = 0;
	bool bad = false;
	get_u8(&r);
	while (read_row(&r, &tag, &bytes) && !bad) {
		const char **slot = text_slot(e, tag);
		if (slot)
			*slot = text_of(bytes, pool, &bad);
		else if (tag == TAG_RECIPIENT)
			parse_recipient(&e->recipients[nrecipient++], bytes, pool, &bad);
		else if (tag == TAG_ATTRIBUTE)
			parse_attribute(&e->attributes[nattribute++], bytes, pool, &bad);
		else
			parse_fixed(e, tag, bytes, &bad);
	}
	return bad || r.bad ? -1 : 0;
}

int envelope_parse(struct span blob, struct pool *pool, struct envelope *envelope_r)
{
	*envelope_r = (struct envelope){.sender = "",
		.envid = "",
		.channel = "",
		.auth_user = "",
		.remote_host = "",
		.remote_ip = "",
		.helo = "",
		.protocol = ""};
	if (!blob.n || blob.n > ENVELOPE_MAX || blob.p[0] != VERSION ||
		count_rows(blob, envelope_r) < 0)
		return -1;
	envelope_r->recipients = pool_array(pool, envelope_r->nrecipient, sizeof(struct recipient));
	envelope_r->attributes = pool_array(pool, envelope_r->nattribute, sizeof(struct attribute));
	return parse_rows(blob, pool, envelope_r);
}

const char *envelope_attribute(const struct envelope *e, const char *name)
{
	for (size_t i = 0; i < e->nattribute; i++)
		if (strcmp(e->attributes[i].name, name) == 0)
			return e->attributes[i].value;
	return NULL;
}
