/* Delivers to other hosts by SMTP or LMTP. */
#ifndef PARAMS_SMTP_H
#define PARAMS_SMTP_H

#include "conf/conf.h"

struct smtp_conf {
	const char *smart_host;
	const char *routes;
	uint64_t port;
	const char *tls;
	const char *helo_name;
	const char *bind_address;
	bool loopback;
	int64_t connect_timeout;
	int64_t command_timeout;
	int64_t data_timeout;
	int64_t idle_timeout;
	uint64_t messages_per_connection;
	uint64_t hosts_max;
	uint64_t deliveries;
};
extern const struct conf_row smtp_conf_rows[];

#endif
