#include "route/route.h"

#include "base/span.h"

static void refuse(struct route *route, enum route_kind kind, const char *status, const char *text)
{
	route->kind = kind;
	route->status = status;
	route->text = text;
}

/* The first word of the list; the agent tries the others by itself. */
static const char *first_host(struct pool *pool, const char *list)
{
	size_t n = strcspn(list + strspn(list, " ,\t"), " ,\t");
	return pool_strndup(pool, list + strspn(list, " ,\t"), n);
}

static void to_other_host(
	struct pool *pool, const char *domain, const char *smart_host, struct route *route)
{
	const char *host = smart_host ? first_host(pool, smart_host) : "";
	if (!*host && !*domain) {
		refuse(route, ROUTE_REFUSED, "5.1.3", "The address has no domain.");
		return;
	}
	route->kind = ROUTE_REMOTE;
	route->agent = "smtp";
	route->destination = *host ? host : pool_strdup(pool, domain);
}

static void to_account(const struct dir_resolve_reply *reply, struct route *route)
{
	route->kind = ROUTE_LOCAL;
	route->agent = "local";
	route->account = reply->account;
	route->canonical = reply->canonical;
	route->quota_bytes = reply->quota_bytes;
	route->quota_messages = reply->quota_messages;
	route->over_quota = reply->over_quota;
}

static void to_targets(const struct dir_resolve_reply *reply, struct route *route)
{
	if (reply->targets.n > ROUTE_ALIAS_TARGETS_MAX) {
		refuse(route, ROUTE_REFUSED, "5.4.6", "The alias has too many targets.");
		return;
	}
	to_account(reply, route); /* the alias' own, if it names itself */
	route->kind = ROUTE_ALIAS;
	route->agent = "";
	route->over_quota = false;
	route->targets = reply->targets;
}

void route_address(struct ipc_client *directory, struct pool *pool, const char *local,
	const char *domain, const char *smart_host, struct route *route_r)
{
	struct dir_resolve_reply reply = {0};
	*route_r = (struct route){.agent = "",
		.account = "",
		.canonical = "",
		.destination = "",
		.status = "",
		.text = ""};
	directory_resolve(directory, pool, local, domain, &reply);
	switch ((enum directory_status)reply.status) {
	case DIR_NOT_LOCAL:
		to_other_host(pool, domain, smart_host, route_r);
		return;
	case DIR_ACCOUNT:
		to_account(&reply, route_r);
		return;
	case DIR_ALIAS:
		to_targets(&reply, route_r);
		return;
	case DIR_UNKNOWN:
		refuse(route_r, ROUTE_REFUSED, "5.1.1", "There is no such user here.");
		return;
	case DIR_DISABLED:
		refuse(route_r, ROUTE_REFUSED, "5.2.1", "The mailbox is disabled.");
		return;
	case DIR_TEMPFAIL:
		break;
	}
	refuse(route_r, ROUTE_TEMPFAIL, "4.3.0", "The directory can't be asked now.");
}
