/*
 * JSON values whose life is a pool's: a thin layer over jansson, so that nobody counts references.
 * A value made or parsed here is freed with its pool; what is added to a container belongs to the
 * container. Text that is no valid UTF-8 goes in with its bad octets replaced, never refused.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/str.h"

struct js; /* a value of any type */

enum js_type { JS_NULL, JS_BOOL, JS_NUM, JS_STR, JS_LIST, JS_OBJECT };
enum js_type js_type(const struct js *v); /* JS_NULL for a NULL pointer */

/* --- building --- */

struct js *js_object(struct pool *pool);
struct js *js_list(struct pool *pool);
struct js *js_text(struct pool *pool, const char *text);

/* Into an object, replacing; keys keep their order. NULL text is null. */
void js_put(struct js *object, const char *key, const char *text);
void js_put_span(struct js *object, const char *key, struct span text);
void js_put_num(struct js *object, const char *key, int64_t v);
void js_put_bool(struct js *object, const char *key, bool v);
struct js *js_put_object(struct js *object, const char *key);
struct js *js_put_list(struct js *object, const char *key);

/* To the end of a list. */
void js_add(struct js *list, const char *text);
void js_add_num(struct js *list, int64_t v);
struct js *js_add_object(struct js *list);

/* --- reading --- */

/* NULL when there is none or the container is of another type. */
struct js *js_get(const struct js *object, const char *key);
const char *js_str(const struct js *v); /* NULL unless a string */
int64_t js_num(const struct js *v);     /* 0 unless a number */
bool js_bool(const struct js *v);       /* false unless true */
size_t js_count(const struct js *v);    /* elements of a list or object */
struct js *js_at(const struct js *list, size_t i);
/* Members in order: false at the end. Start with *at = NULL. */
bool js_next(struct js *object, void **at, const char **key_r, struct js **value_r);

/* --- text --- */

#define JSON_TEXT_MAX (16 * 1024 * 1024)
/*
 * Any value; duplicate keys and trailing bytes are errors. -1 with *err_r a sentence in the pool.
 */
int js_parse(struct pool *pool, struct span text, struct js **v_r, const char **err_r);
/* On one line, or indented. */
void js_write(struct str *out, const struct js *v, bool indent);

#endif
