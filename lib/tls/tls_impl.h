/* Inside lib/tls only: contexts as streams see them, and the other way round. */
#ifndef TLS_TLS_IMPL_H
#define TLS_TLS_IMPL_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/span.h"
#include "io/layer.h"

/* Counted: streams outlive a reload of the certificates. */
struct tls_context {
	SSL_CTX *ctx;
	BIO_METHOD *bio; /* over stream_raw_read and stream_raw_write */
	_Atomic unsigned refs;
	bool server;
};

void tls_ref(struct tls_context *c);
BIO_METHOD *tls_bio_method_new(void); /* stream.c */
/* Each message of the protocol that has come, by its SSL3_RT_ type (stream.c). */
void tls_note_message(SSL *ssl, int type, struct span message);
/* NULL: a plain stream. */
SSL *tls_of(const struct stream *s);
/* "What: OpenSSL's reason." in this thread's storage. */
const char *tls_sentence(const char *what);

#endif
