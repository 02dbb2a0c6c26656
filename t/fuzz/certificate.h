/* A self-signed certificate for the fuzzed programs that take TLS. */
#ifndef FUZZ_CERTIFICATE_H
#define FUZZ_CERTIFICATE_H

/* Makes both files; aborts when it can't. */
void certificate_write(const char *cert_path, const char *key_path);

#endif
