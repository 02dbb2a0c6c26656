#include "params/params.h"

#define CONF_STRUCT common_conf

const struct conf_row common_conf_rows[] = {
	CONF_ROW(STR, hostname, "", 0, 0,
		"The name of this host in greetings, Received fields and message ids; empty stands for "
		"what the system says."),
	CONF_ROW(STR, default_domain, "", 0, 0,
		"The domain of names without one, and of the system's users; empty stands for hostname."),
	CONF_ROW(PATH, root, "/", 0, 0,
		"What the relative paths of all files are relative to. If it is relative itself, it "
		"starts at the folder of this file."),
	CONF_ROW(PATH, queue_dir, "/var/spool/thurn", 0, 0,
		"The queue: spool segments, the queue database, and the drop folder of sendmail."),
	CONF_ROW(PATH, store_dir, "/var/lib/thurn/store", 0, 0, "The mailboxes."),
	CONF_ROW(PATH, run_dir, "/run/thurn", 0, 0, "Sockets and the pid file."),
	CONF_ROW(PATH, directory_dir, "/var/lib/thurn/directory", 0, 0,
		"The database of domains, users and aliases."),
	CONF_ROW(PATH, program_dir, "/usr/lib/thurn", 0, 0, "The programs that master starts."),
	CONF_ROW(STR, log, "syslog", 0, 0,
		"Where the log goes: syslog, stderr, or the path of a file, which thurn log reopen opens "
		"anew after rotation."),
	CONF_ROW_ENUM(log_level, "info", "debug|info|warning|error",
		"The least important lines that are logged."),
	CONF_ROW(PATH, tls_cert, "/etc/thurn/tls/cert.pem", 0, 0,
		"The certificate chain in PEM. Empty: no TLS."),
	CONF_ROW(PATH, tls_key, "/etc/thurn/tls/key.pem", 0, 0, "The certificate's key in PEM."),
	CONF_ROW(PATH, tls_ca, "", 0, 0,
		"Authorities that certificates of other hosts are checked with; empty stands for the "
		"system's."),
	CONF_ROW(LIST, networks, "127.0.0.0/8 [::1]/128", 0, 0,
		"Networks whose hosts may send to other hosts without a login."),
	CONF_ROW(STR, postmaster, "root", 0, 0,
		"Address or local user who gets the mail for postmaster."),
	CONF_ROW(PATH, aliases, "/etc/aliases", 0, 0,
		"The file of aliases that newaliases loads into the directory."),
	CONF_ROW(LIST, dns_servers, "", 0, 0,
		"DNS servers as address:port; empty stands for /etc/resolv.conf."),
	CONF_ROW(STR, user_prefix, "thurn-", 0, 0,
		"What the names of the programs' system users start with."),
	CONF_ROW_ENUM(privilege, "separate", "separate|numeric|none",
		"Whom the programs run as when started by root: separate system users, separate uids "
		"that have no names (numeric), or whoever started them (none)."),
	CONF_ROW(NUM, numeric_uid_base, "60600", 1, 2147480000,
		"The first of the uids and gids of privilege = numeric."),
	CONF_ROW(SIZE, message_size_limit, "50M", 65536, 2147483647, "Largest message, in octets."),
	CONF_ROW(STR, recipient_delimiter, "+", 0, 0,
		"user+detail is delivered to user when this is +; empty turns it off."),
	CONF_ROW(NUM, hop_limit, "100", 10, 1000,
		"Received fields in a message before it counts as a loop."),
	CONF_ROW(SIZE, disk_reserve, "64M", 0, 0,
		"Free space of the disk, besides room for a large message, below which no mail is "
		"accepted."),
	CONF_END,
};
