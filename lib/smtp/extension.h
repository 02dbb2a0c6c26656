/* The service extensions of SMTP that Thurn knows, as bits: what a server offers and a client
 * found. */
#ifndef SMTP_EXTENSION_H
#define SMTP_EXTENSION_H

enum smtp_extension {
	SMTP_EXT_SIZE       = 1 << 0,  /* RFC 1870 */
	SMTP_EXT_8BITMIME   = 1 << 1,  /* RFC 6152 */
	SMTP_EXT_UTF8       = 1 << 2,  /* RFC 6531 */
	SMTP_EXT_DSN        = 1 << 3,  /* RFC 3461 */
	SMTP_EXT_AUTH       = 1 << 4,  /* RFC 4954 */
	SMTP_EXT_PIPELINING = 1 << 5,  /* RFC 2920 */
	SMTP_EXT_CHUNKING   = 1 << 6,  /* RFC 3030 */
	SMTP_EXT_BINARYMIME = 1 << 7,  /* RFC 3030 */
	SMTP_EXT_STATUS     = 1 << 8,  /* RFC 2034, ENHANCEDSTATUSCODES */
	SMTP_EXT_STARTTLS   = 1 << 9,  /* RFC 3207 */
	SMTP_EXT_REQUIRETLS = 1 << 10, /* RFC 8689: known by name only */
};

#endif
