/* Self-signed certificates for tests, written where tls_server_new reads them. */
#ifndef TEST_TLS_CERTIFICATE_H
#define TEST_TLS_CERTIFICATE_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "t/lib/io/test.h"

struct certificate {
	char cert[40], key[40];
};

static inline void pem_path(char path[40])
{
	memcpy(path, "/tmp/thurn-pem-XXXXXX", 22);
	close(mkstemp(path));
}

/* days < 0: expired. */
static inline void certificate_make(struct certificate *c, const char *host, int days)
{
	char name[128];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400L * 100);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	snprintf(name, sizeof(name), "DNS:%s,IP:127.0.0.1", host);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(x, key, EVP_sha256());
	pem_path(c->cert);
	pem_path(c->key);
	FILE *f = fopen(c->cert, "w");
	assert_non_null(f);
	PEM_write_X509(f, x);
	fclose(f);
	f = fopen(c->key, "w");
	assert_non_null(f);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void certificate_remove(struct certificate *c)
{
	unlink(c->cert);
	unlink(c->key);
}

#endif
