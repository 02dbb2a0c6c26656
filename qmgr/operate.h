/* What operators ask for on unix:queue-admin. */
#ifndef QMGR_OPERATE_H
#define QMGR_OPERATE_H

#include "qmgr/qmgr.h"

void operate_serve(struct qmgr *q, int fd);

#endif
