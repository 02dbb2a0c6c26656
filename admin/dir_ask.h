/* What the operations on domains, users and aliases share. */
#ifndef ADMIN_DIR_ASK_H
#define ADMIN_DIR_ASK_H

#include "admin/ask.h"
#include "directory/messages.h"

#define DIR_ADMIN "directory-admin"

/* A change that is answered with dir_done. */
int dir_change(struct op_call *call, const struct ipc_msg *request, const void *body);
/* Calls each for all entries that match, asking page by page. */
int dir_each(struct op_call *call, const struct ipc_msg *request, const char *match,
	void (*each)(struct op_call *call, const struct dir_entry *entry));
/* The account id of a user, "" when it has none; -1 with call->err when there is no such user. */
int dir_account(struct op_call *call, const char *address, struct dir_entry *entry_r);

#endif
