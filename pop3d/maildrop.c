#include "pop3d/pop3d.h"

#include "base/log.h"

static const char *reply_of(enum store_status status)
{
	switch (status) {
	case STORE_BUSY:
		return "-ERR [IN-USE] The mailbox is in use by another session";
	case STORE_DAMAGED:
	case STORE_NOT_FOUND:
		return "-ERR [SYS/PERM] The mailbox can't be opened";
	default:
		return "-ERR [SYS/TEMP] The mailbox can't be opened now";
	}
}

static enum store_status open_inbox(struct session *s)
{
	struct mailbox_info inbox;
	enum store_status status = mailbox_find(s->account, s->pool, "INBOX", false, &inbox);
	if (status == STORE_OK)
		status = view_open(s->account, inbox.id, false, &s->view);
	s->uidvalidity = inbox.uidvalidity;
	return status;
}

int maildrop_open(struct session *s, const char *account, const struct account_limits *limits,
	const char **reply_r)
{
	enum store_status status =
		account_open(s->daemon->store, account, true, limits, &s->account);
	if (status == STORE_OK)
		status = account_session_lock(s->account, &s->lock);
	if (status == STORE_OK)
		status = open_inbox(s);
	if (status != STORE_OK) {
		log_warning("maildrop not opened reason=%s", log_q(store_status_text(status)));
		*reply_r = reply_of(status);
		return -1;
	}
	s->count = s->left = view_count(s->view);
	s->marks = pool_alloc(s->pool, s->count);
	for (uint32_t n = 1; n <= s->count; n++) {
		s->octets += view_row(s->view, n)->size;
		if (n % 4096 == 0)
			fiber_breathe();
	}
	return 0;
}

static size_t marked(struct session *s, unsigned mark, unsigned without, uint32_t *uids)
{
	size_t n = 0;
	for (uint32_t i = 0; i < s->count; i++)
		if ((s->marks[i] & mark) && !(s->marks[i] & without))
			uids[n++] = view_row(s->view, i + 1)->uid;
	return n;
}

int maildrop_update(struct session *s)
{
	uint32_t *uids = pool_array(s->pool, s->count, sizeof(*uids));
	enum store_status status = STORE_OK;
	size_t n = marked(s, MARK_SEEN, s->update ? MARK_DELETED : 0, uids);
	if (n) {
		struct flag_change seen = {
			.op = FLAGS_ADD, .flags = MSG_SEEN, .unchanged_since = UINT64_MAX};
		uint32_t *failed;
		size_t nfailed;
		view_store(s->view, uids, n, &seen, s->pool, &failed, &nfailed);
	}
	n = s->update ? marked(s, MARK_DELETED, 0, uids) : 0;
	if (n)
		status = view_expunge(s->view, uids, n, false);
	if (status != STORE_OK)
		log_error("messages not removed count=%zu reason=%s", n,
			log_q(store_status_text(status)));
	if (s->update) /* before the client hears of it: he may log in again at once */
		account_session_unlock(&s->lock);
	return status == STORE_OK ? 0 : -1;
}

void maildrop_close(struct session *s)
{
	view_close(&s->view);
	account_session_unlock(&s->lock);
	account_close(&s->account);
}
