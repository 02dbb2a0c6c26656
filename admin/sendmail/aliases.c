/*
 * newaliases: the file of aliases (aliases(5) of old: "name: target, target", continued by blanks)
 * becomes directoryd's aliases of the system domain. All or nothing: a line that can't be is named,
 * and what was loaded before stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/sendmail/aliases.h"
#include "admin/sendmail/sendmail.h"
#include "directory/messages.h"
#include "os/os.h"

#define ALIASES_MAX (64 * 1024 * 1024)
#define ASK_MS      30000

int mode_aliases(struct sendmail *s)
{
	const char *path = s->config->common.aliases;
	struct dir_aliases aliases;
	const char *why = "";
	char *text;
	size_t n;
	if (os_read_file(AT_FDCWD, path, ALIASES_MAX, &text, &n) < 0)
		return say(EX_NOINPUT, "%s can't be read: %s.", path, strerror(errno));
	int rc = aliases_parse(s->pool, path, span_make(text, n), &aliases, &why);
	free(text);
	if (rc < 0)
		return say(EX_DATAERR, "%s", why);

	struct ipc_client *client = ipc_client_new(run_path(s, "directory-admin"));
	struct dir_done done;
	struct ipc_call call = {
		.request = &dir_aliases_load_msg,
		.body = &aliases,
		.reply_type = &dir_done_msg,
		.reply = &done,
		.deadline = io_deadline(ASK_MS),
	};
	rc = ipc_client_call(client, s->pool, &call, &why);
	if (rc != 0)
		say(EX_UNAVAILABLE, "The aliases were not loaded: %s", why);
	else
		printf("%s: %zu aliases\n", path, aliases.entries.n);
	ipc_client_free(&client);
	return rc == 0 ? EX_OK : EX_UNAVAILABLE;
}
