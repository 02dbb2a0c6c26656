/* Private instances: the folder, its configuration, its ports. */
#ifndef ADMIN_SANDBOX_H
#define ADMIN_SANDBOX_H

#include "admin/op.h"

#define SANDBOX_DOMAIN       "sandbox.test"
#define SANDBOX_HOST         SANDBOX_DOMAIN
#define SANDBOX_DEFAULT_PORT 10000
#define SANDBOX_PORT_MOST    64000 /* of the base: 995 is the highest that is added */

/*
 * Makes what is not there yet: DIR with etc, queue, store, run and log, both configuration files, a
 * certificate. base_port 0: as it is, or the default. sets: name=value (admin/settings.h). Returns
 * DIR/etc's configuration, checked.
 */
int sandbox_prepare(struct op_call *call, const char *dir, uint64_t base_port,
	const struct op_values *sets, struct config **config_r);
/* Opens the configuration of an existing sandbox. */
int sandbox_open(struct op_call *call, const char *dir, struct config **config_r);
/* {"smtp":10025,...} from services.conf. */
int sandbox_ports(struct op_call *call, struct config *config, struct js *ports);

#endif
