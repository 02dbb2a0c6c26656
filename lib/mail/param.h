/*
 * Structured MIME fields: "token/token; name=value; name*0*=..." (RFC 2045 5.1, RFC 2183, RFC
 * 2231). Lenient: comments, missing quotes, stray semicolons, unterminated strings all yield
 * something.
 */
#ifndef MAIL_PARAM_H
#define MAIL_PARAM_H

#include "base/pool.h"
#include "base/str.h"

/* Parameters that are kept of one field, and octets of one name or value; the rest is dropped. */
#define PARAM_MAX       64
#define PARAM_NAME_MAX  128
#define PARAM_VALUE_MAX 4096

/* Continuations (name*0, name*1) are joined; name ends in '*' when the value is still in the
 * charset'language'%xx form. */
struct param {
	struct span name;  /* as written */
	struct span value; /* unquoted */
};

struct params {
	struct param *v;
	size_t n;
};

/* Splits "text/plain; ..." into main and sub type; false when there is none (then the spans are
 * empty). *rest_r is what follows, for params_parse(). */
bool param_parse_type(struct span value, struct span *type_r, struct span *subtype_r,
	struct span *rest_r);
/* The first token of a field ("attachment; ...", "base64"); empty when there is none. */
struct span param_parse_token(struct span value, struct span *rest_r);
/* What follows the type or token; its first ';' may be missing. The array is the pool's; spans
 * point into the text or the pool. */
void params_parse(struct span rest, struct pool *pool, struct params *params_r);

/* The raw value of name (case ignored), "name*" not looked at: 1 found, 0 none. */
int params_find(const struct params *params, const char *name, struct span *value_r);
/* The value of name, or of "name*" decoded, or with encoded words decoded (as many programs write
 * file names), as UTF-8: 1 and appended to out, 0 none. */
int params_put_utf8(const struct params *params, const char *name, struct str *out);

#endif
