/*
 * The one table of operations (design section 8). An operation is declared once, in op_*.c: its
 * name, REST method and path (James's where James has one), parameters, role, function. The command
 * line fills the arguments from argv, the REST server from path and JSON; both call the same
 * function and print its result through the same formatter. Help and manual pages come from the
 * rows.
 *
 * A function reports by building call->result; it never prints and never exits. Arguments have been
 * checked against their types before it runs.
 */
#ifndef ADMIN_OP_H
#define ADMIN_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "json/json.h"
#include "params/params.h"

enum op_type {
	OP_TEXT,
	OP_NAME, /* one word without blanks or control characters */
	OP_DOMAIN,
	OP_ADDRESS, /* local@domain, or local for the default domain's */
	OP_ALIAS,   /* the same, or @domain: all others there */
	OP_NUM,
	OP_SIZE,   /* octets: 50M */
	OP_FLAG,   /* an option without value */
	OP_SECRET, /* a password: option, prompt or standard input; never shown */
};

enum op_param_flags {
	OP_OPTION = 1, /* --name value; others are taken by position */
	OP_OPTIONAL = 2,
	OP_MANY = 4, /* the last position, or an option that may be repeated */
};

struct op_param {
	const char *name; /* NULL ends the list */
	enum op_type type;
	unsigned flags;
	const char *help;
};

#define OP_PARAMS_MAX 8
#define OP_VALUES_MAX 10000 /* of one OP_MANY parameter */

struct op_call;

enum op_flags {
	OP_NO_CONFIG = 1,   /* needs no configuration folder */
	OP_ALWAYS_JSON = 2, /* its result is for programs */
	OP_HIDDEN = 4,      /* for the build; in no help */
	OP_IDEMPOTENT = 8,
};

enum op_role { OP_READ, OP_ADMIN };

struct op {
	const char *name; /* one or two words: "domain add" */
	const char *method, *path;
	struct op_param params[OP_PARAMS_MAX];
	enum op_role role;
	unsigned flags;
	const char *columns; /* of a list of objects, as text: keys separated by blanks */
	int (*run)(struct op_call *call); /* 0, or -1 with call->err */
	const char *help;                 /* one or two sentences */
};

/* Every table; each ends with name == NULL. The list ends with NULL. */
extern const struct op *const op_tables[];

struct op_values {
	const char **v;
	size_t n, cap;
	struct pool *pool;
};

struct op_call {
	struct pool *pool;
	const struct op *op;
	const char *config_dir;
	struct config *config; /* NULL with OP_NO_CONFIG */
	struct op_values values[OP_PARAMS_MAX];
	struct js *result; /* NULL: nothing to say */
	const char *err;   /* a sentence */
};

/* The operation that the words begin with; *used_r words are its name. NULL: none. */
const struct op *op_find(const char *const *words, size_t n, size_t *used_r);
/* Adds a value to a parameter; -1 with call->err when it is not of its type, or one too many. */
int op_set(struct op_call *call, const struct op_param *param, const char *value);
/* -1 with call->err naming the first parameter that is missing. */
int op_check_complete(struct op_call *call);

/* The arguments: NULL, 0 or false when not given. The name must be a parameter's. */
const char *op_str(const struct op_call *call, const char *name);
uint64_t op_num(const struct op_call *call, const char *name);
bool op_flag(const struct op_call *call, const char *name);
const struct op_values *op_many(const struct op_call *call, const char *name);

/* call->err; returns -1. */
int op_fail(struct op_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The tables of op_*.c. */
extern const struct op op_config_rows[], op_domain_rows[], op_user_rows[], op_alias_rows[],
	op_queue_rows[], op_mailbox_rows[], op_trace_rows[], op_server_rows[], op_sandbox_rows[],
	op_tls_rows[], op_build_rows[];

#endif
