/* Settings of the two login programs, imap_login and pop3_login: the same rows for both. */
#ifndef PARAMS_LOGIN_H
#define PARAMS_LOGIN_H

#include "conf/conf.h"

struct login_conf {
	const char *auth_mechanisms;
	bool auth_channel_binding;
	bool plain_without_tls;
	int64_t login_timeout;
	uint64_t failures_max;
	int64_t hand_over_timeout;
	int64_t proxy_timeout;
};
extern const struct conf_row login_conf_rows[];

#endif
