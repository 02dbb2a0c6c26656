/*
 * thurn mailbox: a user's mailboxes, straight from the store (whose locks make it safe while the
 * server runs). Files must belong to the store's user, so the process becomes that user first:
 * whatever a mailbox holds, root never parses it.
 */
#include <unistd.h>

#include "admin/dir_ask.h"
#include "os/os.h"
#include "store/config.h"

struct opened {
	struct store *store;
	struct account *account;
	const char *id;
};

static int fail_store(struct op_call *call, enum store_status status)
{
	return op_fail(call, "%s", store_status_text(status));
}

static int become_store(struct op_call *call)
{
	uid_t uid;
	gid_t gid;
	if (config_user(call->config, "store", &uid, &gid, &call->err) < 0)
		return -1;
	if (uid != geteuid())
		os_drop_privilege(uid, gid, NULL);
	return 0;
}

/* The user's account id from the directory (before privilege goes), then the store. */
static int open_store(struct op_call *call, struct opened *o)
{
	struct dir_entry user;
	if (dir_account(call, op_str(call, "user"), &user) < 0 || become_store(call) < 0)
		return -1;
	o->id = user.account;
	return store_open_config(call->config, &o->store, &call->err);
}

static int open_account(struct op_call *call, struct opened *o, bool create)
{
	if (open_store(call, o) < 0)
		return -1;
	struct account_limits limits = {0, 0};
	enum store_status status = account_open(o->store, o->id, create, &limits, &o->account);
	if (status == STORE_OK)
		return 0;
	store_close(&o->store);
	if (status == STORE_NOT_FOUND)
		return op_fail(call, "%s has no mailboxes yet.", op_str(call, "user"));
	return fail_store(call, status);
}

static int close_all(struct op_call *call, struct opened *o, enum store_status status)
{
	account_close(&o->account);
	store_close(&o->store);
	return status == STORE_OK ? 0 : fail_store(call, status);
}

static void add_mailbox(struct js *list, const struct mailbox_info *info)
{
	struct js *m = js_add_object(list);
	js_put(m, "mailboxName", info->name);
	js_put_num(m, "mailboxId", info->id);
	js_put_num(m, "messages", info->messages);
	js_put_num(m, "unseen", info->unseen);
	js_put_num(m, "size", (int64_t)info->size);
	js_put(m, "use", info->use ? special_use_names[info->use] : NULL);
	js_put_bool(m, "subscribed", info->flags & MAILBOX_SUBSCRIBED);
}

static int mailbox_list_op(struct op_call *call)
{
	struct opened o = {0};
	struct mailbox_info *v;
	size_t n = 0;
	if (open_account(call, &o, false) < 0)
		return -1;
	enum store_status status = mailbox_list(o.account, call->pool, true, &v, &n);
	call->result = js_list(call->pool);
	for (size_t i = 0; status == STORE_OK && i < n; i++)
		add_mailbox(call->result, &v[i]);
	return close_all(call, &o, status);
}

static int mailbox_create_op(struct op_call *call)
{
	struct opened o = {0};
	uint32_t id;
	if (open_account(call, &o, true) < 0)
		return -1;
	return close_all(
		call, &o, mailbox_create(o.account, op_str(call, "mailbox"), USE_NONE, &id));
}

static int mailbox_delete_op(struct op_call *call)
{
	struct opened o = {0};
	if (open_account(call, &o, false) < 0)
		return -1;
	return close_all(call, &o, mailbox_delete(o.account, op_str(call, "mailbox")));
}

static void say(void *arg, const char *sentence)
{
	js_add(arg, sentence);
}

static int check(struct op_call *call, bool rebuild)
{
	struct opened o = {0};
	struct check_report report = {0};
	if (open_store(call, &o) < 0)
		return -1;
	call->result = js_object(call->pool);
	struct js *findings = js_put_list(call->result, "findings");
	enum store_status status = account_check(o.store, o.id, rebuild, say, findings, &report);
	js_put_num(call->result, "records", (int64_t)report.records);
	js_put_num(call->result, "messages", (int64_t)report.messages);
	js_put_num(call->result, "badBodies", (int64_t)report.blobs_bad);
	js_put_num(call->result, "damagedRecords", (int64_t)report.log_damaged);
	js_put_num(call->result, "badCheckpoints", (int64_t)report.checkpoints_bad);
	js_put_bool(call->result, "repaired", report.repaired);
	store_close(&o.store);
	return status == STORE_OK ? 0 : fail_store(call, status);
}

static int mailbox_check_op(struct op_call *call)
{
	return check(call, false);
}

static int mailbox_rebuild_op(struct op_call *call)
{
	return check(call, true);
}

#define USER                                                                                       \
	{                                                                                          \
		"user", OP_ADDRESS, 0, "Address of the user."                                      \
	}
#define MAILBOX                                                                                    \
	{                                                                                          \
		"mailbox", OP_TEXT, 0, "Its name, with / between levels."                          \
	}

const struct op op_mailbox_rows[] = {
	{
		.name = "mailbox list",
		.method = "GET",
		.path = "/users/{user}/mailboxes",
		.params = {USER},
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.columns = "mailboxName mailboxId messages unseen size use",
		.run = mailbox_list_op,
		.help = "A user's mailboxes.",
	},
	{
		.name = "mailbox create",
		.method = "PUT",
		.path = "/users/{user}/mailboxes/{mailbox}",
		.params = {USER, MAILBOX},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = mailbox_create_op,
		.help = "Makes a mailbox, and its parents.",
	},
	{
		.name = "mailbox delete",
		.method = "DELETE",
		.path = "/users/{user}/mailboxes/{mailbox}",
		.params = {USER, MAILBOX},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = mailbox_delete_op,
		.help = "Deletes a mailbox with its messages.",
	},
	{
		.name = "mailbox check",
		.method = "GET",
		.path = "/users/{user}/mailboxes?check",
		.params = {USER},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = mailbox_check_op,
		.help = "Reads all of an account and compares indexes with the log and bodies with "
			"their checksums.",
	},
	{
		.name = "mailbox rebuild",
		.method = "POST",
		.path = "/users/{user}/mailboxes?task=reIndex",
		.params = {USER},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = mailbox_rebuild_op,
		.help = "Makes an account's indexes anew from its log.",
	},
	{.name = NULL},
};
