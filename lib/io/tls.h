/* TLS contexts (OpenSSL 3): TLS 1.2 and up, no renegotiation, session tickets, idle buffers
 * released. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include <stdbool.h>

struct tls_context;

/* Files are read now (before chroot and privilege drop); -1 with *err_r a sentence. */
int tls_server_new(const char *cert_file, const char *key_file, struct tls_context **ctx_r,
	const char **err_r);
/* verify: the certificate must chain to ca_file (NULL: the system's) and match the host. */
int tls_client_new(
	bool verify, const char *ca_file, struct tls_context **ctx_r, const char **err_r);
void tls_free(struct tls_context **ctx);

/* Loads what OpenSSL would open late (providers, config), before chroot (design rule 23). */
void tls_preload(void);

#endif
