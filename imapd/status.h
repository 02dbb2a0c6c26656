/* "* STATUS name (...)", for STATUS and for LIST's RETURN (STATUS ...). */
#ifndef IMAPD_STATUS_H
#define IMAPD_STATUS_H

#include "imapd/session.h"

/* items: enum status_item of imap/list.h; info with its counts. */
void status_put(struct session *s, const struct mailbox_info *info, unsigned items);

#endif
