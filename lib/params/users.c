/* Whom the programs run as (design rule 23: one uid per program). */
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "base/array.h"
#include "params/params.h"

static int find_system_user(
	struct config *config, const char *user, uid_t *uid_r, gid_t *gid_r, const char **err_r)
{
	const char *name = pool_printf(config->pool, "%s%s", config->common.user_prefix, user);
	struct passwd entry, *found = NULL;
	char *text = pool_alloc(config->pool, 16384);
	int rc = getpwnam_r(name, &entry, text, 16384, &found);
	if (!found) {
		*err_r = pool_printf(config->pool, "The system user %s %s.", name,
			rc ? "can't be looked up" : "does not exist");
		return -1;
	}
	*uid_r = entry.pw_uid;
	*gid_r = entry.pw_gid;
	return 0;
}

int config_user(
	struct config *config, const char *user, uid_t *uid_r, gid_t *gid_r, const char **err_r)
{
	*uid_r = geteuid();
	*gid_r = getegid();
	if (!user[0] || *uid_r != 0 || strcmp(config->common.privilege, "none") == 0)
		return 0;
	for (size_t i = 0; params_users[i].name; i++) {
		if (strcmp(params_users[i].name, user) != 0)
			continue;
		if (strcmp(config->common.privilege, "separate") == 0)
			return find_system_user(config, user, uid_r, gid_r, err_r);
		*uid_r = (uid_t)(config->common.numeric_uid_base + 1 + i);
		*gid_r = (gid_t)(config->common.numeric_uid_base +
				 (params_users[i].own_group ? 1 + i : 0));
		return 0;
	}
	*err_r = pool_printf(config->pool, "There is no program user \"%s\".", user);
	return -1;
}

/* The order fixes the numeric uids: add at the end. */
const struct params_user params_users[] = {
	{"dir", false, "directoryd: domains, users, secrets"},
	{"smtpd", false, "smtpd: reads mail from the network"},
	{"queue", false, "qmgr and its agents: the queue"},
	{"smtp", false, "smtp: talks to other hosts"},
	{"store", false, "local, imapd, pop3d: the mailboxes"},
	{"login", false, "imap_login, pop3_login: before the login"},
	{"admin", false, "restd: administration"},
	{"drop", true, "pickup and sendmail: the drop folder"},
	{NULL, false, NULL},
};
