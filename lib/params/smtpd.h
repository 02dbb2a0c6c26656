/* Receives mail: SMTP, submission and LMTP. */
#ifndef PARAMS_SMTPD_H
#define PARAMS_SMTPD_H

#include "conf/conf.h"

struct smtpd_conf {
	const char *mode;
	const char *auth_mechanisms;
	bool auth_channel_binding;
	bool auth_plain_without_tls;
	bool require_tls;
	bool refuse_bare_lf;
	bool reverse_lookup;
	int64_t command_timeout;
	int64_t data_timeout;
	int64_t session_timeout;
	uint64_t recipients_max;
	uint64_t errors_max;
	uint64_t messages_max;
};
extern const struct conf_row smtpd_conf_rows[];

#endif
