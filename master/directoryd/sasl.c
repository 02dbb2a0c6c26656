#include "master/directoryd/directoryd.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/log.h"

/*
 * The server's side of SASL is libsasl2's. It calls back for secrets: SCRAM asks the auxiliary property plug-in below for
 * authPassword, PLAIN and LOGIN ask to check a password. Both callbacks run in the fiber of the call and may wait: the
 * library keeps no lock and nothing between calls but the connection object that each exchange has of its own.
 */

struct sasl_callbacks {
	sasl_callback_t v[3];
	sasl_channel_binding_t binding;
};

static int option(void *context, const char *plugin, const char *name, const char **value_r,
	unsigned *length_r)
{
	static const struct {
		const char *name, *value;
	} options[] = {
		{"auxprop_plugin", "thurn"},
		{"pwcheck_method", "auxprop"},
		{"mech_list", SASL_SCRAM_MECHANISMS " " SASL_PLAIN_MECHANISMS},
		{"log_level", "1"},
	};
	(void)context;
	(void)plugin;
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strcmp(name, options[i].name) == 0) {
			*value_r = options[i].value;
			if (length_r)
				*length_r = (unsigned)strlen(options[i].value);
			return SASL_OK;
		}
	return SASL_FAIL;
}

static int say(void *context, int level, const char *text)
{
	(void)context;
	if (level <= SASL_LOG_ERR)
		log_warning("libsasl2: %s", text);
	return SASL_OK;
}

/* The library ends names without a domain with "@" and an empty realm. NULL: no name that could be a user's. */
static const char *user_key(struct sasl_exchange *x, struct pool *pool, const char *user, size_t length)
{
	if (length && user[length - 1] == '@')
		length--;
	return length > SASL_NAME_OCTETS_MAX ? NULL : name_parse(x->d, pool, pool_strndup(pool, user, length));
}

static int check_password(sasl_conn_t *sasl, void *context, const char *user, const char *password,
	unsigned length, struct propctx *properties)
{
	struct sasl_exchange *x = context;
	(void)sasl;
	(void)properties;
	const char *key = user_key(x, x->pool, user, strlen(user));
	bool found = key && records_user(x->d->records, x->pool, key, &x->shown);
	x->name = key;
	if (passwords_check(x->d->passwords, found ? &x->shown : NULL, key ? key : "", password, length))
		return SASL_OK;
	x->why = !found ? "There is no such user." : x->shown.disabled ? "The user is disabled." : "The password is wrong.";
	return SASL_BADAUTH;
}

/* What stands for a name that can't be: it is nobody's key. */
#define NO_NAME "\177"

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A name as the client sends it, without blanks around it. The library refuses long names, empty ones, and some with blanks in
 * front; what it had for such a one is never freed: memory that anybody could make it lose. So it gets one that it takes, and
 * learns later that nobody has it. */
static int take_name(sasl_conn_t *sasl, void *context, const char *name, unsigned length, unsigned flags,
	const char *realm, char *out, unsigned room, unsigned *length_r)
{
	(void)sasl;
	(void)context;
	(void)flags;
	(void)realm;
	for (; length && is_blank(*name); length--)
		name++;
	while (length && is_blank(name[length - 1]))
		length--;
	if (!length || length > SASL_NAME_OCTETS_MAX || length >= room) {
		name = NO_NAME;
		length = sizeof(NO_NAME) - 1;
	}
	memmove(out, name, length);
	out[length] = '\0';
	*length_r = length;
	return SASL_OK;
}

/* The stored keys, or made-up ones for whom we don't know: the client learns nothing before its proof is wrong. */
static const char *scram_keys(struct sasl_exchange *x, const char *user, size_t length)
{
	const char *key = user_key(x, x->pool, user, length);
	const char *name = key ? key : pool_strndup(x->pool, user, length);
	int count = passwords_usual_count(x->d->passwords, name, x->sha256);
	x->name = key;
	if (key && records_user(x->d->records, x->pool, key, &x->shown) && !x->shown.disabled) {
		const char *keys = x->sha256 ? x->shown.scram256 : x->shown.scram1;
		if (*keys)
			return keys;
	}
	x->why = "There is no such user, or not with keys for SCRAM.";
	return passwords_fake_scram(x->d->passwords, x->pool, name, x->sha256, count);
}

/* A property plug-in is given no context of its caller's, but it may ask for the connection's callbacks. */
static struct sasl_exchange *exchange_of(const sasl_server_params_t *params)
{
	sasl_callback_ft fn;
	void *context = NULL;
	if (params->utils->getcallback(params->utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &fn,
		    &context) != SASL_OK || !context)
		log_panic("libsasl2 looks up properties for nobody");
	return context;
}

static int look_up_properties(void *context, sasl_server_params_t *params, unsigned flags,
	const char *user, unsigned length)
{
	(void)context;
	if (flags & SASL_AUXPROP_AUTHZID)
		return SASL_OK; /* nothing is asked about whom to become */
	for (const struct propval *p = params->utils->prop_get(params->propctx); p && p->name; p++)
		if (strcmp(p->name, "*authPassword") == 0 && !p->values) {
			const char *keys = scram_keys(exchange_of(params), user, length);
			return params->utils->prop_set(params->propctx, p->name, keys, -1);
		}
	return SASL_OK;
}

static int plug_in(const sasl_utils_t *utils, int version, int *version_r,
	sasl_auxprop_plug_t **plug_r, const char *name)
{
	static sasl_auxprop_plug_t plug; /* the library's type is not const */
	(void)utils;
	(void)version;
	(void)name;
	plug.auxprop_lookup = look_up_properties;
	plug.name = (char *)(uintptr_t)"thurn";
	*version_r = SASL_AUXPROP_PLUG_VERSION;
	*plug_r = &plug;
	return SASL_OK;
}

/* One connection made and thrown away loads what the library opens late (design rule 23). */
static void preload(void)
{
	sasl_conn_t *sasl;
	const char *names = NULL;
	if (sasl_server_new("smtp", "localhost", "", NULL, NULL, NULL, 0, &sasl) != SASL_OK)
		return;
	sasl_listmech(sasl, NULL, "", " ", "", &names, NULL, NULL);
	if (!names || !strstr(names, "SCRAM-SHA-256") || !strstr(names, "PLAIN"))
		log_warning("SASL plug-ins are missing: libsasl2 offers only %s", names ? names : "nothing");
	sasl_dispose(&sasl);
}

int sasl_start(const char **err_r)
{
	/* The library casts every callback to one type. */
	static const sasl_callback_t callbacks[] = {
		{SASL_CB_GETOPT, (int (*)(void))(uintptr_t)option, NULL},
		{SASL_CB_LOG, (int (*)(void))(uintptr_t)say, NULL},
		{SASL_CB_LIST_END, NULL, NULL},
	};
	if (sasl_server_init(callbacks, "thurn") != SASL_OK
		|| sasl_auxprop_add_plugin("thurn", plug_in) != SASL_OK) {
		*err_r = "libsasl2 can't be started.";
		return -1;
	}
	preload();
	return 0;
}

void sasl_stop(void)
{
	sasl_done();
}

/* --- one exchange --- */

int sasl_exchange_init(struct sasl_exchange *x, struct directoryd *d, struct pool *pool,
	const char *mechanism, const char *service)
{
	struct sasl_callbacks *c = pool_new_of(pool, struct sasl_callbacks);
	c->v[0] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS,
		(int (*)(void))(uintptr_t)check_password, x};
	c->v[1] = (sasl_callback_t){SASL_CB_CANON_USER, (int (*)(void))(uintptr_t)take_name, NULL};
	c->v[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	x->d = d;
	x->pool = pool;
	x->sha256 = strstr(mechanism, "256") != NULL;
	x->callbacks = c;
	int rc = sasl_server_new(service, d->svc->common->hostname, "", NULL, NULL, c->v,
		SASL_SUCCESS_DATA, &x->conn);
	return rc == SASL_OK ? 0 : -1;
}

void sasl_exchange_fini(struct sasl_exchange *x)
{
	sasl_dispose(&x->conn);
}

/* The client's first SCRAM message says what it binds to (RFC 5802 section 7): "p=TYPE,". One that sends "y" has been
 * told that the server can't, which isn't so: with a binding set the library refuses it. */
static const struct dir_binding *binding_for(const struct sasl_exchange *x, struct span message)
{
	const struct dir_binding *v = x->bindings.v;
	struct span type;
	if (!x->bindings.n || message.n < 2)
		return NULL;
	if (message.p[0] == 'y')
		return v;
	if (message.p[0] != 'p' || !span_split(&message, ',', &type))
		return NULL;
	for (size_t i = 0; i < x->bindings.n; i++)
		if (type.n > 2 && span_is(span_make(type.p + 2, type.n - 2), v[i].type))
			return &v[i];
	return NULL;
}

static void bind_channel(struct sasl_exchange *x, struct span message)
{
	sasl_channel_binding_t *binding = &x->callbacks->binding;
	const struct dir_binding *found = binding_for(x, message);
	x->bound = true;
	if (!found)
		return;
	binding->name = found->type;
	binding->data = pool_memdup(x->pool, found->data.p, found->data.n);
	binding->len = found->data.n;
	sasl_setprop(x->conn, SASL_CHANNEL_BINDING, binding);
}

static enum sasl_state state_of(int rc, const char *out, unsigned n, struct span *answer_r)
{
	*answer_r = out ? span_make(out, n) : span_of("");
	switch (rc) {
	case SASL_OK:
		return SASL_STATE_DONE;
	case SASL_CONTINUE:
		return SASL_STATE_MORE;
	case SASL_NOMECH:
		return SASL_STATE_NO_MECHANISM;
	default:
		return SASL_STATE_REFUSED;
	}
}

enum sasl_state sasl_exchange_begin(struct sasl_exchange *x, const char *mechanism, const struct span *data,
	struct span *answer_r)
{
	const char *out = NULL;
	unsigned n = 0;
	if (data)
		bind_channel(x, *data);
	/* NULL means that none came; an empty one is not NULL. */
	const char *in = !data ? NULL : data->n ? data->p : "";
	int rc = sasl_server_start(x->conn, mechanism, in, data ? (unsigned)data->n : 0, &out, &n);
	return state_of(rc, out, n, answer_r);
}

enum sasl_state sasl_exchange_step(struct sasl_exchange *x, struct span data, struct span *answer_r)
{
	const char *out = NULL;
	unsigned n = 0;
	if (!x->bound)
		bind_channel(x, data);
	int rc = sasl_server_step(x->conn, data.n ? data.p : "", (unsigned)data.n, &out, &n);
	return state_of(rc, out, n, answer_r);
}

const char *sasl_exchange_user(struct sasl_exchange *x, struct pool *pool, const char **err_r)
{
	const void *user = NULL, *authenticated = NULL;
	sasl_getprop(x->conn, SASL_USERNAME, &user);
	sasl_getprop(x->conn, SASL_AUTHUSER, &authenticated);
	const char *key = user ? user_key(x, pool, user, strlen(user)) : NULL;
	const char *by = authenticated ? user_key(x, pool, authenticated, strlen(authenticated)) : NULL;
	if (key && by && strcmp(key, by) == 0)
		return key;
	*err_r = "The authorization identity is another user's.";
	return NULL;
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

bool sasl_exchange_holds(const struct sasl_exchange *x, const struct user_record *now)
{
	return is_same(x->shown.account, now->account) && is_same(x->shown.scram256, now->scram256) &&
	       is_same(x->shown.scram1, now->scram1) && is_same(x->shown.crypt, now->crypt);
}

const char *sasl_exchange_error(struct sasl_exchange *x)
{
	return x->why ? x->why : sasl_errdetail(x->conn);
}
