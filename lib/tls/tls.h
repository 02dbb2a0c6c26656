/* TLS (OpenSSL 3) under streams: TLS 1.2 and up, no renegotiation, session tickets, idle buffers released. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>

#include "io/stream.h"

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

/* Handshake on this stream; -1 with *err_r in the thread's storage. Plaintext already buffered when
 * a server starts TLS is an injection (design rule 25): the handshake is refused. host: SNI and
 * name to check on the client's side, NULL on the server's. */
int tls_start(struct stream *s, struct tls_context *ctx, const char *host, const char **err_r);
/* "TLSv1.3", cipher, bits for Received and logs; verified tells about the peer's certificate. All empty on a plain
 * stream. */
struct tls_info {
	const char *protocol, *cipher;
	int bits;
	bool verified;
	const char *sni;
};
void tls_get_info(const struct stream *s, struct tls_info *info_r);

/* What a server needs of these, for who is linked to OpenSSL only when the program names it (service.h). */
struct tls_server {
	int (*new)(const char *cert_file, const char *key_file, struct tls_context **ctx_r,
		const char **err_r);
	int (*start)(struct stream *s, struct tls_context *ctx, const char *host, const char **err_r);
};
extern const struct tls_server tls_server;

#endif
