#include "params/login.h"

#define CONF_STRUCT login_conf

const struct conf_row login_conf_rows[] = {
	CONF_ROW(LIST, auth_mechanisms, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", 0, 0,
		"SASL mechanisms that are offered to clients."),
	CONF_ROW(BOOL, auth_channel_binding, "yes", 0, 0,
		"Whether the -PLUS variants of SCRAM are offered within TLS; no is for clients that "
		"choose one and can't bind it, as mutt and neomutt of Debian 12 do."),
	CONF_ROW(BOOL, plain_without_tls, "no", 0, 0,
		"Whether passwords in the clear are taken without TLS; for tests and closed networks."),
	CONF_ROW(TIME, login_timeout, "3m", 1, 3600, "Limit for logging in."),
	CONF_ROW(NUM, failures_max, "3", 1, 100,
		"Failed logins after which the connection is closed."),
	CONF_ROW(TIME, hand_over_timeout, "15s", 1, 600,
		"Limit for the worker behind to get ready for a session whose login was right; then the "
		"client is told to try again later. As long again it has to answer the client; then the "
		"connection is closed."),
	CONF_ROW(TIME, proxy_timeout, "31m", 60, 0, "Idle limit of a session that has logged in."),
	CONF_END,
};
