#include "admin/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_DAYS (10 * 365)

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *cert)
{
	unsigned char bytes[16];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] &= 0x7f; /* positive */
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, struct pool *pool, const char *host)
{
	X509_NAME *name = X509_get_subject_name(cert);
	const char *names = pool_printf(pool, "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", host);
	return X509_set_version(cert, 2) && set_serial(cert) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) &&
	       X509_set_pubkey(cert, key) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		       (const unsigned char *)host, (int)strnlen(host, ub_common_name), -1, 0) &&
	       X509_set_issuer_name(cert, name) &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(cert, NID_subject_alt_name, names) &&
	       add_extension(cert, NID_subject_key_identifier, "hash") &&
	       X509_sign(cert, key, EVP_sha256()) > 0;
}

static FILE *create(const char *path, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f)
		fchmod(fd, mode); /* whatever the umask */
	else if (fd >= 0)
		close(fd);
	return f;
}

static bool write_files(X509 *cert, EVP_PKEY *key, const char *cert_path, const char *key_path)
{
	FILE *f = create(key_path, 0600);
	bool ok = f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	if (f && fclose(f) != 0)
		ok = false;
	f = ok ? create(cert_path, 0644) : NULL;
	ok = f && PEM_write_X509(f, cert);
	if (f && fclose(f) != 0)
		ok = false;
	return ok;
}

int cert_make(struct pool *pool, const char *host, const char *cert_path, const char *key_path,
	const char **err_r)
{
	if (access(cert_path, F_OK) == 0 && access(key_path, F_OK) == 0)
		return 0;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	errno = 0;
	bool ok = key && cert && fill(cert, key, pool, host) &&
		  write_files(cert, key, cert_path, key_path);
	X509_free(cert);
	EVP_PKEY_free(key);
	if (ok)
		return 0;
	*err_r = pool_printf(pool, "The certificate %s can't be made: %s.", cert_path,
		errno ? strerror(errno) : ERR_reason_error_string(ERR_get_error()));
	return -1;
}
