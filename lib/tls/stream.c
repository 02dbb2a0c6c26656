/* TLS under the stream interface: OpenSSL over a BIO that reads and writes the stream's socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/num.h"
#include "tls/tls.h"
#include "tls/tls_impl.h"

struct tls {
	struct stream *s;
	SSL *ssl;
	struct tls_context *ctx;
	bool failed;	  /* no close_notify after a fatal error */
	bool raw_eof;	  /* the socket ended */
	uint8_t updates;  /* of the peer's keys in a row, with little between them */
	uint32_t vain;	  /* octets from the socket since TLS gave any to us */
	uint32_t fresh;	  /* octets that it gave since the last update of keys, at most FRESH_MAX */
};

/* --- what a peer may have us do without saying anything --- */

/* OpenSSL goes on reading until there is something for us, and nobody else has a turn meanwhile. Who sends
 * nothing but messages of TLS, faster than they are dealt with, would have the process for himself. */
#define VAIN_MAX    (256 * 1024) /* more than any handshake takes */
#define UPDATES_MAX 32
#define FRESH_MAX   (64 * 1024) /* keys last for gigabytes */

static bool is_tiresome(const struct tls *t)
{
	return t->vain > VAIN_MAX || t->updates > UPDATES_MAX;
}

void tls_note_message(SSL *ssl, int type, struct span message)
{
	struct tls *t = BIO_get_data(SSL_get_rbio(ssl));
	if (type != SSL3_RT_HANDSHAKE || !message.n || message.p[0] != SSL3_MT_KEY_UPDATE)
		return;
	if (t->fresh == FRESH_MAX)
		t->updates = 0;
	t->fresh = 0;
	if (t->updates <= UPDATES_MAX)
		t->updates++;
}

static void note_bytes(struct tls *t, size_t n)
{
	t->vain = 0;
	t->fresh += (uint32_t)num_min(n, FRESH_MAX - t->fresh);
}

/* --- the BIO --- */

static int tire(void)
{
	errno = EPROTO;
	return -1;
}

static int bio_read(BIO *bio, char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (is_tiresome(t))
		return tire();
	ssize_t got = stream_raw_read(t->s, p, (size_t)n);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	t->raw_eof = got == 0;
	t->vain += got > 0 ? (uint32_t)got : 0;
	return (int)got;
}

static int bio_write(BIO *bio, const char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (is_tiresome(t))
		return tire();
	ssize_t done = stream_raw_write(t->s, p, (size_t)n);
	if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)done;
}

static long bio_control(BIO *bio, int command, long num, void *p)
{
	const struct tls *t = BIO_get_data(bio);
	(void)num;
	(void)p;
	return command == BIO_CTRL_FLUSH ? 1 : command == BIO_CTRL_EOF ? t->raw_eof : 0;
}

BIO_METHOD *tls_bio_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
	if (m) {
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_ctrl(m, bio_control);
	}
	return m;
}

/* --- bytes --- */

/* What a call of OpenSSL that did not succeed means. */
static ssize_t result(struct tls *t, int rc, const char *what, int *want_r)
{
	int cause = errno;
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*want_r = LOOP_READ;
		return BLOCKED;
	case SSL_ERROR_WANT_WRITE:
		*want_r = LOOP_WRITE;
		return BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	t->failed = true;
	errno = cause;
	if (is_tiresome(t))
		stream_fail(t->s, "The peer keeps TLS busy without saying anything.");
	else if (t->raw_eof)
		stream_fail(t->s, "The peer closed the connection without ending TLS.");
	else if (ERR_peek_error())
		stream_fail(t->s, tls_sentence(what));
	else
		stream_fail_errno(t->s, what);
	ERR_clear_error();
	return FAILED;
}

static ssize_t layer_read(void *layer, void *p, size_t n, int *want_r)
{
	struct tls *t = layer;
	size_t got;
	ERR_clear_error();
	int rc = SSL_read_ex(t->ssl, p, n, &got);
	if (rc != 1)
		return result(t, rc, "Reading through TLS failed", want_r);
	note_bytes(t, got);
	return (ssize_t)got;
}

static ssize_t layer_write(void *layer, const void *p, size_t n, int *want_r)
{
	struct tls *t = layer;
	size_t done;
	ERR_clear_error();
	int rc = SSL_write_ex(t->ssl, p, n, &done);
	if (rc == 1)
		return (ssize_t)done;
	ssize_t how = result(t, rc, "Writing through TLS failed", want_r);
	if (how == 0) {
		stream_fail(t->s, "The peer has ended TLS.");
		return FAILED;
	}
	return how;
}

static bool layer_has_input(const void *layer)
{
	const struct tls *t = layer;
	return SSL_has_pending(t->ssl);
}

static void layer_shut(void *layer)
{
	struct tls *t = layer;
	if (t->failed || !SSL_is_init_finished(t->ssl) ||
		SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
		return;
	ERR_clear_error();
	SSL_shutdown(t->ssl); /* what does not fit is not sent */
	ERR_clear_error();
}

static void layer_free(void *layer)
{
	struct tls *t = layer;
	SSL_free(t->ssl);
	tls_free(&t->ctx);
	mem_free(&t);
}

/* --- channel bindings --- */

/* RFC 9266. */
static bool bind_exporter(SSL *ssl, struct str *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char key[32];
	/* Before TLS 1.3 the exporter is unique only with the extended master secret. */
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return false;
	if (SSL_export_keying_material(
		    ssl, key, sizeof(key), label, sizeof(label) - 1, NULL, 0, 0) != 1)
		return false;
	str_add(out, key, sizeof(key));
	return true;
}

/* RFC 5929, section 3: the first Finished message; undefined from TLS 1.3 on. */
static bool bind_unique(SSL *ssl, struct str *out)
{
	char finished[EVP_MAX_MD_SIZE];
	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return false;
	bool client_first = !SSL_session_reused(ssl);
	bool ours = client_first != (bool)SSL_is_server(ssl);
	size_t n = ours ? SSL_get_finished(ssl, finished, sizeof(finished))
			: SSL_get_peer_finished(ssl, finished, sizeof(finished));
	if (!n || n > sizeof(finished))
		return false;
	str_add(out, finished, n);
	return true;
}

/* RFC 5929, section 4: the server's certificate, hashed as it was signed, at least with SHA-256. */
static bool bind_end_point(SSL *ssl, struct str *out)
{
	X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n;
	int digest = NID_undef;
	if (!cert || !X509_get_signature_info(cert, &digest, NULL, NULL, NULL))
		return false;
	if (digest == NID_md5 || digest == NID_sha1 || digest == NID_undef)
		digest = NID_sha256;
	const EVP_MD *md = EVP_get_digestbynid(digest);
	if (!md || X509_digest(cert, md, hash, &n) != 1)
		return false;
	str_add(out, hash, n);
	return true;
}

static const struct {
	const char *type;
	bool (*get)(SSL *ssl, struct str *out);
} bindings[] = {
	{"tls-exporter", bind_exporter},
	{"tls-unique", bind_unique},
	{"tls-server-end-point", bind_end_point},
};

static bool layer_binding(const void *layer, const char *type, struct str *out)
{
	const struct tls *t = layer;
	for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++)
		if (strcmp(type, bindings[i].type) == 0)
			return bindings[i].get(t->ssl, out);
	return false;
}

/* --- the layer --- */

static const struct stream_layer layer_functions = {
	.read = layer_read,
	.write = layer_write,
	.has_input = layer_has_input,
	.shut = layer_shut,
	.free = layer_free,
	.binding = layer_binding,
};

SSL *tls_of(const struct stream *s)
{
	const struct tls *t = stream_layer(s, &layer_functions);
	return t ? t->ssl : NULL;
}

/* --- handshake --- */

static bool is_address(const char *host)
{
	unsigned char addr[16];
	return inet_pton(AF_INET, host, addr) == 1 || inet_pton(AF_INET6, host, addr) == 1;
}

static bool set_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static struct tls *attach(struct stream *s, struct tls_context *ctx, const char *host)
{
	SSL *ssl = SSL_new(ctx->ctx);
	BIO *bio = BIO_new(ctx->bio);
	if (!ssl || !bio || (host && !ctx->server && !set_host(ssl, host))) {
		SSL_free(ssl);
		BIO_free(bio);
		return NULL;
	}
	struct tls *t = mem_new(struct tls);
	t->s = s;
	t->ssl = ssl;
	t->ctx = ctx;
	tls_ref(ctx);
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	if (ctx->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	stream_set_layer(s, &layer_functions, t);
	return t;
}

static bool has_failed(const struct stream *s)
{
	return stream_state(s) == STREAM_ERROR || stream_state(s) == STREAM_TIMEOUT;
}

static void shake_hands(struct tls *t)
{
	ssize_t how = BLOCKED;
	while (how == BLOCKED && !has_failed(t->s)) {
		int want;
		ERR_clear_error();
		int rc = SSL_do_handshake(t->ssl);
		if (rc == 1)
			return;
		how = result(t, rc, "The TLS handshake failed", &want);
		if (how == BLOCKED)
			stream_wait(t->s, want);
		else if (how == 0)
			stream_fail(t->s, "The peer ended TLS during the handshake.");
	}
}

/* A refused certificate has a better reason than the handshake's. */
static void explain(struct tls *t)
{
	long verdict = SSL_get_verify_result(t->ssl);
	if (stream_state(t->s) != STREAM_ERROR || verdict == X509_V_OK ||
		SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE)
		return;
	struct str text = STR_INIT;
	str_printf(&text, "The peer's certificate is refused: %s.",
		X509_verify_cert_error_string(verdict));
	stream_explain(t->s, text.s);
	str_fini(&text);
}

static const char *keep(const char *text)
{
	/* The caller reports it after the stream is closed. */
	static _Thread_local char kept[512];
	size_t n = strnlen(text, sizeof(kept) - 1);
	memcpy(kept, text, n);
	kept[n] = '\0';
	return kept;
}

int tls_start(struct stream *s, struct tls_context *ctx, const char *host, const char **err_r)
{
	struct tls *t = NULL;
	if (stream_is_tls(s))
		stream_fail(s, "TLS is already on.");
	else if (stream_has_input(s))
		stream_fail(s, "The peer sent plain text behind the start of TLS.");
	else if (stream_flush(s) == 0 && !(t = attach(s, ctx, host)))
		stream_fail(s, tls_sentence("TLS can't be started"));
	if (t) {
		shake_hands(t);
		explain(t);
	}
	if (!has_failed(s))
		return 0;
	*err_r = keep(stream_error(s));
	return -1;
}

/* --- what was agreed --- */

void tls_get_info(const struct stream *s, struct tls_info *info_r)
{
	SSL *ssl = tls_of(s);
	*info_r = (struct tls_info){.protocol = "", .cipher = "", .sni = ""};
	if (!ssl)
		return;
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	info_r->protocol = SSL_get_version(ssl);
	info_r->cipher = SSL_get_cipher_name(ssl);
	info_r->bits = SSL_get_cipher_bits(ssl, NULL);
	info_r->verified = SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
	info_r->sni = sni ? sni : "";
}
