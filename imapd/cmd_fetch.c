#include "imapd/command.h"

#include "imap/seqset.h"
#include "imapd/fetch.h"

/* So many messages get \Seen by one record, when a client goes away in the middle what it got is
 * marked. */
#define SEEN_BATCH 1000

struct seen_list {
	uint32_t uids[SEEN_BATCH];
	size_t n;
};

static void mark_seen(struct fetch_run *f, struct seen_list *list)
{
	static const struct flag_change change = {
		.op = FLAGS_ADD, .flags = MSG_SEEN, .unchanged_since = UINT64_MAX};
	uint32_t *failed;
	size_t nfailed;

	if (list->n == 0)
		return;
	enum store_status status = view_store(f->s->view, list->uids, list->n, &change, f->row_pool,
		&failed, &nfailed);
	if (status != STORE_OK)
		log_warning("Messages stay unseen: %s", store_status_text(status));
	list->n = 0;
	pool_reset(f->row_pool);
}

static bool fetch_one(struct fetch_run *f, uint32_t seq, struct seen_list *seen)
{
	f->seq = seq;
	f->row = view_row(f->s->view, seq);
	f->have_summary = SUMMARY_UNREAD;
	f->seen_now = f->sets_seen && !(f->row->flags & MSG_SEEN);
	if (f->seen_now) {
		if (seen->n == SEEN_BATCH)
			mark_seen(f, seen);
		seen->uids[seen->n++] = f->row->uid;
	}
	fetch_put_row(f);
	if (f->have_summary != SUMMARY_UNREAD)
		pool_reset(f->row_pool);
	/* A look at the clock costs as much as a line of flags. */
	return f->s->out.len < 4096 && seq % 32 ? true : session_flow(f->s);
}

static void fetch_all(struct fetch_run *f, const struct seqset *seqs)
{
	struct seen_list *seen = f->sets_seen ? pool_new_of(f->s->cmd_pool, struct seen_list)
					      : &(struct seen_list){.n = 0};
	bool go_on = true;

	for (size_t i = 0; i < seqs->n && go_on; i++)
		for (uint32_t seq = seqs->v[i].from; seq <= seqs->v[i].to && go_on; seq++)
			go_on = fetch_one(f, seq, seen);
	mark_seen(f, seen);
}

static void answer(struct cmd *cmd, const struct fetch_run *f)
{
	if (f->status != STORE_OK)
		cmd_fail(cmd, f->status);
	else if (f->missing)
		cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages no longer exist.");
	else
		cmd_ok(cmd, NULL);
}

void cmd_fetch(struct session *s, struct cmd *cmd)
{
	struct fetch_run *f = pool_new_of(cmd->pool, struct fetch_run);
	struct seqset seqs;

	f->s = s;
	if (!cmd_parse_messages(s, cmd, &seqs))
		return;
	if (!imap_parse_space(&cmd->args) || !imap_parse_fetch(&cmd->args, &f->what) ||
		!imap_parse_end(&cmd->args)) {
		cmd_bad_args(cmd);
		return;
	}
	if (cmd->uid)
		f->what.items |= FETCH_UID;
	f->sets_seen = f->what.seen && !s->read_only;
	f->row_pool = pool_new("fetch row");
	f->section_pool = pool_new("fetch section");
	fetch_all(f, &seqs);
	pool_free(&f->row_pool);
	pool_free(&f->section_pool);
	answer(cmd, f);
}
