/* Usage and help, from the table of operations. */
#ifndef ADMIN_HELP_H
#define ADMIN_HELP_H

#include "admin/op.h"

/* "domain add DOMAIN [--force]" */
void help_put_usage(struct str *out, const struct op *op);
/* Usage, help text and parameters of one operation. */
void help_put_op(struct str *out, const struct op *op);
/* All operations whose first word is topic; NULL: all. false when there is none. */
bool help_put_list(struct str *out, const char *topic);

#endif
