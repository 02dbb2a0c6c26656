#include "params/params.h"

#define CONF_STRUCT service_conf

const struct conf_row service_conf_rows[] = {
	CONF_ROW(STR, program, "", 0, 0,
		"The program in program_dir; empty stands for the name of the service."),
	CONF_ROW(LIST, listen, "", 0, 0,
		"Where it listens: address:port, [address]:port, *:port, or unix:name below run_dir."),
	CONF_ROW(NUM, listen_mode, "660", 0, 777,
		"Mode of its Unix sockets, in octal. They belong to root and the programs' group."),
	CONF_ROW(STR, user, "", 0, 0,
		"System user that it runs as, without user_prefix; empty stands for whoever started "
		"the server."),
	CONF_ROW(STR, chroot, "", 0, 0,
		"Folder that it is locked into, below run_dir unless it begins with a slash; "
		"empty: none."),
	CONF_ROW(NUM, min_workers, "1", 0, 1000,
		"Processes that are always there; 0: the first connection starts one, which ends when it has not been "
		"needed for a while."),
	CONF_ROW(NUM, max_workers, "1", 1, 1000, "Most processes."),
	CONF_ROW(NUM, connections, "1000", 1, 100000, "Connections that one process serves."),
	CONF_ROW(NUM, connections_per_address, "0", 0, 0,
		"Connections from one address, or by a Unix socket of one user but root, over all processes; 0 is no "
		"limit."),
	CONF_ROW(BOOL, tls_wrap, "no", 0, 0, "Whether TLS starts with the first octet."),
	CONF_ROW(TIME, tls_timeout, "30s", 1, 3600, "Limit for the handshake of such a connection."),
	CONF_ROW(BOOL, segments, "no", 0, 0, "Whether master hands it spool segments."),
	CONF_ROW(BOOL, enabled, "yes", 0, 0, "Whether it is started."),
	CONF_END,
};
