/*
 * Every configuration parameter of Thurn: which tables exist. A program's table and struct are in
 * params/<program>.h; a newcomer finds all settings in this folder.
 */
#ifndef PARAMS_PARAMS_H
#define PARAMS_PARAMS_H

#include <sys/types.h>

#include "conf/conf.h"

struct params_table {
	const char *program; /* section in thurn.conf; "" for common */
	const struct conf_row *rows;
	size_t size;
	const char *help; /* a sentence: what the program is */
};
/* Ends with rows == NULL. */
extern const struct params_table params_tables[];
const struct params_table *params_table_find(const char *program);

/* Where everything is and who we are: the rows before any section of thurn.conf. */
struct common_conf {
	const char *hostname; /* in greetings, Received, Message-ID; default: the host's name */
	const char *default_domain; /* of names without one; default: hostname */
	const char *root;     /* what relative paths below are relative to */
	const char *queue_dir, *store_dir, *run_dir, *directory_dir, *program_dir;
	const char *log; /* syslog, stderr or a path */
	const char *log_level;
	const char *tls_cert, *tls_key, *tls_ca;
	const char *networks;    /* listed networks: may relay */
	const char *postmaster;  /* where mail for postmaster goes */
	const char *aliases;     /* file that newaliases loads */
	const char *dns_servers; /* empty: resolv.conf */
	const char *user_prefix; /* "thurn-": program users; see privilege */
	const char *privilege; /* separate | numeric | none: system users, unregistered uids, or as
				  started */
	uint64_t numeric_uid_base;
	uint64_t message_size_limit;
	const char *recipient_delimiter;
	uint64_t hop_limit;
	uint64_t disk_reserve;
};
extern const struct conf_row common_conf_rows[];

/* One section of services.conf. */
struct service_conf {
	const char *program;  /* the file in program_dir; default: the service's name */
	const char *listen;   /* LIST of io/net.h addresses; unix:NAME is below run_dir */
	uint64_t listen_mode; /* the octal digits as a decimal number: use service_conf_mode() */
	const char *user;     /* after user_prefix, e.g. "smtpd" */
	const char *chroot;   /* empty: none */
	uint64_t min_workers, max_workers;
	uint64_t connections;             /* per worker */
	uint64_t connections_per_address; /* over all workers; 0: no limit */
	bool tls_wrap;                    /* TLS from the first byte (465, 993, 995) */
	int64_t tls_timeout;              /* for that handshake, ms */
	bool segments;                    /* master hands it spool segments */
	bool enabled;
};
extern const struct conf_row service_conf_rows[];
unsigned service_conf_mode(const struct service_conf *conf);

/* Reads DIR/thurn.conf and DIR/services.conf. */
struct config {
	struct pool *pool;
	const char *dir;
	struct common_conf common;
	struct conf_file *main_file, *services_file;
};
/* On failure *err_r is the thread's until its next failure here. */
int config_open(const char *dir, struct config **config_r, const char **err_r);
void config_free(struct config **config);
/* The program's struct for a service: defaults, then [program] of thurn.conf, then [service] of
 * services.conf. service may be NULL. */
int config_program(struct config *config, const char *program, const char *service, void *to,
	const char **err_r);
int config_service(
	struct config *config, const char *service, struct service_conf *to, const char **err_r);
/* Every name in both files belongs to some row; every value parses. */
int config_check(struct config *config, const char **err_r);

/* The system users that programs run as, without user_prefix. All but those with a group of their
 * own share one group (numeric: gid numeric_uid_base; separate: the primary group in passwd), which
 * may connect to the inner Unix sockets; who may do what there is decided by uid. */
struct params_user {
	const char *name;
	bool own_group;
	const char *help;
};
/* Ends with name == NULL. */
extern const struct params_user params_users[];
/* The ids for a service's user by `privilege`: the process's own when user is empty, when the
 * process is not root, or with none. */
int config_user(
	struct config *config, const char *user, uid_t *uid_r, gid_t *gid_r, const char **err_r);

/* The services that a new installation has: what etc/services.conf is generated from. */
struct params_service {
	const char *name;
	const char *settings; /* lines name = value */
	const char *help;
};
/* Ends with name == NULL. */
extern const struct params_service params_services[];

#endif
