/* A self-signed certificate, for a server that has no better one yet. */
#ifndef ADMIN_CERT_H
#define ADMIN_CERT_H

#include "base/pool.h"

/*
 * Writes a new EC P-256 key and a certificate for host, localhost, 127.0.0.1 and ::1, valid for ten
 * years, unless both files are there. Only the caller can read the key. -1 with *err_r.
 */
int cert_make(struct pool *pool, const char *host, const char *cert_path, const char *key_path,
	const char **err_r);

#endif
