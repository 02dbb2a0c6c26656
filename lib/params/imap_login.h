/* Greets IMAP clients: TLS and login, then a proxy to imapd. */
#ifndef PARAMS_IMAP_LOGIN_H
#define PARAMS_IMAP_LOGIN_H

#include "conf/conf.h"

struct imap_login_conf {
	const char *auth_mechanisms;
	bool plain_without_tls;
	int64_t login_timeout;
	uint64_t failures_max;
	int64_t proxy_timeout;
};
extern const struct conf_row imap_login_conf_rows[];

#endif
