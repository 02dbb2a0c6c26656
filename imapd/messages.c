/* From the sets of a command to messages of the view. */
#include "imapd/command.h"

#include "imap/seqset.h"

void view_resolve_uids(const struct view *view, struct seqset *set)
{
	uint32_t count = view_count(view);
	size_t n = 0;

	seqset_resolve(set, count ? view_row(view, count)->uid : 0);
	for (size_t i = 0; i < set->n; i++) {
		struct seq_range r = {.from = view_seq_of(view, set->v[i].from)};
		r.to = set->v[i].to == UINT32_MAX ? count : view_seq_of(view, set->v[i].to + 1) - 1;
		if (r.from > r.to)
			continue;
		/* Ranges of UIDs with nothing between them become one of sequence numbers. */
		if (n && set->v[n - 1].to + 1 == r.from)
			set->v[n - 1].to = r.to;
		else
			set->v[n++] = r;
	}
	set->n = n;
}

bool cmd_parse_messages(struct session *s, struct cmd *cmd, struct seqset *seqs_r)
{
	uint32_t count = view_count(s->view);

	if (!imap_parse_seqset(&cmd->args, seqs_r)) {
		cmd_bad_args(cmd);
		return false;
	}
	if (cmd->uid) {
		view_resolve_uids(s->view, seqs_r);
		return true;
	}
	seqset_resolve(seqs_r, count);
	if (seqs_r->n == 0 || seqset_max(seqs_r) > count) {
		cmd_bad(cmd, "There are no such messages.");
		return false;
	}
	return true;
}

size_t view_uids(const struct view *view, const struct seqset *seqs, unsigned flags,
	struct pool *pool, uint32_t **uids_r)
{
	ARRAY(uint32_t) uids = ARRAY_IN(pool);

	if (!flags)
		array_reserve(&uids, (size_t)seqset_count(seqs));
	for (size_t i = 0; i < seqs->n; i++)
		for (uint32_t seq = seqs->v[i].from; seq <= seqs->v[i].to; seq++) {
			const struct msg_row *row = view_row(view, seq);
			if (seq % 4096 == 0)
				fiber_breathe();
			if ((row->flags & flags) == flags)
				*array_add(&uids) = row->uid;
		}
	*uids_r = uids.v;
	return uids.n;
}
