#include "params/smtp.h"

#define CONF_STRUCT smtp_conf

const struct conf_row smtp_conf_rows[] = {
	CONF_ROW(STR, smart_host, "", 0, 0,
		"Where all remote mail goes: host, host:port or [host]:port (no MX look-up); "
		"empty: to the recipients' MX hosts."),
	CONF_ROW(LIST, routes, "", 0, 0,
		"Exceptions, as domain=host:port; .domain stands for its subdomains; port 24 "
		"or lmtp:host:port speaks LMTP."),
	CONF_ROW(NUM, port, "25", 1, 65535, "Port of MX hosts."),
	CONF_ROW_ENUM(tls, "may", "no|may|require",
		"Whether STARTTLS is used: may is with any certificate where offered, require "
		"checks the certificate."),
	CONF_ROW(STR, helo_name, "", 0, 0, "Name in EHLO; empty stands for hostname."),
	CONF_ROW(STR, bind_address, "", 0, 0, "Local address of outgoing connections."),
	CONF_ROW(BOOL, loopback, "no", 0, 0,
		"Whether hosts whose address is one of this machine's are used when found by DNS "
		"or written as a literal."),
	CONF_ROW(TIME, connect_timeout, "30s", 1, 600, "Limit for making a connection."),
	CONF_ROW(TIME, command_timeout, "5m", 1, 3600, "Limit for each reply."),
	CONF_ROW(
		TIME, data_timeout, "10m", 1, 3600, "Limit for the reply to the end of a message."),
	CONF_ROW(TIME, idle_timeout, "5s", 0, 300,
		"How long a connection is kept for the next message."),
	CONF_ROW(NUM, messages_per_connection, "100", 1, 10000, "Messages on one connection."),
	CONF_ROW(NUM, hosts_max, "5", 1, 64, "Most hosts tried in one attempt."),
	CONF_ROW(NUM, deliveries, "100", 1, 10000, "Deliveries at the same time in one worker."),
	CONF_END,
};
