#include "json/json.h"

#include <jansson.h>

#include "base/log.h"
#include "base/utf8.h"

static json_t *raw(const struct js *v)
{
	return (json_t *)v;
}

static void drop(void *arg)
{
	json_decref(arg);
}

/* jansson answers NULL only without memory. */
static json_t *must(json_t *v)
{
	if (!v)
		log_fatal("out of memory for JSON");
	return v;
}

static struct js *keep(struct pool *pool, json_t *v)
{
	pool_on_reset(pool, drop, must(v));
	return (struct js *)v;
}

static json_t *clean_text(struct span text)
{
	if (utf8_is_valid(text))
		return must(json_stringn(text.n ? text.p : "", text.n));
	struct str clean = STR_INIT;
	utf8_put_clean(&clean, text);
	json_t *v = must(json_stringn(str_c(&clean), clean.len));
	str_fini(&clean);
	return v;
}

enum js_type js_type(const struct js *v)
{
	static const enum js_type types[] = {
		[JSON_OBJECT] = JS_OBJECT,
		[JSON_ARRAY] = JS_LIST,
		[JSON_STRING] = JS_STR,
		[JSON_INTEGER] = JS_NUM,
		[JSON_REAL] = JS_NUM,
		[JSON_TRUE] = JS_BOOL,
		[JSON_FALSE] = JS_BOOL,
		[JSON_NULL] = JS_NULL,
	};
	return v ? types[json_typeof(raw(v))] : JS_NULL;
}

struct js *js_object(struct pool *pool)
{
	return keep(pool, json_object());
}

struct js *js_list(struct pool *pool)
{
	return keep(pool, json_array());
}

struct js *js_text(struct pool *pool, const char *text)
{
	return keep(pool, clean_text(span_of(text)));
}

static void put(struct js *object, const char *key, json_t *v)
{
	if (json_object_set_new(raw(object), key, must(v)) < 0)
		log_panic("JSON member %s of no object", key);
}

void js_put(struct js *object, const char *key, const char *text)
{
	put(object, key, text ? clean_text(span_of(text)) : json_null());
}

void js_put_span(struct js *object, const char *key, struct span text)
{
	put(object, key, clean_text(text));
}

void js_put_num(struct js *object, const char *key, int64_t v)
{
	put(object, key, json_integer(v));
}

void js_put_bool(struct js *object, const char *key, bool v)
{
	put(object, key, json_boolean(v));
}

struct js *js_put_object(struct js *object, const char *key)
{
	json_t *v = json_object();
	put(object, key, v);
	return (struct js *)v;
}

struct js *js_put_list(struct js *object, const char *key)
{
	json_t *v = json_array();
	put(object, key, v);
	return (struct js *)v;
}

static json_t *add(struct js *list, json_t *v)
{
	if (json_array_append_new(raw(list), must(v)) < 0)
		log_panic("JSON element of no list");
	return v;
}

void js_add(struct js *list, const char *text)
{
	add(list, clean_text(span_of(text)));
}

void js_add_num(struct js *list, int64_t v)
{
	add(list, json_integer(v));
}

struct js *js_add_object(struct js *list)
{
	return (struct js *)add(list, json_object());
}

struct js *js_get(const struct js *object, const char *key)
{
	return (struct js *)json_object_get(raw(object), key);
}

const char *js_str(const struct js *v)
{
	return v ? json_string_value(raw(v)) : NULL;
}

int64_t js_num(const struct js *v)
{
	return v ? json_integer_value(raw(v)) : 0;
}

bool js_bool(const struct js *v)
{
	return v && json_is_true(raw(v));
}

size_t js_count(const struct js *v)
{
	return js_type(v) == JS_OBJECT ? json_object_size(raw(v)) : json_array_size(raw(v));
}

struct js *js_at(const struct js *list, size_t i)
{
	return (struct js *)json_array_get(raw(list), i);
}

bool js_next(struct js *object, void **at, const char **key_r, struct js **value_r)
{
	*at = *at ? json_object_iter_next(raw(object), *at) : json_object_iter(raw(object));
	if (!*at)
		return false;
	*key_r = json_object_iter_key(*at);
	*value_r = (struct js *)json_object_iter_value(*at);
	return true;
}

int js_parse(struct pool *pool, struct span text, struct js **v_r, const char **err_r)
{
	json_error_t error;
	*v_r = NULL;
	if (text.n > JSON_TEXT_MAX) {
		*err_r = "The JSON text is too long.";
		return -1;
	}
	json_t *v = json_loadb(
		text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!v) {
		*err_r = pool_printf(pool, "No JSON, line %d column %d: %s.", error.line,
			error.column, error.text);
		return -1;
	}
	*v_r = keep(pool, v);
	return 0;
}

static int write_piece(const char *p, size_t n, void *arg)
{
	str_add(arg, p, n);
	return 0;
}

void js_write(struct str *out, const struct js *v, bool indent)
{
	json_dump_callback(raw(v), write_piece, out,
		JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | (indent ? JSON_INDENT(2) : JSON_COMPACT));
}
