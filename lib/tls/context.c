#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tls/tls_impl.h"

/* Debian's, read as a whole, so that nothing is opened after chroot. */
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define SENTENCE_MAX   512

/* Those of the system are none of OpenSSL's texts. */
static const char *reason_of(unsigned long code)
{
	return ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
}

const char *tls_sentence(const char *what)
{
	/* Lives until this thread's next error, as the headers promise. */
	static _Thread_local char text[SENTENCE_MAX];
	unsigned long code = ERR_get_error();
	const char *reason = code ? reason_of(code) : NULL;
	struct str out = STR_INIT;
	str_printf(&out, "%s: %s.", what, reason ? reason : "no reason given");
	str_truncate(&out, SENTENCE_MAX - 1);
	memcpy(text, out.s, out.len + 1);
	str_fini(&out);
	ERR_clear_error();
	return text;
}

static const char *about_file(const char *what, const char *path)
{
	struct str text = STR_INIT;
	str_printf(&text, "The %s %s can't be used", what, path);
	const char *sentence = tls_sentence(text.s);
	str_fini(&text);
	return sentence;
}

static void on_message(
	int is_ours, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	(void)version;
	(void)arg;
	if (!is_ours)
		tls_note_message(ssl, type, span_make(p, n));
}

static void set_common(SSL_CTX *ctx)
{
	SSL_CTX_set_msg_callback(ctx, on_message);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read for each packet instead of one for each record's head and body. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
}

static struct tls_context *context_new(const SSL_METHOD *method, const char **err_r)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(method);
	BIO_METHOD *bio = tls_bio_method_new();
	if (!ctx || !bio) {
		*err_r = tls_sentence("TLS can't be set up");
		SSL_CTX_free(ctx);
		BIO_meth_free(bio);
		return NULL;
	}
	struct tls_context *c = mem_new(struct tls_context);
	c->ctx = ctx;
	c->bio = bio;
	c->refs = 1;
	set_common(ctx);
	return c;
}

void tls_ref(struct tls_context *c)
{
	atomic_fetch_add(&c->refs, 1);
}

void tls_free(struct tls_context **ctx)
{
	struct tls_context *c = *ctx;
	*ctx = NULL;
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	SSL_CTX_free(c->ctx);
	BIO_meth_free(c->bio);
	mem_free(&c);
}

int tls_server_new(
	const char *cert_file, const char *key_file, struct tls_context **ctx_r, const char **err_r)
{
	struct tls_context *c = context_new(TLS_server_method(), err_r);
	if (!c)
		return -1;
	c->server = true;
	SSL_CTX_set_dh_auto(c->ctx, 1);
	SSL_CTX_set_num_tickets(c->ctx, 1);
	*err_r = NULL;
	if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_file) != 1)
		*err_r = about_file("certificate", cert_file);
	else if (SSL_CTX_use_PrivateKey_file(c->ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(c->ctx) != 1)
		*err_r = about_file("key", key_file);
	if (*err_r) {
		tls_free(&c);
		return -1;
	}
	*ctx_r = c;
	return 0;
}

static int load_authorities(SSL_CTX *ctx, const char *ca_file)
{
	if (ca_file)
		return SSL_CTX_load_verify_file(ctx, ca_file);
	if (access(SYSTEM_CA_FILE, R_OK) == 0)
		return SSL_CTX_load_verify_file(ctx, SYSTEM_CA_FILE);
	return SSL_CTX_set_default_verify_paths(ctx);
}

int tls_client_new(bool verify, const char *ca_file, struct tls_context **ctx_r, const char **err_r)
{
	struct tls_context *c = context_new(TLS_client_method(), err_r);
	if (!c)
		return -1;
	/* Without verify the chain is checked all the same, for tls_info.verified. */
	SSL_CTX_set_verify(c->ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (load_authorities(c->ctx, ca_file) != 1) {
		*err_r = about_file("list of authorities", ca_file ? ca_file : SYSTEM_CA_FILE);
		tls_free(&c);
		return -1;
	}
	*ctx_r = c;
	return 0;
}

void tls_preload(void)
{
	/* One of everything that would be loaded at first use. */
	static const char *const digests[] = {"SHA2-256", "SHA2-384", "SHA2-512", "SHA1", "MD5"};
	unsigned char noise[16];
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				 OPENSSL_INIT_LOAD_CONFIG,
		NULL);
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		EVP_MD *md = EVP_MD_fetch(NULL, digests[i], NULL);
		EVP_MD_free(md);
	}
	RAND_bytes(noise, sizeof(noise));
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

const struct tls_server tls_server = {
	.new = tls_server_new,
	.start = tls_start,
};
