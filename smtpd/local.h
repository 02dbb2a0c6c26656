/* Who is at the other end of sendmail's socket. */
#ifndef SMTPD_LOCAL_H
#define SMTPD_LOCAL_H

#include "service/service.h"

/* The login name of a uid, "uid1234" when it has none. In the pool. */
const char *local_user(struct pool *pool, uid_t uid);

/* pickup hands in what others left in the drop folder, and says who: MAIL with AUTH=uid1234@host. Is the peer one who is
 * believed? */
bool local_is_messenger(const struct conn *conn);
/* 0, or -1: it names no uid. */
int local_parse_uid(const char *auth, uid_t *uid_r);

#endif
