/* Addresses and lists of networks from any text: what is taken prints and parses as the same. */
#include <netinet/in.h>
#include <stdlib.h>

#include "io/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text)
{
	struct net_addr addr, again;
	struct str back = STR_INIT;
	const char *err;
	const struct sockaddr *sa = (const struct sockaddr *)&addr.sa;
	if (net_parse(text, &addr, &err) != 0 || sa->sa_family == AF_UNIX)
		return;
	str_putc(&back, '[');
	net_put_host(&back, sa);
	str_printf(&back, "]:%d", net_port(sa));
	bool v4 = span_index(str_span(&back), 0, '.') < span_index(str_span(&back), 0, ':');
	if (!v4 && (net_parse(str_c(&back), &again, &err) != 0 ||
			   memcmp(&addr.sa, &again.sa, sizeof(addr.sa)) != 0))
		abort();
	str_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	const char *text = pool_span(pool, span_make(data, size)), *err = NULL;
	struct net_list *list;
	struct sockaddr_in6 some = {.sin6_family = AF_INET6};
	check_address(text);
	if (net_list_parse(pool, text, &list, &err) == 0)
		net_list_has(list, (const struct sockaddr *)&some);
	else if (!err)
		abort();
	pool_free(&pool);
	return 0;
}
