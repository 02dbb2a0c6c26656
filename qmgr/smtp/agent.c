/* What all deliveries of this process share. */
#include "io/net.h"
#include "qmgr/smtp/smtp.h"

static int set_bind_address(struct smtp_agent *agent, struct pool *pool, const char **err_r)
{
	struct net_addr addr;
	const char *text = agent->conf->bind_address;
	if (!*text)
		return 0;
	text = pool_printf(pool, strchr(text, ':') && *text != '[' ? "[%s]:0" : "%s:0", text);
	if (net_parse(text, &addr, err_r) < 0)
		return -1;
	agent->bind_to = addr.sa;
	agent->bind_len = addr.len;
	return 0;
}

/* Megabytes for who sends without TLS or not at all. A list of one's own is read now, while root can; the system's
 * when it is needed, which anybody can. */
static int load_tls(struct smtp_agent *agent, const char *ca, const char **err_r)
{
	return tls_client_new(agent->tls_required, ca, &agent->tls, err_r);
}

struct tls_context *smtp_agent_tls(struct smtp_agent *agent, const char **err_r)
{
	return agent->tls || load_tls(agent, NULL, err_r) == 0 ? agent->tls : NULL;
}

int smtp_agent_new(struct pool *pool, const struct smtp_conf *conf, const char *hostname,
	const char *dns_servers, const char *tls_ca, struct smtp_agent **agent_r,
	const char **err_r)
{
	struct smtp_agent *agent = mem_new(struct smtp_agent);
	agent->conf = conf;
	agent->hostname = hostname;
	agent->helo = *conf->helo_name ? conf->helo_name : hostname;
	agent->tls_required = strcmp(conf->tls, "require") == 0;
	list_init(&agent->idle);
	agent->dns = dns_new(dns_servers, true, err_r);
	if (!agent->dns || (*tls_ca && load_tls(agent, tls_ca, err_r) < 0) ||
		set_bind_address(agent, pool, err_r) < 0) {
		smtp_agent_free(&agent);
		return -1;
	}
	*agent_r = agent;
	return 0;
}

void smtp_agent_free(struct smtp_agent **agent)
{
	if (!*agent)
		return;
	idle_close_all(*agent);
	dns_free(&(*agent)->dns);
	tls_free(&(*agent)->tls);
	mem_free(agent);
}
