#include "params/local.h"

#define CONF_STRUCT local_conf

const struct conf_row local_conf_rows[] = {
	CONF_ROW(NUM, deliveries, "50", 1, 1000, "Deliveries at the same time in one worker."),
	CONF_ROW(STR, mailbox, "INBOX", 0, 0, "Mailbox of new mail."),
	CONF_ROW(BOOL, detail_mailbox, "no", 0, 0,
		"Whether user+name is delivered to mailbox name when it exists."),
	CONF_ROW_ENUM(over_quota, "defer", "defer|bounce",
		"Mail for an account over its quota is tried again until it expires, or returned "
		"at once."),
	CONF_ROW(SIZE, memory_max, "128M", 1048576, 0,
		"Memory for the messages in delivery in one worker; a larger message is delivered "
		"alone."),
	CONF_END,
};
