#include "params/imapd.h"

#define CONF_STRUCT imapd_conf

const struct conf_row imapd_conf_rows[] = {
	CONF_ROW(TIME, idle_timeout, "30m", 1, 0,
		"Limit between commands of a session (RFC 3501: 30 minutes)."),
	CONF_ROW(SIZE, append_size_max, "50M", 1024, 0, "Largest message that APPEND takes."),
	CONF_ROW(SIZE, literal_max, "64k", 1024, 1048576,
		"Largest literal in a command, apart from APPEND's message."),
	CONF_ROW_ENUM(separator, "/", "/|.", "Separator of mailbox names."),
	CONF_END,
};
