/*
 * The names that an administrator gives settings by, in `config get` and `sandbox start --set`:
 *	name            thurn.conf, before any section
 *	program.name    thurn.conf, [program]
 *	service:name    services.conf, [service]
 */
#ifndef ADMIN_SETTINGS_H
#define ADMIN_SETTINGS_H

#include "params/params.h"

struct setting {
	bool is_service;     /* in services.conf */
	const char *section; /* "" for the first of thurn.conf */
	const char *name;
};
/* false when the text has no such form. Whether there is such a parameter is not asked. */
bool setting_parse(struct pool *pool, const char *text, struct setting *setting_r);

/* The value in force, as it would be written. 1 found, 0 no such setting, -1 with *err_r. */
int setting_get(
	struct config *config, const struct setting *setting, struct str *out, const char **err_r);

/* Calls each(arg, name, value) for every setting in force, in the files' order. -1 with *err_r. */
int setting_each(struct config *config,
	void (*each)(void *arg, const char *name, const char *value), void *arg,
	const char **err_r);

#endif
