/* The client's side of directoryd: look-ups and SASL for programs. */
#ifndef DIRECTORY_DIRECTORY_H
#define DIRECTORY_DIRECTORY_H

#include "directory/messages.h"

#define DIRECTORY_DEADLINE_MS 10000

/* c: an ipc_client to unix:directory. status DIR_TEMPFAIL also when directoryd can't be reached. Never fails. */
void directory_resolve(struct ipc_client *c, struct pool *pool, const char *local, const char *domain,
	struct dir_resolve_reply *reply_r);
/* 1 the user is one still and may send as sender (anybody as ""), 0 not, -1 can't say now. */
int directory_may_send(struct ipc_client *c, struct pool *pool, const char *user, const char *sender);

#endif
