/* Without master: own sockets, a scoreboard nobody else reads. For debugging and tests. */
#include "base/log.h"
#include "io/net.h"
#include "service/engine.h"
#include "service/shared.h"

#include <unistd.h>

#define BACKLOG 128

static int listen_on(struct engine *e, struct span word, const char **err_r)
{
	struct net_addr addr;
	const char *text;

	if (service_listen_address(e->ctx.pool, e->ctx.common, word, &text, err_r) < 0 ||
		net_parse(text, &addr, err_r) < 0)
		return -1;
	return net_listen(&addr, BACKLOG, service_conf_mode(e->ctx.conf), err_r);
}

int alone_start(struct engine *e, const char **err_r)
{
	ARRAY(struct listener) list = ARRAY_IN(e->ctx.pool);
	size_t at = 0;
	struct span word;
	int fd;

	while (conf_list_next(e->ctx.conf->listen, &at, &word)) {
		struct listener l = {.engine = e, .index = list.n, .fd = listen_on(e, word, err_r)};
		if (l.fd < 0)
			return -1;
		*array_add(&list) = l;
	}
	e->listeners = list.v;
	e->listener_count = (unsigned)list.n;
	if (scoreboard_create(&e->sb, &fd, err_r) < 0)
		return -1;
	close(fd);
	return 0;
}
