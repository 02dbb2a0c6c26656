/*
 * Payloads from and to structs, by their tables. Numbers are fixed width, a string or blob is its length
 * and its bytes, a list its count and its elements. The parser trusts nothing: every count is checked
 * against what is left of the frame before memory is taken for it.
 */
#include "ipc/ipc.h"

#include "base/log.h"
#include "base/wire.h"

#define FIELD_AT(type, base, field) ((type *)((char *)(base) + (field)->offset))

static void put_struct(struct str *out, const struct ipc_msg *msg, const void *from, unsigned depth);

static void put_list(struct str *out, const struct ipc_field *f, const struct ipc_list *list,
	unsigned depth)
{
	put_varint(out, list->n);
	for (size_t i = 0; i < list->n; i++)
		put_struct(out, f->sub, (const char *)list->v + i * f->sub->size, depth + 1);
}

static void put_field(struct str *out, const struct ipc_field *f, const void *from, unsigned depth)
{
	void *base = (void *)(uintptr_t)from;

	switch (f->type) {
	case IPC_U32:
		put_u32(out, *FIELD_AT(uint32_t, base, f));
		break;
	case IPC_U64:
		put_u64(out, *FIELD_AT(uint64_t, base, f));
		break;
	case IPC_BOOL:
		put_u8(out, *FIELD_AT(bool, base, f));
		break;
	case IPC_STR:
		put_cstr(out, *FIELD_AT(const char *, base, f));
		break;
	case IPC_BLOB:
		put_blob(out, *FIELD_AT(struct span, base, f));
		break;
	case IPC_LIST:
		put_list(out, f, FIELD_AT(struct ipc_list, base, f), depth);
		break;
	case IPC_END:
		break;
	}
}

static void put_struct(struct str *out, const struct ipc_msg *msg, const void *from, unsigned depth)
{
	if (depth > IPC_DEPTH_MAX)
		log_panic("Message %s nests deeper than IPC_DEPTH_MAX.", msg->name);
	for (const struct ipc_field *f = msg->fields; f->type != IPC_END; f++)
		put_field(out, f, from, depth);
}

void ipc_put(struct str *out, const struct ipc_msg *msg, const void *from)
{
	put_struct(out, msg, from, 0);
}

struct parse {
	struct pool *pool;
	struct reader r;
	size_t items;            /* of all lists so far */
	const struct ipc_field *bad; /* the field that was wrong first */
};

static void parse_struct(struct parse *ps, const struct ipc_msg *msg, void *to, unsigned depth);

static void parse_list(struct parse *ps, const struct ipc_field *f, struct ipc_list *list,
	unsigned depth)
{
	uint64_t n = get_varint(&ps->r);

	/* An element takes a byte at least, so a count past the rest of the frame is a lie. */
	if (ps->r.bad || n > IPC_ITEMS_MAX || n > reader_left(&ps->r) || depth >= IPC_DEPTH_MAX ||
		ps->items + n > IPC_ITEMS_TOTAL_MAX) {
		ps->r.bad = true;
		return;
	}
	ps->items += n;
	list->n = (size_t)n;
	list->v = pool_array(ps->pool, list->n, f->sub->size);
	for (size_t i = 0; i < list->n && !ps->r.bad; i++)
		parse_struct(ps, f->sub, (char *)list->v + i * f->sub->size, depth + 1);
}

static bool parse_bool(struct reader *r)
{
	uint8_t v = get_u8(r);

	if (v > 1)
		r->bad = true;
	return v == 1;
}

static void parse_field(struct parse *ps, const struct ipc_field *f, void *to, unsigned depth)
{
	switch (f->type) {
	case IPC_U32:
		*FIELD_AT(uint32_t, to, f) = get_u32(&ps->r);
		break;
	case IPC_U64:
		*FIELD_AT(uint64_t, to, f) = get_u64(&ps->r);
		break;
	case IPC_BOOL:
		*FIELD_AT(bool, to, f) = parse_bool(&ps->r);
		break;
	case IPC_STR:
		*FIELD_AT(const char *, to, f) = get_cstr(&ps->r, ps->pool);
		break;
	case IPC_BLOB:
		*FIELD_AT(struct span, to, f) = pool_copy(ps->pool, get_blob(&ps->r));
		break;
	case IPC_LIST:
		parse_list(ps, f, FIELD_AT(struct ipc_list, to, f), depth);
		break;
	case IPC_END:
		break;
	}
}

static void parse_struct(struct parse *ps, const struct ipc_msg *msg, void *to, unsigned depth)
{
	for (const struct ipc_field *f = msg->fields; f->type != IPC_END && !ps->r.bad; f++) {
		parse_field(ps, f, to, depth);
		if (ps->r.bad && !ps->bad)
			ps->bad = f;
	}
}

int ipc_parse(struct pool *pool, const struct ipc_msg *msg, struct span payload, void *to,
	const char **err_r)
{
	struct parse ps = {.pool = pool, .r = reader_of(payload)};

	memset(to, 0, msg->size);
	parse_struct(&ps, msg, to, 0);
	if (ps.r.bad) {
		*err_r = pool_printf(pool, "Field %s of message %s is malformed.",
			ps.bad ? ps.bad->name : "?", msg->name);
		return -1;
	}
	if (reader_left(&ps.r)) {
		*err_r = pool_printf(pool, "Message %s has %zu bytes too many.", msg->name,
			reader_left(&ps.r));
		return -1;
	}
	return 0;
}
