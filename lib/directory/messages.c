#include "directory/messages.h"

#define F(kind, tag, field) {IPC_##kind, #field, offsetof(struct tag, field), NULL}
#define F_LIST(tag, field, element) {IPC_LIST, #field, offsetof(struct tag, field), &element}
#define F_END {.type = IPC_END}

/* One definition per struct of the header; several calls share a body, each with a type of its own. */
static const struct ipc_field target_fields[] = {F(STR, dir_target, address), F_END};
const struct ipc_msg dir_target_msg = {
	IPC_RANGE_DIRECTORY, "target", sizeof(struct dir_target), target_fields};

static const struct ipc_field resolve_request_fields[] = {
	F(STR, dir_resolve_request, local), F(STR, dir_resolve_request, domain), F_END};
static const struct ipc_field resolve_reply_fields[] = {
	F(U32, dir_resolve_reply, status),
	F(STR, dir_resolve_reply, account),
	F(STR, dir_resolve_reply, canonical),
	F_LIST(dir_resolve_reply, targets, dir_target_msg),
	F(U64, dir_resolve_reply, quota_bytes),
	F(U64, dir_resolve_reply, quota_messages),
	F(BOOL, dir_resolve_reply, over_quota),
	F_END,
};
static const struct ipc_field binding_fields[] = {
	F(STR, dir_binding, type), F(BLOB, dir_binding, data), F_END};
static const struct ipc_msg binding_msg = {
	IPC_RANGE_DIRECTORY + 30, "binding", sizeof(struct dir_binding), binding_fields};
static const struct ipc_field auth_start_fields[] = {
	F(STR, dir_auth_start, mechanism),
	F(STR, dir_auth_start, service),
	F(STR, dir_auth_start, remote_ip),
	F(BOOL, dir_auth_start, tls),
	F(BOOL, dir_auth_start, has_initial),
	F(BLOB, dir_auth_start, initial),
	F_LIST(dir_auth_start, bindings, binding_msg),
	F_END,
};
static const struct ipc_field auth_step_fields[] = {
	F(U64, dir_auth_step, id), F(BLOB, dir_auth_step, data), F(BOOL, dir_auth_step, cancel), F_END};
static const struct ipc_field auth_reply_fields[] = {
	F(U32, dir_auth_reply, state),
	F(U64, dir_auth_reply, id),
	F(BLOB, dir_auth_reply, data),
	F(STR, dir_auth_reply, user),
	F(STR, dir_auth_reply, account),
	F(BLOB, dir_auth_reply, ticket),
	F(STR, dir_auth_reply, text),
	F(U64, dir_auth_reply, delay_ms),
	F_END,
};
static const struct ipc_field mechanisms_request_fields[] = {
	F(BOOL, dir_mechanisms_request, tls), F_END};
static const struct ipc_field mechanisms_reply_fields[] = {
	F(STR, dir_mechanisms_reply, names), F_END};
static const struct ipc_field redeem_request_fields[] = {
	F(BLOB, dir_redeem_request, ticket), F(STR, dir_redeem_request, service), F_END};
static const struct ipc_field redeem_reply_fields[] = {
	F(BOOL, dir_redeem_reply, ok),
	F(STR, dir_redeem_reply, user),
	F(STR, dir_redeem_reply, account),
	F(U64, dir_redeem_reply, quota_bytes),
	F(U64, dir_redeem_reply, quota_messages),
	F_END,
};
static const struct ipc_field may_send_request_fields[] = {
	F(STR, dir_may_send_request, user), F(STR, dir_may_send_request, sender), F_END};
static const struct ipc_field may_send_reply_fields[] = {F(BOOL, dir_may_send_reply, yes), F_END};
static const struct ipc_field quota_notice_fields[] = {
	F(STR, dir_quota_notice, account), F(BOOL, dir_quota_notice, over), F_END};
static const struct ipc_field changed_fields[] = {
	F(U64, dir_changed, count), F(STR, dir_changed, account), F_END};
static const struct ipc_field check_request_fields[] = {
	F(STR, dir_check_request, user), F(STR, dir_check_request, account), F_END};
static const struct ipc_field check_reply_fields[] = {F(BOOL, dir_check_reply, ok), F_END};
static const struct ipc_field name_fields[] = {F(STR, dir_name, name), F_END};
static const struct ipc_field user_change_fields[] = {
	F(STR, dir_user_change, address),
	F(STR, dir_user_change, password),
	F(STR, dir_user_change, hash),
	F(U64, dir_user_change, quota_bytes),
	F(U64, dir_user_change, quota_messages),
	F_END,
};
static const struct ipc_field alias_change_fields[] = {
	F(STR, dir_alias_change, address),
	F_LIST(dir_alias_change, targets, dir_target_msg),
	F_END,
};
static const struct ipc_field entry_fields[] = {
	F(STR, dir_entry, name),
	F(STR, dir_entry, account),
	F(STR, dir_entry, text),
	F(U64, dir_entry, quota_bytes),
	F(U64, dir_entry, quota_messages),
	F(BOOL, dir_entry, over_quota),
	F(BOOL, dir_entry, has_password),
	F(BOOL, dir_entry, disabled),
	F_END,
};
static const struct ipc_msg entry_msg = {
	IPC_RANGE_DIRECTORY + 1, "entry", sizeof(struct dir_entry), entry_fields};
static const struct ipc_field list_request_fields[] = {
	F(STR, dir_list_request, match),
	F(STR, dir_list_request, after),
	F(U64, dir_list_request, limit),
	F_END,
};
static const struct ipc_field list_reply_fields[] = {
	F_LIST(dir_list_reply, entries, entry_msg), F(BOOL, dir_list_reply, more), F_END};
static const struct ipc_field done_fields[] = {F(STR, dir_done, account), F_END};
static const struct ipc_field aliases_fields[] = {F_LIST(dir_aliases, entries, entry_msg), F_END};

#define MESSAGE(number, variable, tag, table)                                                      \
	const struct ipc_msg variable##_msg = {                                                    \
		IPC_RANGE_DIRECTORY + number, #variable, sizeof(struct tag), table##_fields}
MESSAGE(2, dir_resolve_request, dir_resolve_request, resolve_request);
MESSAGE(3, dir_resolve_reply, dir_resolve_reply, resolve_reply);
MESSAGE(4, dir_auth_start, dir_auth_start, auth_start);
MESSAGE(5, dir_auth_step, dir_auth_step, auth_step);
MESSAGE(6, dir_auth_reply, dir_auth_reply, auth_reply);
MESSAGE(7, dir_mechanisms_request, dir_mechanisms_request, mechanisms_request);
MESSAGE(8, dir_mechanisms_reply, dir_mechanisms_reply, mechanisms_reply);
MESSAGE(9, dir_redeem_request, dir_redeem_request, redeem_request);
MESSAGE(10, dir_redeem_reply, dir_redeem_reply, redeem_reply);
MESSAGE(11, dir_may_send_request, dir_may_send_request, may_send_request);
MESSAGE(12, dir_may_send_reply, dir_may_send_reply, may_send_reply);
MESSAGE(13, dir_quota_notice, dir_quota_notice, quota_notice);
MESSAGE(14, dir_domain_add, dir_name, name);
MESSAGE(15, dir_domain_remove, dir_name, name);
MESSAGE(16, dir_domain_list, dir_list_request, list_request);
MESSAGE(17, dir_user_add, dir_user_change, user_change);
MESSAGE(18, dir_user_remove, dir_name, name);
MESSAGE(19, dir_user_passwd, dir_user_change, user_change);
MESSAGE(20, dir_user_list, dir_list_request, list_request);
MESSAGE(21, dir_alias_add, dir_alias_change, alias_change);
MESSAGE(22, dir_alias_remove, dir_alias_change, alias_change);
MESSAGE(23, dir_alias_list, dir_list_request, list_request);
MESSAGE(24, dir_aliases_load, dir_aliases, aliases);
MESSAGE(25, dir_list_reply, dir_list_reply, list_reply);
MESSAGE(26, dir_done, dir_done, done);
MESSAGE(27, dir_changed, dir_changed, changed);
MESSAGE(28, dir_check_request, dir_check_request, check_request);
MESSAGE(29, dir_check_reply, dir_check_reply, check_reply);
/* 30: struct dir_binding */
MESSAGE(31, dir_user_disable, dir_name, name);
MESSAGE(32, dir_user_enable, dir_name, name);
