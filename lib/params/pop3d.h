/* Serves mailboxes by POP3 after login. */
#ifndef PARAMS_POP3D_H
#define PARAMS_POP3D_H

#include "conf/conf.h"

struct pop3d_conf {
	int64_t idle_timeout;
};
extern const struct conf_row pop3d_conf_rows[];

#endif
