#include "params/qmgr.h"

#define CONF_STRUCT qmgr_conf

const struct conf_row qmgr_conf_rows[] = {
	CONF_ROW(NUM, active_max, "20000", 10, 1000000,
		"Most messages of the scheduler's memory view; the others wait in the database."),
	CONF_ROW(TIME, retry_first, "5m", 1, 86400,
		"Pause before the first retry; each further one doubles."),
	CONF_ROW(TIME, retry_most, "1h", 1, 604800, "Longest pause between retries."),
	CONF_ROW(TIME, expire, "5d", 0, 0, "Age at which an undelivered message is returned."),
	CONF_ROW(TIME, bounce_expire, "1d", 0, 0,
		"Age at which an undeliverable report is dropped."),
	CONF_ROW(TIME, delay_warning, "4h", 0, 0,
		"Age at which the sender is told of a delay; 0 is never."),
	CONF_ROW(NUM, destination_concurrency, "20", 1, 10000,
		"Most deliveries to one destination at a time."),
	CONF_ROW(NUM, local_concurrency, "100", 1, 10000, "Most local deliveries at a time."),
	CONF_ROW(NUM, recipients_per_delivery, "100", 1, 10000,
		"Most recipients in one transaction."),
	CONF_ROW(SIZE, outgoing_memory, "256M", 1048576, 0,
		"Octets that messages of more than 256 KiB on their way to other hosts take in memory; "
		"further ones wait their turn, and one that is larger than that goes alone."),
	CONF_ROW(TIME, scan_interval, "5s", 1, 600,
		"How often tails of segments are scanned for messages nobody announced."),
	CONF_ROW(TIME, damage_wait, "1m", 1, 86400,
		"How long a record that is announced and not whole may hold up those behind it."),
	CONF_END,
};
