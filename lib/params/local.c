#include "params/local.h"

#define CONF_STRUCT local_conf

const struct conf_row local_conf_rows[] = {
	CONF_ROW(NUM, deliveries, "50", 1, 1000,
		"Deliveries at the same time in one worker."),
	CONF_ROW(STR, mailbox, "INBOX", 0, 0,
		"Mailbox of new mail."),
	CONF_ROW(BOOL, detail_mailbox, "no", 0, 0,
		"Whether user+name is delivered to mailbox name when it exists."),
	CONF_END,
};
