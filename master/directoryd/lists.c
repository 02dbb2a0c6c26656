#include "master/directoryd/directoryd.h"

#include "base/log.h"

/* Pages of what there is, in the order of the names. */
#define PAGE_MAX        1000
#define PAGE_OCTETS_MAX (4 * 1024 * 1024) /* of names and targets: well below the longest message */

struct page {
	struct directoryd *d;
	struct pool *pool;
	enum table table;
	const struct dir_list_request *asked;
	ARRAY(struct dir_entry) entries;
	size_t octets;
	bool more;
};

static void fill_user(struct page *p, struct span value, struct dir_entry *e)
{
	struct user_record user;
	records_parse_user(value, p->pool, &user);
	e->account = user.account;
	e->quota_bytes = user.quota_bytes;
	e->quota_messages = user.quota_messages;
	e->has_password = *user.scram256 || *user.crypt;
	e->disabled = user.disabled;
	e->over_quota = over_quota_is(p->d->over_quota, user.account);
}

static void fill_alias(struct page *p, struct span value, struct dir_entry *e)
{
	struct alias_record alias;
	struct str text = STR_IN(p->pool);
	records_parse_alias(value, p->pool, &alias);
	for (size_t i = 0; i < alias.n; i++)
		str_printf(&text, "%s%s", i ? ", " : "", alias.targets[i].address);
	e->text = str_c(&text);
}

/* False when the page is full. */
static bool add(struct page *p, const struct kv_row *row)
{
	size_t limit = p->asked->limit && p->asked->limit < PAGE_MAX ? (size_t)p->asked->limit : PAGE_MAX;
	if (p->entries.n == limit || (p->entries.n && p->octets + row->value.n > PAGE_OCTETS_MAX)) {
		p->more = true;
		return false;
	}
	struct dir_entry *e = array_add(&p->entries);
	*e = (struct dir_entry){.name = pool_span(p->pool, row->key), .account = "", .text = ""};
	if (p->table == TABLE_USERS)
		fill_user(p, row->value, e);
	else if (p->table == TABLE_ALIASES)
		fill_alias(p, row->value, e);
	p->octets += row->key.n + row->value.n;
	return true;
}

/* All rows, or those of one domain. */
static void add_many(struct page *p)
{
	const char *match = p->asked->match;
	const char *domain = *match ? name_domain(p->pool, match + 1) : NULL;
	const struct kv_row *row;
	struct records_walk w;
	if (*match && !domain)
		return;
	records_walk_init(&w, p->table, p->asked->after, false);
	while ((row = records_walk_next(p->d->records, &w))) {
		if (domain && !name_is_in(row->key, domain) && !span_is(row->key, domain))
			continue;
		if (!add(p, row))
			break;
	}
	records_walk_fini(&w);
}

static void add_one(struct page *p)
{
	const char *match = p->asked->match;
	const char *key = p->table == TABLE_DOMAINS ? name_domain(p->pool, match)
						    : name_parse(p->d, p->pool, match);
	struct kv_row row;
	if (!key || *p->asked->after)
		return;
	row.key = span_of(key);
	if (records_find(p->d->records, p->pool, p->table, key, &row.value))
		add(p, &row);
}

static void list(struct ipc_server_conn *conn, struct ipc_request *rq, const void *body, enum table table)
{
	struct page p = {.d = ipc_conn_arg(conn), .pool = rq->pool, .table = table, .asked = body,
		.entries = ARRAY_IN(rq->pool)};
	if (!*p.asked->match || *p.asked->match == '@')
		add_many(&p);
	else
		add_one(&p);
	struct dir_list_reply reply = {.entries = {p.entries.v, p.entries.n}, .more = p.more};
	ipc_reply(conn, rq, &reply);
}

void list_domains(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list(conn, rq, body, TABLE_DOMAINS);
}

void list_users(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list(conn, rq, body, TABLE_USERS);
}

void list_aliases(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list(conn, rq, body, TABLE_ALIASES);
}
