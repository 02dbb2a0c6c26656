/* Files that are made from the tables: the commented defaults in etc/ and the manual pages. */
#ifndef ADMIN_GENERATE_H
#define ADMIN_GENERATE_H

#include "admin/op.h"

void generate_main_conf(struct str *out);     /* etc/thurn.conf */
void generate_services_conf(struct str *out); /* etc/services.conf */
/* Manual pages in mdoc. sendmail(1) has no table: admin/sendmail/sendmail.1. */
void generate_conf_page(struct str *out);
void generate_services_page(struct str *out);
void generate_command_page(struct str *out);
void generate_daemon_page(struct str *out, const struct params_table *program);

#endif
