#include "params/store.h"

#define CONF_STRUCT mailstore_conf

const struct conf_row mailstore_conf_rows[] = {
	CONF_ROW(
		STR, partition, "p0", 0, 0, "Partition of new accounts: a folder below store_dir."),
	CONF_ROW(SIZE, pack_size, "1G", 1048576, 0,
		"Size at which a pack of message bodies is closed and the next one begun."),
	CONF_ROW(SIZE, log_segment_size, "64M", 65536, 0,
		"Size at which a segment of an account's log is closed."),
	CONF_ROW(LIST, default_mailboxes,
		"Drafts:\\Drafts Sent:\\Sent Junk:\\Junk Trash:\\Trash Archive:\\Archive", 0, 0,
		"Mailboxes of a new account, besides INBOX: a name, or name:\\use (RFC 6154)."),
	CONF_ROW(TIME, flag_sync, "1s", 0, 60, "Latest time at which a change of flags is synced."),
	CONF_END,
};
