#include "t/fuzz/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

static FILE *open_file(const char *path)
{
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	return f;
}

void certificate_write(const char *cert_path, const char *key_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 100);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"sandbox.test", -1,
		-1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, key, EVP_sha256());
	FILE *f = open_file(cert_path);
	PEM_write_X509(f, x);
	fclose(f);
	f = open_file(key_path);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}
