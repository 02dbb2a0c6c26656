/* Room that is ours when the disk is full (rule 10): a preallocated file, given back to the file
 * system when little is left, so that the database's log and reports can still be written; made
 * again when there is room. */
#ifndef QMGR_RESERVE_H
#define QMGR_RESERVE_H

#include "qmgr/qmgr.h"

int reserve_start(struct qmgr *q, const char **err_r);

#endif
