#include "params/directoryd.h"

#define CONF_STRUCT directoryd_conf

const struct conf_row directoryd_conf_rows[] = {
	CONF_ROW(BOOL, system_users, "yes", 0, 0,
		"Whether users of /etc/passwd receive mail at the default domain."),
	CONF_ROW(NUM, system_uid_least, "1000", 0, 0,
		"System users below this uid receive no mail, except root by its alias; nobody (65534) receives none either."),
	CONF_ROW(
		NUM, scram_iterations, "4096", 4096, 1000000, "Iteration count of new SCRAM keys."),
	CONF_ROW(NUM, password_threads, "2", 1, 8, "Threads that hash passwords."),
	CONF_ROW(TIME, ticket_life, "30s", 1, 600, "How long a login's ticket may be redeemed."),
	CONF_ROW(TIME, failure_delay, "2s", 0, 60, "Pause before a failed login is answered."),
	CONF_ROW(NUM, expansion_max, "1000", 1, 100000,
		"Most addresses that one alias may expand to."),
	CONF_END,
};
