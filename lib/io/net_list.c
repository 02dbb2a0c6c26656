#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/array.h"
#include "base/num.h"
#include "io/net.h"

/* All as IPv6, IPv4 mapped: one comparison. */
struct network {
	uint8_t addr[16];
	unsigned bits;
};

struct net_list {
	ARRAY(struct network) nets;
};

static void map_v4(const void *v4, uint8_t out[16])
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

static bool has_bits_below(const struct network *net)
{
	for (unsigned bit = net->bits; bit < 128; bit++)
		if (net->addr[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* "[::1]/128", "::1/128", "10.0.0.0/8", or without length: one host. */
static const char *parse_network(struct span word, struct network *net)
{
	char host[INET6_ADDRSTRLEN];
	size_t slash = span_index(word, 0, '/');
	struct span name = span_make(word.p, slash);
	if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = span_make(name.p + 1, name.n - 2);
	if (name.n >= sizeof(host))
		return "A network is not an address.";
	memcpy(host, name.p, name.n);
	host[name.n] = '\0';
	uint8_t v4[4];
	bool is_v4 = inet_pton(AF_INET, host, v4) == 1;
	if (is_v4)
		map_v4(v4, net->addr);
	else if (inet_pton(AF_INET6, host, net->addr) != 1)
		return "A network is not an address.";
	uint32_t bits = is_v4 ? 32 : 128;
	if (slash < word.n &&
		!num_parse_u32(span_make(word.p + slash + 1, word.n - slash - 1), bits, &bits))
		return "The length after the / of a network is not a number within its family's.";
	net->bits = bits + (is_v4 ? 96 : 0);
	return has_bits_below(net) ? "A network has bits set beyond its length." : NULL;
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

int net_list_parse(
	struct pool *pool, const char *text, struct net_list **list_r, const char **err_r)
{
	struct net_list *list = pool_new_of(pool, struct net_list);
	list->nets.pool = pool;
	for (const char *p = text; *p;) {
		const char *start = p;
		while (*p && !is_separator(*p))
			p++;
		if (p > start) {
			*err_r = parse_network(
				span_make(start, (size_t)(p - start)), array_add(&list->nets));
			if (*err_r)
				return -1;
		} else {
			p++;
		}
	}
	*list_r = list;
	return 0;
}

static bool matches(const struct network *net, const uint8_t addr[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	if (memcmp(net->addr, addr, whole) != 0)
		return false;
	return !rest || (net->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

bool net_list_has(const struct net_list *list, const struct sockaddr *sa)
{
	uint8_t addr[16];
	if (sa->sa_family == AF_INET)
		map_v4(&((const struct sockaddr_in *)sa)->sin_addr, addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(addr, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	else
		return false;
	for (size_t i = 0; i < list->nets.n; i++)
		if (matches(&list->nets.v[i], addr))
			return true;
	return false;
}
