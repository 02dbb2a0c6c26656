#include "params/smtpd.h"

#define CONF_STRUCT smtpd_conf

const struct conf_row smtpd_conf_rows[] = {
	CONF_ROW_ENUM(mode, "smtp", "smtp|submission|lmtp|local",
		"Which protocol: smtp from the Internet, submission from users who log in, "
		"lmtp from a local system, or local for sendmail on this machine."),
	CONF_ROW(LIST, auth_mechanisms, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", 0, 0,
		"SASL mechanisms that are offered to clients."),
	CONF_ROW(BOOL, auth_channel_binding, "yes", 0, 0,
		"Whether the -PLUS variants of SCRAM are offered within TLS; no is for clients that "
		"choose one and can't bind it, as mutt and neomutt of Debian 12 do."),
	CONF_ROW(BOOL, auth_plain_without_tls, "no", 0, 0,
		"Whether PLAIN and LOGIN are offered before TLS is up."),
	CONF_ROW(BOOL, require_tls, "no", 0, 0, "Whether MAIL is refused before STARTTLS."),
	CONF_ROW(BOOL, refuse_bare_lf, "yes", 0, 0,
		"Whether a message with a bare LF or CR is refused, as protection against "
		"smuggling; no turns a bare LF into a line end."),
	CONF_ROW(BOOL, reverse_lookup, "yes", 0, 0,
		"Whether the names of clients are looked up, for Received fields; nobody waits for "
		"the answer."),
	CONF_ROW(TIME, command_timeout, "5m", 1, 3600, "Idle limit while waiting for a command."),
	CONF_ROW(TIME, data_timeout, "10m", 1, 3600, "Idle limit while receiving a message."),
	CONF_ROW(TIME, session_timeout, "2h", 1, 604800, "Longest life of a connection."),
	CONF_ROW(NUM, recipients_max, "1000", 100, 100000, "Most recipients of one message."),
	CONF_ROW(NUM, errors_max, "20", 1, 10000,
		"Refused commands and recipients after which the connection is closed."),
	CONF_ROW(NUM, messages_max, "10000", 1, 0, "Messages on one connection."),
	CONF_END,
};
