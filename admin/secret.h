/* Passwords: by option, from a terminal without echo, or the first line of standard input. */
#ifndef ADMIN_SECRET_H
#define ADMIN_SECRET_H

#include "admin/op.h"

/* Asks for each OP_SECRET parameter that was not given, unless --no-password or --password-hash
 * was. -1 with call->err. */
int secret_ask(struct op_call *call);

#endif
