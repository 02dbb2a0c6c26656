/* Knows domains, users and aliases; checks passwords. */
#ifndef PARAMS_DIRECTORYD_H
#define PARAMS_DIRECTORYD_H

#include "conf/conf.h"

struct directoryd_conf {
	bool system_users;
	uint64_t system_uid_least;
	uint64_t scram_iterations;
	uint64_t password_threads;
	int64_t ticket_life;
	int64_t failure_delay;
	uint64_t expansion_max;
};
extern const struct conf_row directoryd_conf_rows[];

#endif
