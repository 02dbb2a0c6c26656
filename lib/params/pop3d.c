#include "params/pop3d.h"

#define CONF_STRUCT pop3d_conf

const struct conf_row pop3d_conf_rows[] = {
	CONF_ROW(TIME, idle_timeout, "10m", 1, 0,
		"Limit between commands of a session (RFC 1939: 10 minutes)."),
	CONF_END,
};
