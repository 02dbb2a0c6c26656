/* Serves mailboxes by IMAP after login. */
#ifndef PARAMS_IMAPD_H
#define PARAMS_IMAPD_H

#include "conf/conf.h"

struct imapd_conf {
	int64_t idle_timeout;
	uint64_t append_size_max;
	uint64_t literal_max;
	const char *separator;
};
extern const struct conf_row imapd_conf_rows[];

#endif
