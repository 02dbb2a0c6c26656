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

int smtp_agent_new(struct pool *pool, const struct smtp_conf *conf, const char *hostname,
	const char *dns_servers, const char *tls_ca, struct smtp_agent **agent_r,
	const char **err_r)
{
	struct smtp_agent *agent = mem_new(struct smtp_agent);
	const char *ca = *tls_ca ? tls_ca : NULL;
	agent->conf = conf;
	agent->hostname = hostname;
	agent->helo = *conf->helo_name ? conf->helo_name : hostname;
	list_init(&agent->idle);
	agent->dns = dns_new(dns_servers, true, err_r);
	if (!agent->dns || tls_client_new(false, ca, &agent->tls_any, err_r) < 0 ||
		tls_client_new(true, ca, &agent->tls_checked, err_r) < 0 ||
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
	tls_free(&(*agent)->tls_any);
	tls_free(&(*agent)->tls_checked);
	mem_free(agent);
}
