/* Inside lib/io only: contexts as the TLS stream sees them. */
#ifndef IO_TLS_IMPL_H
#define IO_TLS_IMPL_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/span.h"

/* Counted: streams outlive a reload of the certificates. */
struct tls_context {
	SSL_CTX *ctx;
	BIO_METHOD *bio; /* over stream_raw_read and stream_raw_write */
	_Atomic unsigned refs;
	bool server;
};

void tls_ref(struct tls_context *c);
BIO_METHOD *tls_bio_method_new(void); /* stream_tls.c */
/* Each message of the protocol that has come, by its SSL3_RT_ type (stream_tls.c). */
void stream_tls_note_message(SSL *ssl, int type, struct span message);
/* "What: OpenSSL's reason." in this thread's storage. */
const char *tls_sentence(const char *what);

#endif
