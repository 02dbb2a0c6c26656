/* Reading an account whole: after damage, and for the operator. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/account.h"

/* At load, after damaged ranges were skipped: sets the live tree's counters from the rows. 0, or -1 with errno when
 * checkpoints can't be looked at. */
int account_recount(struct account *a);

#endif
