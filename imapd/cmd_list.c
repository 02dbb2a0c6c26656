/* LIST (RFC 3501, 5258, 5819, 6154) and LSUB. */
#include "imapd/command.h"

#include "imap/list.h"
#include "imap/put.h"
#include "imapd/alone.h"
#include "imapd/status.h"

/* A name that will be told. */
struct entry {
	const struct mailbox_info *info; /* NULL: a parent of something, by itself nothing */
	const char *name;
	bool child_info; /* something below it was selected and isn't told itself */
};

struct listing {
	struct session *s;
	struct cmd *cmd;
	struct pool *pool; /* gone when all is told */
	struct imap_list args;
	bool lsub;
	struct pattern *patterns[IMAP_PATTERNS_MAX];
	ARRAY(struct entry) entries;
	struct hash *by_name; /* of entries: index + 1; only where parents are wanted */
	struct str parent; /* scratch */
};

static bool matches(const struct listing *l, const char *name)
{
	for (size_t i = 0; i < l->args.npatterns; i++) {
		if (pattern_match(l->patterns[i], name))
			return true;
		fiber_breathe();
	}
	return false;
}

static bool is_selected(const struct listing *l, const struct mailbox_info *info)
{
	if (l->args.select & LIST_SUBSCRIBED && !(info->flags & MAILBOX_SUBSCRIBED))
		return false;
	if (l->args.select & LIST_SPECIAL_USE && info->use == USE_NONE)
		return false;
	/* Names that are only subscribed to are no mailboxes. */
	return l->args.select & LIST_SUBSCRIBED || info->id != 0 ||
	       info->flags & MAILBOX_HAS_CHILDREN;
}

/* stays: the name is the pool's already. */
static struct entry *entry_of(struct listing *l, const char *name, bool stays)
{
	size_t at = l->by_name ? (size_t)(uintptr_t)hash_find(l->by_name, span_of(name)) : 0;

	if (at)
		return &l->entries.v[at - 1];
	struct entry *e = array_add(&l->entries);
	e->name = stays ? name : pool_strdup(l->pool, name);
	if (l->by_name)
		hash_set(l->by_name, span_of(name), (void *)(uintptr_t)l->entries.n);
	return e;
}

/* What is selected and out of the patterns' reach shows in its parents that are within (LSUB
 * "%", RECURSIVEMATCH). */
static void add_parents(struct listing *l, const char *name)
{
	struct str *parent = &l->parent;

	str_reset(parent);
	str_puts(parent, name);
	for (char *slash; (slash = strrchr(parent->s, '/'));) {
		str_truncate(parent, (size_t)(slash - parent->s));
		if (matches(l, parent->s)) {
			entry_of(l, parent->s, false)->child_info = true;
			return;
		}
	}
}

static void collect(struct listing *l, const struct mailbox_info *v, size_t n)
{
	bool parents = l->lsub || l->args.select & LIST_RECURSIVE;

	if (parents)
		l->by_name = hash_new();
	for (size_t i = 0; i < n; i++) {
		fiber_breathe();
		if (parents && matches(l, v[i].name) && !is_selected(l, &v[i])) {
			/* Perhaps a parent: then its attributes are wanted. */
			if (v[i].flags & MAILBOX_HAS_CHILDREN)
				entry_of(l, v[i].name, true)->info = &v[i];
			continue;
		}
		if (!is_selected(l, &v[i]))
			continue;
		if (matches(l, v[i].name))
			entry_of(l, v[i].name, true)->info = &v[i];
		else if (parents)
			add_parents(l, v[i].name);
	}
	hash_free(&l->by_name);
}

static void put_attribute(struct str *out, const char *name)
{
	if (out->s[out->len - 1] != '(')
		str_putc(out, ' ');
	str_puts(out, name);
}

static void put_attributes(const struct listing *l, const struct entry *e, bool selected)
{
	struct str *out = &l->s->out;
	const struct mailbox_info *info = e->info;
	bool exists = info && (info->id != 0 || info->flags & MAILBOX_HAS_CHILDREN);

	if (l->lsub) {
		if (!selected || !exists || info->flags & MAILBOX_NOSELECT)
			put_attribute(out, "\\NoSelect");
		return;
	}
	if (!exists)
		put_attribute(out, "\\NonExistent");
	else if (info->flags & MAILBOX_NOSELECT)
		put_attribute(out, "\\NoSelect");
	if (exists)
		put_attribute(out,
			info->flags & MAILBOX_HAS_CHILDREN ? "\\HasChildren" : "\\HasNoChildren");
	if ((l->args.select | l->args.ret) & LIST_SUBSCRIBED && info &&
		info->flags & MAILBOX_SUBSCRIBED)
		put_attribute(out, "\\Subscribed");
	if (exists && info->use != USE_NONE)
		put_attribute(out, special_use_names[info->use]);
}

/* RFC 5258 4, RFC 6154 2: which of the selection's options something below meets, that is all. */
static void put_child_info(struct str *out, unsigned select)
{
	bool both = (select & LIST_SUBSCRIBED) && (select & LIST_SPECIAL_USE);

	str_printf(out, " (\"CHILDINFO\" (%s%s%s))", select & LIST_SUBSCRIBED ? "\"SUBSCRIBED\"" : "",
		both ? " " : "", select & LIST_SPECIAL_USE ? "\"SPECIAL-USE\"" : "");
}

static void put_entry(const struct listing *l, const struct entry *e)
{
	struct session *s = l->s;
	bool selected = e->info && is_selected(l, e->info);

	if (!selected && !e->child_info)
		return;
	str_puts(&s->out, l->lsub ? "* LSUB (" : "* LIST (");
	put_attributes(l, e, selected);
	str_printf(&s->out, ") \"%c\" ", s->separator);
	imap_put_mailbox(&s->out, e->name, s->separator);
	if (e->child_info && !l->lsub)
		put_child_info(&s->out, l->args.select);
	str_puts(&s->out, "\r\n");
	if (l->args.status && e->info && e->info->id && !(e->info->flags & MAILBOX_NOSELECT))
		status_put(s, e->info, l->args.status);
}

static void list(struct listing *l)
{
	struct mailbox_info *v;
	size_t n;

	l->entries.pool = l->parent.pool = l->pool;
	for (size_t i = 0; i < l->args.npatterns; i++)
		l->patterns[i] = pattern_new(l->pool, l->args.patterns[i]);
	enum store_status status = mailbox_list(l->s->account, l->pool, l->args.status != 0, &v, &n);
	if (status != STORE_OK) {
		cmd_fail(l->cmd, status);
		return;
	}
	collect(l, v, n);
	for (size_t i = 0; i < l->entries.n && session_flow(l->s); i++)
		put_entry(l, &l->entries.v[i]);
	cmd_ok(l->cmd, NULL);
}

static void list_in_turn(struct listing *l)
{
	bool alone = mailbox_list_size(l->s->account) > ALONE_MIN;

	if (alone)
		alone_enter(l->s);
	l->pool = pool_new("list");
	list(l);
	pool_free(&l->pool);
	if (alone)
		alone_leave(l->s);
}

static void run(struct session *s, struct cmd *cmd, bool lsub)
{
	struct listing *l = pool_new_of(cmd->pool, struct listing);

	l->s = s;
	l->cmd = cmd;
	l->lsub = lsub;
	if (!imap_parse_list(&cmd->args, lsub, &l->args)) {
		cmd_bad_args(cmd);
		return;
	}
	if (lsub)
		l->args.select = LIST_SUBSCRIBED;
	if (l->args.delimiter) {
		str_printf(&s->out, "* %s (\\NoSelect) \"%c\" \"\"\r\n", lsub ? "LSUB" : "LIST",
			s->separator);
		cmd_ok(cmd, NULL);
		return;
	}
	list_in_turn(l);
}

void cmd_list(struct session *s, struct cmd *cmd)
{
	run(s, cmd, false);
}

void cmd_lsub(struct session *s, struct cmd *cmd)
{
	run(s, cmd, true);
}
