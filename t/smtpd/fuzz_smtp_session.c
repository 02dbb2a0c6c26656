/*
 * Whole sessions of smtpd: the first octet chooses the mode, the second the size of the pieces that arrive. Whatever is said,
 * replies are whole lines of a code and text without control octets; what is accepted has envelope addresses, trace fields
 * and text that no later program could take for something else.
 */
#include <stdlib.h>

#include "t/fuzz/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "smtpd/main.c"
#undef main

/* --- the queue and the directory --- */

struct submission {
	struct str text;
};

struct submitter *submitter_new(const struct submitter_conf *conf)
{
	(void)conf;
	return NULL;
}

void submitter_free(struct submitter **s)
{
	*s = NULL;
}

enum submit_status submitter_may_accept(struct submitter *s, uint64_t size)
{
	(void)s;
	return size == 4444 ? SUBMIT_DISK_FULL : size == 4445 ? SUBMIT_FAILED : SUBMIT_OK;
}

struct submission *submission_new(struct submitter *s)
{
	(void)s;
	return mem_new(struct submission);
}

int submission_write(struct submission *m, const void *p, size_t n)
{
	str_add(&m->text, p, n);
	return 0;
}

uint64_t submission_size(const struct submission *m)
{
	return m->text.len;
}

struct span submission_head(const struct submission *m)
{
	return str_span(&m->text);
}

void submission_abort(struct submission **m)
{
	if (!*m)
		return;
	str_fini(&(*m)->text);
	mem_free(m);
}

static void no_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			abort();
}

/* One @ outside quotes at most, and nothing that could end a path. */
static void safe_address(const char *text)
{
	bool quoted = false;
	no_controls(text);
	for (; *text; text++) {
		if (*text == '\\' && quoted && text[1])
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (!quoted && strchr("<> ,;()", *text))
			abort();
	}
	if (quoted)
		abort();
}

/* By BDAT the last line may lack its end. */
static void whole_lines(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		bool after_cr = i && text.p[i - 1] == '\r';
		if (!text.p[i] || (text.p[i] == '\n') != after_cr)
			abort();
	}
	if (text.n && text.p[text.n - 1] == '\r')
		abort();
}

static void trace_fields(struct span prefix)
{
	whole_lines(prefix);
	if (!prefix.n || prefix.p[prefix.n - 1] != '\n')
		abort();
	for (size_t at = 0; at < prefix.n;) {
		size_t end = span_index(prefix, at, '\r'), colon = span_index(prefix, at, ':');
		if (prefix.p[at] != '\t' && prefix.p[at] != ' ' && colon > end)
			abort();
		for (; at < end; at++)
			if ((unsigned char)prefix.p[at] < ' ' && prefix.p[at] != '\t')
				abort();
		at += 2;
	}
}

enum submit_status submission_commit(
	struct submission **m, const struct envelope *env, struct span prefix, const char **err_r)
{
	if (!env->nrecipient)
		abort();
	safe_address(env->sender);
	no_controls(env->helo);
	no_controls(env->envid ? env->envid : "");
	for (size_t i = 0; i < env->nrecipient; i++) {
		safe_address(env->recipients[i].address);
		no_controls(env->recipients[i].orcpt ? env->recipients[i].orcpt : "");
	}
	trace_fields(prefix);
	whole_lines(str_span(&(*m)->text));
	submission_abort(m);
	*err_r = "The disk is said to be full.";
	return strncmp(env->sender, "full", 4) == 0    ? SUBMIT_DISK_FULL
		: strncmp(env->sender, "fails", 5) == 0 ? SUBMIT_FAILED
							: SUBMIT_OK;
}

int directory_may_send(struct ipc_client *c, struct pool *pool, const char *user, const char *sender)
{
	(void)c;
	(void)pool;
	(void)user;
	return sender[0] == 'y' ? -1 : sender[0] != 'x';
}

/* Nobody comes with a ticket. */
bool auth_redeem(struct ipc_client *c, struct pool *pool, struct span ticket, const char *service,
	struct dir_redeem_reply *reply_r)
{
	(void)c;
	(void)pool;
	(void)ticket;
	(void)service;
	(void)reply_r;
	return false;
}

static const struct {
	const char *local;
	struct route route;
} routes[] = {
	{"unknown", {.kind = ROUTE_REFUSED, .status = "5.1.1", .text = "User unknown"}},
	{"later", {.kind = ROUTE_TEMPFAIL, .status = "4.3.0", .text = "Not now"}},
	{"list", {.kind = ROUTE_ALIAS}},
	{"full", {.kind = ROUTE_LOCAL, .over_quota = true}},
	{"tiny", {.kind = ROUTE_LOCAL, .quota_bytes = 1000}},
};

void route_address(struct ipc_client *directory, struct pool *pool, const char *local,
	const char *domain, const char *smart_host, struct route *route_r)
{
	(void)directory;
	(void)smart_host;
	*route_r = (struct route){.kind = strcmp(domain, "elsewhere.test") == 0 ? ROUTE_REMOTE : ROUTE_LOCAL};
	for (size_t i = 0; i < COUNT_OF(routes); i++)
		if (strcmp(local, routes[i].local) == 0)
			*route_r = routes[i].route;
	route_r->destination = "";
	route_r->account = "a1";
	route_r->canonical = *domain ? pool_printf(pool, "canonical@%s", "sandbox.test") : "anna@sandbox.test";
}

/* --- replies --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Our side of a handshake. */
static bool is_tls_record(struct span rest)
{
	return rest.n > 1 && rest.p[0] >= 20 && rest.p[0] <= 23 && rest.p[1] == 3;
}

static void check_replies(struct span rest)
{
	while (rest.n && !is_tls_record(rest)) {
		size_t end = span_index(rest, 0, '\n');
		if (end == rest.n || end < 4 || rest.p[end - 1] != '\r' || rest.p[0] < '2' || rest.p[0] > '5' ||
			!is_digit(rest.p[1]) || !is_digit(rest.p[2]) || (rest.p[3] != ' ' && rest.p[3] != '-'))
			abort();
		if (end > 512 && rest.p[0] != '3')
			abort();
		for (size_t i = 0; i + 1 < end; i++)
			if ((unsigned char)rest.p[i] < ' ' || rest.p[i] == 127)
				abort();
		rest = span_make(rest.p + end + 1, rest.n - end - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"smtp", "submission", "lmtp", "local"};
	static struct service_ctx *svc;
	if (size < 2)
		return 0;
	if (!svc)
		svc = engine_start(program_main,
			"hostname = sandbox.test\nlog = stderr\nnetworks = 192.0.2.1\nmessage_size_limit = 64k\n"
			"[smtpd]\nreverse_lookup = no\nauth_plain_without_tls = yes\n"
			"errors_max = 10000\nrecipients_max = 100\nmessages_max = 20\n");
	struct smtpd *d = svc->state;
	struct str replies = STR_INIT;
	d->mode = mode_find(names[data[0] % 4]);
	engine_serve(NULL, span_make(data + 2, size - 2), data[1] ? data[1] : 5000, &replies);
	check_replies(str_span(&replies));
	str_fini(&replies);
	return 0;
}
