/* Reading an account whole: after damage, and for the operator. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/account.h"

/* At load, after damaged ranges were skipped: sets the live tree's counters from the rows. */
void account_recount(struct account *a);

#endif
