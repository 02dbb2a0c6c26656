#include "imapd/update.h"

#include "imap/put.h"
#include "imap/seqset.h"

_Static_assert((int)IMAP_SEEN == (int)MSG_SEEN && (int)IMAP_ANSWERED == (int)MSG_ANSWERED &&
		       (int)IMAP_FLAGGED == (int)MSG_FLAGGED &&
		       (int)IMAP_DELETED == (int)MSG_DELETED && (int)IMAP_DRAFT == (int)MSG_DRAFT &&
		       (int)IMAP_RECENT == (int)MSG_RECENT,
	"lib/imap and lib/store number the flags alike");

void put_flags(struct str *out, const struct view *view, unsigned flags, uint64_t keywords)
{
	size_t n;
	const char *const *names = keywords ? view_keywords(view, &n) : NULL;

	str_putc(out, '(');
	bool any = flags && imap_put_system_flags(out, flags);
	for (uint64_t bits = keywords; bits; bits &= bits - 1) {
		size_t i = (size_t)__builtin_ctzll(bits);
		if (i >= n)
			break;
		if (any)
			str_putc(out, ' ');
		any = true;
		str_puts(out, names[i]);
	}
	str_putc(out, ')');
}

void put_fetch_flags(struct session *s, uint32_t seq, bool uid)
{
	const struct msg_row *row = view_row(s->view, seq);
	struct str *out = &s->out;

	str_puts(out, "* ");
	str_put_u64(out, seq);
	str_puts(out, " FETCH (");
	if (uid) {
		str_puts(out, "UID ");
		str_put_u64(out, row->uid);
		str_putc(out, ' ');
	}
	str_puts(out, "FLAGS ");
	put_flags(out, s->view, view_flags(s->view, seq), row->keywords);
	str_puts(out, ")\r\n");
}

static void put_keywords(struct str *out, const struct view *view)
{
	size_t n;
	const char *const *names = view_keywords(view, &n);

	for (size_t i = 0; i < n; i++) {
		str_putc(out, ' ');
		str_puts(out, names[i]);
	}
}

void update_put_flags(struct session *s)
{
	struct str *out = &s->out;
	size_t n;

	view_keywords(s->view, &n);
	s->told_keywords = n;
	str_puts(out, "* FLAGS (");
	imap_put_system_flags(out, MSG_SYSTEM_FLAGS);
	put_keywords(out, s->view);
	str_puts(out, ")\r\n* OK [PERMANENTFLAGS (");
	if (!s->read_only) {
		imap_put_system_flags(out, MSG_SYSTEM_FLAGS);
		put_keywords(out, s->view);
		if (n < MSG_KEYWORDS_MAX)
			str_puts(out, " \\*");
	}
	str_printf(out, ")] %s\r\n",
		s->read_only ? "Nothing can be changed." : "Flags that are kept.");
}

static void put_count(struct session *s, uint32_t n, const char *what)
{
	str_puts(&s->out, "* ");
	str_put_u64(&s->out, n);
	str_puts(&s->out, what);
}

/* EXISTS and RECENT, where they are not what the client thinks. */
static void tell_counts(struct session *s)
{
	struct mailbox_info info;

	view_info(s->view, &info);
	if (view_count(s->view) != s->told_exists)
		put_count(s, view_count(s->view), " EXISTS\r\n");
	if (info.recent != s->told_recent)
		put_count(s, info.recent, " RECENT\r\n");
	s->told_exists = view_count(s->view);
	s->told_recent = info.recent;
}

void update_start(struct session *s)
{
	struct mailbox_info info;

	view_info(s->view, &info);
	put_count(s, s->told_exists = view_count(s->view), " EXISTS\r\n");
	put_count(s, s->told_recent = info.recent, " RECENT\r\n");
}

static void tell(struct session *s, const struct update *u, const struct view_changes *c)
{
	size_t keywords;

	for (size_t i = 0; i < c->nexpunged && session_flow(s); i++) {
		put_count(s, c->expunged[i], " EXPUNGE\r\n");
		s->told_exists--;
	}
	if (c->exists || c->recent || c->nexpunged)
		tell_counts(s);
	view_keywords(s->view, &keywords);
	if (keywords != s->told_keywords)
		update_put_flags(s);
	for (size_t i = 0; i < c->nchanged && session_flow(s); i++)
		if (!u->skip || !seqset_has(u->skip, c->changed[i]))
			put_fetch_flags(s, c->changed[i], u->uid);
}

void update_tell(struct session *s, const struct update *u)
{
	struct view_changes changes = {0};
	enum store_status status = view_sync(s->view, u->expunge, s->cmd_pool, &changes);

	if (status == STORE_OK) {
		tell(s, u, &changes);
	} else if (status != STORE_BUSY) {
		log_error("The mailbox can't be brought up to date: %s", store_status_text(status));
		session_bye(s, "[UNAVAILABLE] The mail store failed.", "store failed");
	}
	if (view_is_gone(s->view))
		session_bye(s, "The selected mailbox was deleted.", "mailbox deleted");
}
