/* thurn user: who has a mailbox and may log in. */
#include "admin/dir_ask.h"

static struct dir_user_change change_of(struct op_call *call)
{
	const char *password = op_str(call, "password"), *hash = op_str(call, "password-hash");
	return (struct dir_user_change){
		.address = op_str(call, "user"),
		.password = password ? password : "",
		.hash = hash ? hash : "",
	};
}

static int user_add(struct op_call *call)
{
	struct dir_user_change rq = change_of(call);
	rq.quota_bytes = op_num(call, "quota");
	rq.quota_messages = op_num(call, "quota-messages");
	return dir_change(call, &dir_user_add_msg, &rq);
}

static int user_passwd(struct op_call *call)
{
	struct dir_user_change rq = change_of(call);
	if (!rq.password[0] && !rq.hash[0])
		return op_fail(call, "The password is empty.");
	return dir_change(call, &dir_user_passwd_msg, &rq);
}

static int user_remove(struct op_call *call)
{
	struct dir_name rq = {op_str(call, "user")};
	return dir_change(call, &dir_user_remove_msg, &rq);
}

static int user_disable(struct op_call *call)
{
	struct dir_name rq = {op_str(call, "user")};
	return dir_change(call, &dir_user_disable_msg, &rq);
}

static int user_enable(struct op_call *call)
{
	struct dir_name rq = {op_str(call, "user")};
	return dir_change(call, &dir_user_enable_msg, &rq);
}

static void add_user(struct op_call *call, const struct dir_entry *entry)
{
	struct js *user = js_add_object(call->result);
	js_put(user, "username", entry->name);
	js_put(user, "account", entry->account);
	js_put_num(user, "quota", (int64_t)entry->quota_bytes);
	js_put_num(user, "quotaMessages", (int64_t)entry->quota_messages);
	js_put_bool(user, "overQuota", entry->over_quota);
	js_put_bool(user, "login", entry->has_password && !entry->disabled);
	js_put_bool(user, "disabled", entry->disabled);
}

static int user_list(struct op_call *call)
{
	call->result = js_list(call->pool);
	return dir_each(call, &dir_user_list_msg, op_str(call, "match"), add_user);
}

#define USER                                                                                       \
	{                                                                                          \
		"user", OP_ADDRESS, 0, "Address of the user."                                      \
	}
#define PASSWORD                                                                                   \
	{                                                                                          \
		"password", OP_SECRET, OP_OPTION,                                                  \
			"The password; if not given, it is asked for on a terminal or read from "  \
			"standard input."                                                          \
	}

#define PASSWORD_HASH                                                                              \
	{                                                                                          \
		"password-hash", OP_TEXT, OP_OPTION,                                               \
			"A crypt(3) hash brought from elsewhere instead of the password; such a "  \
			"user logs in with PLAIN or LOGIN only."                                   \
	}

const struct op op_user_rows[] = {
	{
		.name = "user add",
		.method = "PUT",
		.path = "/users/{user}",
		.params = {USER, PASSWORD, PASSWORD_HASH,
			{"no-password", OP_FLAG, OP_OPTION,
				"The user gets mail but can't log in yet."},
			{"quota", OP_SIZE, OP_OPTION,
				"Most octets in the mailboxes; 0 is no limit."},
			{"quota-messages", OP_NUM, OP_OPTION, "Most messages; 0 is no limit."}},
		.role = OP_ADMIN,
		.run = user_add,
		.help = "Adds a user to a domain of ours.",
	},
	{
		.name = "user remove",
		.method = "DELETE",
		.path = "/users/{user}",
		.params = {USER},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = user_remove,
		.help = "Removes a user, and ends the user's sessions. The mail stays on the disk; a new "
			"user of that name does not get it.",
	},
	{
		.name = "user disable",
		.method = "PUT",
		.path = "/users/{user}/disabled",
		.params = {USER},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = user_disable,
		.help = "Shuts a user out until it is enabled again: no logins, open sessions end, and mail is "
			"refused for good (550 5.2.1). The mail that is there stays, and so does the password.",
	},
	{
		.name = "user enable",
		.method = "DELETE",
		.path = "/users/{user}/disabled",
		.params = {USER},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = user_enable,
		.help = "Lets a user who was disabled in again, with all that was there.",
	},
	{
		.name = "user list",
		.method = "GET",
		.path = "/users",
		.params = {{"match", OP_NAME, OP_OPTIONAL, "An address, or @domain."}},
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.columns = "username account quota quotaMessages overQuota login disabled",
		.run = user_list,
		.help = "The users, all or those of a domain.",
	},
	{
		.name = "user passwd",
		.method = "PUT",
		.path = "/users/{user}?force",
		.params = {USER, PASSWORD, PASSWORD_HASH},
		.role = OP_ADMIN,
		.run = user_passwd,
		.help = "Sets a user's password; sessions that are open go on. A system user is a user of this "
			"server's own from then on, who stays when the name goes from /etc/passwd.",
	},
	{.name = NULL},
};
