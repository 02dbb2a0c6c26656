/* Finding operations, checking and reading arguments. */
#include "admin/op.h"

#include "base/log.h"
#include "base/num.h"
#include "base/utf8.h"

const struct op *op_find(const char *const *words, size_t n, size_t *used_r)
{
	for (size_t t = 0; op_tables[t]; t++)
		for (const struct op *op = op_tables[t]; op->name; op++) {
			struct span rest = span_of(op->name), word;
			size_t i = 0;
			bool same = true;
			for (; same && span_split(&rest, ' ', &word); i++)
				same = i < n && span_is(word, words[i]);
			if (same) {
				*used_r = i;
				return op;
			}
		}
	return NULL;
}

static const struct op_values *find_values(const struct op_call *call, const char *name)
{
	for (size_t i = 0; i < OP_PARAMS_MAX && call->op->params[i].name; i++)
		if (strcmp(call->op->params[i].name, name) == 0)
			return &call->values[i];
	log_panic("operation %s has no parameter %s", call->op->name, name);
}

static bool is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
			return false;
	return s.n > 0 && s.n <= 1000;
}

/* Letters of any script pass here; the directory has the last word on names. */
static bool is_domain(struct span s)
{
	struct span label;
	if (!s.n || s.n > 255 || !utf8_is_valid(s))
		return false;
	while (span_split(&s, '.', &label)) {
		if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum((unsigned char)label.p[i]) && label.p[i] != '-' &&
				label.p[i] != '_' && !((unsigned char)label.p[i] & 0x80))
				return false;
	}
	return true;
}

static bool is_address(struct span s)
{
	size_t at = s.n;
	while (at && s.p[at - 1] != '@')
		at--;
	if (!at) /* a name of the default domain; directoryd completes it */
		return s.n <= 256 && is_word(s);
	return at > 1 && at <= 256 && is_word(s) && is_domain(span_make(s.p + at, s.n - at));
}

static bool is_alias(struct span s)
{
	return is_address(s) || (s.n > 1 && s.p[0] == '@' && is_domain(span_make(s.p + 1, s.n - 1)));
}

static bool is_size(struct span s)
{
	uint64_t v;
	return num_parse_size(s, &v) && v <= INT64_MAX;
}

static bool is_num(struct span s)
{
	uint64_t v;
	return num_parse_u64(s, INT64_MAX, &v);
}

static bool is_text(struct span s)
{
	return s.n <= 1000000;
}

static const struct {
	bool (*ok)(struct span s);
	const char *wanted;
} types[] = {
	[OP_TEXT] = {is_text, "a text"},
	[OP_NAME] = {is_word, "a name"},
	[OP_DOMAIN] = {is_domain, "a domain"},
	[OP_ADDRESS] = {is_address, "an address (user@domain, or user for one of the default domain)"},
	[OP_ALIAS] = {is_alias, "an address (user@domain, user, or @domain for all others there)"},
	[OP_NUM] = {is_num, "a number"},
	[OP_SIZE] = {is_size, "a size like 500M"},
	[OP_FLAG] = {is_text, "a flag"},
	[OP_SECRET] = {is_text, "a password"},
};

int op_set(struct op_call *call, const struct op_param *param, const char *value)
{
	struct op_values *values = &call->values[param - call->op->params];
	if (values->n && !(param->flags & OP_MANY))
		return op_fail(call, "%s was given twice.", param->name);
	if (values->n >= OP_VALUES_MAX)
		return op_fail(call, "More than %d values for %s.", OP_VALUES_MAX, param->name);
	if (!types[param->type].ok(span_of(value)))
		return op_fail(call, "\"%.100s\" is not %s.", value, types[param->type].wanted);
	values->pool = call->pool;
	*array_add(values) = pool_strdup(call->pool, value);
	return 0;
}

int op_check_complete(struct op_call *call)
{
	for (size_t i = 0; i < OP_PARAMS_MAX && call->op->params[i].name; i++)
		if (!call->values[i].n && !(call->op->params[i].flags & (OP_OPTIONAL | OP_OPTION)))
			return op_fail(call, "%s is missing.", call->op->params[i].name);
	return 0;
}

const char *op_str(const struct op_call *call, const char *name)
{
	const struct op_values *values = find_values(call, name);
	return values->n ? values->v[0] : NULL;
}

uint64_t op_num(const struct op_call *call, const char *name)
{
	const char *text = op_str(call, name);
	uint64_t v = 0;
	if (text)
		num_parse_size(span_of(text), &v); /* a plain number is a size, too */
	return v;
}

bool op_flag(const struct op_call *call, const char *name)
{
	return op_str(call, name) != NULL;
}

const struct op_values *op_many(const struct op_call *call, const char *name)
{
	return find_values(call, name);
}

int op_fail(struct op_call *call, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	call->err = pool_vprintf(call->pool, fmt, ap);
	va_end(ap);
	return -1;
}

const struct op *const op_tables[] = {
	op_domain_rows,
	op_user_rows,
	op_alias_rows,
	op_queue_rows,
	op_mailbox_rows,
	op_trace_rows,
	op_config_rows,
	op_server_rows,
	op_tls_rows,
	op_sandbox_rows,
	op_build_rows,
	NULL,
};
