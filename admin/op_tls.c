/* thurn tls: the server's certificate. */
#include <errno.h>
#include <sys/stat.h>

#include "admin/cert.h"
#include "admin/op.h"

static int tls_create(struct op_call *call)
{
	const struct common_conf *c = &call->config->common;
	if (!c->tls_cert[0] || !c->tls_key[0])
		return op_fail(call, "tls_cert and tls_key are empty: there is no TLS.");
	for (size_t i = 0; i < 2; i++) {
		char *dir = pool_strdup(call->pool, i ? c->tls_key : c->tls_cert);
		*strrchr(dir, '/') = '\0';
		if (*dir && mkdir(dir, 0755) < 0 && errno != EEXIST)
			return op_fail(
				call, "The folder %s can't be made: %s.", dir, strerror(errno));
	}
	if (cert_make(call->pool, c->hostname, c->tls_cert, c->tls_key, &call->err) < 0)
		return -1;
	call->result = js_object(call->pool);
	js_put(call->result, "certificate", c->tls_cert);
	js_put(call->result, "key", c->tls_key);
	return 0;
}

const struct op op_tls_rows[] = {
	{
		.name = "tls create",
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = tls_create,
		.help = "Makes a self-signed certificate at tls_cert and tls_key, if they are not there.",
	},
	{.name = NULL},
};
