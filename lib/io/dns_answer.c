#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/num.h"
#include "io/dns_impl.h"
#include "os/os.h"

#define DNS_TXT_MAX 64

/* Letters, digits, hyphens and underscores between dots: nothing that could do harm in a log, a
 * header or a command. */
bool dns_is_host(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum(name[i]) && !strchr("-_.", name[i]))
			return false;
	return n && n <= DNS_NAME_MAX && name[0] != '.';
}

static const unsigned char *answer_bytes(const struct dns_query *q)
{
	return (const unsigned char *)q->answer.s;
}

/* Waits and hands the answer to parse, which appends its findings to arg. */
static enum dns_status ask_and_parse(struct dns *dns, const char *name, int type, int64_t deadline,
	enum dns_status (*parse)(const struct dns_query *q, void *arg), void *arg)
{
	struct dns_query *q = dns_ask(dns, name, type);
	enum dns_status status = dns_await(q, deadline);
	if (status == DNS_OK)
		status = parse(q, arg);
	dns_query_drop(&q);
	return status;
}

/* --- MX --- */

struct drawn_mx {
	struct dns_mx mx;
	uint32_t lot;
};

struct mx_list {
	struct pool *pool;
	ARRAY(struct drawn_mx) v;
};

static int by_preference(const void *a, const void *b)
{
	const struct drawn_mx *x = a, *y = b;
	if (x->mx.preference != y->mx.preference)
		return x->mx.preference < y->mx.preference ? -1 : 1;
	return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static enum dns_status parse_mx(const struct dns_query *q, void *arg)
{
	struct mx_list *list = arg;
	struct ares_mx_reply *reply = NULL;
	int rc = ares_parse_mx_reply(answer_bytes(q), (int)q->answer.len, &reply);
	for (const struct ares_mx_reply *at = reply; at; at = at->next) {
		bool null_mx = !*at->host || strcmp(at->host, ".") == 0;
		if (!null_mx && !dns_is_host(at->host))
			continue;
		struct drawn_mx *mx = array_add(&list->v);
		mx->mx.host = null_mx ? "" : pool_strdup(list->pool, at->host);
		mx->mx.preference = at->priority;
		os_random(&mx->lot, sizeof(mx->lot));
	}
	if (reply)
		ares_free_data(reply);
	if (rc != ARES_SUCCESS)
		return dns_status_of(rc);
	return list->v.n ? DNS_OK : DNS_TEMPFAIL; /* names that can't be: not for us to bounce on */
}

enum dns_status dns_mx(struct dns *dns, struct pool *pool, const char *domain, int64_t deadline,
	struct dns_mx **mx_r, size_t *n_r)
{
	struct mx_list list = {.pool = pool};
	enum dns_status status = ask_and_parse(dns, domain, ns_t_mx, deadline, parse_mx, &list);
	*n_r = 0;
	*mx_r = NULL;
	if (status == DNS_OK && list.v.n) {
		qsort(list.v.v, list.v.n, sizeof(list.v.v[0]), by_preference);
		*n_r = num_min(list.v.n, DNS_MX_MAX);
		*mx_r = pool_array(pool, *n_r, sizeof(struct dns_mx));
		for (size_t i = 0; i < *n_r; i++)
			(*mx_r)[i] = list.v.v[i].mx;
	}
	array_fini(&list.v);
	return status;
}

/* --- addresses --- */

struct addr_list {
	struct sockaddr_storage *v;
	size_t n;
};

static void add_v4(struct addr_list *list, const void *addr)
{
	struct sockaddr_in *sa = (struct sockaddr_in *)&list->v[list->n++];
	sa->sin_family = AF_INET;
	memcpy(&sa->sin_addr, addr, 4);
}

static void add_v6(struct addr_list *list, const void *addr)
{
	struct sockaddr_in6 *sa = (struct sockaddr_in6 *)&list->v[list->n++];
	sa->sin6_family = AF_INET6;
	memcpy(&sa->sin6_addr, addr, 16);
}

static enum dns_status take_v4(const struct dns_query *q, struct addr_list *list)
{
	struct ares_addrttl found[DNS_ADDR_MAX];
	int n = DNS_ADDR_MAX;
	int rc = ares_parse_a_reply(answer_bytes(q), (int)q->answer.len, NULL, found, &n);
	for (int i = 0; rc == ARES_SUCCESS && i < n && list->n < DNS_ADDR_MAX; i++)
		add_v4(list, &found[i].ipaddr);
	return dns_status_of(rc);
}

static enum dns_status take_v6(const struct dns_query *q, struct addr_list *list)
{
	struct ares_addr6ttl found[DNS_ADDR_MAX];
	int n = DNS_ADDR_MAX;
	int rc = ares_parse_aaaa_reply(answer_bytes(q), (int)q->answer.len, NULL, found, &n);
	for (int i = 0; rc == ARES_SUCCESS && i < n && list->n < DNS_ADDR_MAX; i++)
		add_v6(list, &found[i].ip6addr);
	return dns_status_of(rc);
}

/* Both questions at once. One family's failure does not matter when the other has an address. */
static enum dns_status ask_addresses(
	struct dns *dns, const char *host, int64_t deadline, struct addr_list *list)
{
	struct dns_query *q6 = dns_ask(dns, host, ns_t_aaaa), *q4 = dns_ask(dns, host, ns_t_a);
	enum dns_status s6 = dns_await(q6, deadline), s4 = dns_await(q4, deadline);
	if (s6 == DNS_OK)
		s6 = take_v6(q6, list);
	/* Half of the room stays for IPv4. */
	if (list->n > DNS_ADDR_MAX / 2)
		list->n = DNS_ADDR_MAX / 2;
	if (s4 == DNS_OK)
		s4 = take_v4(q4, list);
	dns_query_drop(&q6);
	dns_query_drop(&q4);
	if (list->n)
		return DNS_OK;
	return s6 == DNS_NONE && s4 == DNS_NONE ? DNS_NONE : DNS_TEMPFAIL;
}

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET6)
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)sa)->sin_port = htons(port);
}

enum dns_status dns_addr(struct dns *dns, struct pool *pool, const char *host, uint16_t port,
	int64_t deadline, struct sockaddr_storage **addr_r, size_t *n_r)
{
	struct addr_list list = {.v = pool_array(pool, DNS_ADDR_MAX, sizeof(**addr_r))};
	enum dns_status status = DNS_OK;
	uint8_t literal[16];
	if (inet_pton(AF_INET, host, literal) == 1)
		add_v4(&list, literal);
	else if (inet_pton(AF_INET6, host, literal) == 1)
		add_v6(&list, literal);
	if (!list.n) {
		dns_hosts_file(dns, host, AF_INET6, list.v, &list.n);
		dns_hosts_file(dns, host, AF_INET, list.v, &list.n);
	}
	if (!list.n)
		status = ask_addresses(dns, host, deadline, &list);
	for (size_t i = 0; i < list.n; i++)
		set_port(&list.v[i], port);
	*addr_r = list.v;
	*n_r = list.n;
	return status;
}

/* --- PTR --- */

static void put_reverse_name(struct str *out, const struct sockaddr *addr)
{
	const uint8_t *v4 = NULL;
	if (addr->sa_family == AF_INET) {
		v4 = (const uint8_t *)&((const struct sockaddr_in *)addr)->sin_addr;
	} else if (addr->sa_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(v6))
			v4 = v6->s6_addr + 12;
		for (int i = 15; !v4 && i >= 0; i--)
			str_printf(out, "%x.%x.", v6->s6_addr[i] & 15, v6->s6_addr[i] >> 4);
		if (!v4)
			str_puts(out, "ip6.arpa");
	}
	if (v4)
		str_printf(out, "%u.%u.%u.%u.in-addr.arpa", v4[3], v4[2], v4[1], v4[0]);
}

struct ptr_name {
	struct pool *pool;
	const char *name;
};

static enum dns_status parse_ptr(const struct dns_query *q, void *arg)
{
	struct ptr_name *ptr = arg;
	struct hostent *entry = NULL;
	int rc =
		ares_parse_ptr_reply(answer_bytes(q), (int)q->answer.len, NULL, 0, AF_INET, &entry);
	if (rc != ARES_SUCCESS)
		return dns_status_of(rc);
	if (entry->h_name && dns_is_host(entry->h_name))
		ptr->name = pool_strdup(ptr->pool, entry->h_name);
	ares_free_hostent(entry);
	return ptr->name ? DNS_OK : DNS_NONE;
}

enum dns_status dns_ptr(struct dns *dns, struct pool *pool, const struct sockaddr *addr,
	int64_t deadline, const char **name_r)
{
	struct ptr_name ptr = {.pool = pool};
	struct str name = STR_INIT;
	put_reverse_name(&name, addr);
	enum dns_status status =
		ask_and_parse(dns, str_c(&name), ns_t_ptr, deadline, parse_ptr, &ptr);
	str_fini(&name);
	*name_r = ptr.name;
	return status;
}

/* --- TXT --- */

struct txt_list {
	struct pool *pool;
	ARRAY(const char *) v;
};

static enum dns_status parse_txt(const struct dns_query *q, void *arg)
{
	struct txt_list *list = arg;
	struct ares_txt_ext *reply = NULL;
	struct str text = STR_INIT;
	int rc = ares_parse_txt_reply_ext(answer_bytes(q), (int)q->answer.len, &reply);
	/* The strings of one record belong together (RFC 7208, 3.3). */
	for (const struct ares_txt_ext *at = reply; at; at = at->next) {
		str_add(&text, at->txt, at->length);
		if ((at->next && !at->next->record_start) || list->v.n >= DNS_TXT_MAX)
			continue;
		*array_add(&list->v) = pool_span(list->pool, str_span(&text));
		str_reset(&text);
	}
	str_fini(&text);
	if (reply)
		ares_free_data(reply);
	return dns_status_of(rc);
}

enum dns_status dns_txt(struct dns *dns, struct pool *pool, const char *name, int64_t deadline,
	const char ***txt_r, size_t *n_r)
{
	struct txt_list list = {.pool = pool, .v = ARRAY_IN(pool)};
	enum dns_status status = ask_and_parse(dns, name, ns_t_txt, deadline, parse_txt, &list);
	*txt_r = list.v.v;
	*n_r = list.v.n;
	return status;
}
