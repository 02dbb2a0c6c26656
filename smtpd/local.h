/* Who is at the other end of sendmail's socket. */
#ifndef SMTPD_LOCAL_H
#define SMTPD_LOCAL_H

#include "service/service.h"

/* The login name of the peer's uid, "uid1234" when it has none. In the connection's pool. */
const char *local_user(struct conn *conn);

#endif
