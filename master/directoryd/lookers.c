#include "master/directoryd/directoryd.h"

struct looker {
	struct list link;
	struct ipc_server_conn *conn;
};

void lookers_init(struct directoryd *d)
{
	list_init(&d->lookers);
}

void lookers_serve(struct directoryd *d, struct ipc_server_conn *conn)
{
	struct looker l = {.conn = conn};
	list_add_tail(&d->lookers, &l.link);
	ipc_server_run(conn);
	list_remove(&l.link);
}

/* All have heard, or have it to read, when it returns: who asked for the change is answered after that, and whoever
 * remembers something may take what lies unread for newer than the question. */
void lookers_tell(struct directoryd *d, const char *account)
{
	struct dir_changed changed = {.count = ++d->changes, .account = account};
	list_each (at, &d->lookers) {
		struct looker *l = list_entry(at, struct looker, link);
		ipc_send(ipc_conn_ipc(l->conn), &dir_changed_msg, 0, &changed, NULL, 0);
		ipc_push(ipc_conn_ipc(l->conn));
	}
}
