/* Which program a Unix socket's peer is, by its uid. */
#include <unistd.h>

#include "base/log.h"
#include "service/engine.h"

void users_learn(struct engine *e)
{
	const char *err;
	size_t n = 0;
	gid_t gid;

	e->separated = geteuid() == 0 && strcmp(e->ctx.common->privilege, "none") != 0;
	while (params_users[n].name)
		n++;
	e->user_uids = pool_array(e->ctx.pool, n, sizeof(uid_t));
	for (size_t i = 0; i < n; i++)
		if (config_user(e->ctx.config, params_users[i].name, &e->user_uids[i], &gid, &err) < 0)
			e->user_uids[i] = (uid_t)-1; /* nobody is it */
}

const char *service_uid_user(struct service_ctx *svc, uid_t uid)
{
	struct engine *e = engine_of(svc);

	if (uid == 0 || (!e->separated && uid == geteuid()))
		return "root";
	for (size_t i = 0; e->separated && params_users[i].name; i++)
		if (e->user_uids[i] == uid)
			return params_users[i].name;
	return NULL;
}
