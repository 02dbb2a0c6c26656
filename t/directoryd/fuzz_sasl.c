/*
 * A client's messages to the server's side of SASL, with libsasl2 behind it. The first octet says whether there is a channel to
 * bind to, the first line names the mechanism, each further line is a message; the second is the initial response unless it is
 * "-". Octet 1 stands for NUL; in a line that begins with octet 2 the nonce that the server gave stands for octet 3. Whatever
 * comes, an exchange ends, and only who knows the password is anybody.
 */
#include <stdlib.h>

#include "base/log.h"
#include "master/directoryd/directoryd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 10

static const char password[] = "secret";
static const char user_name[] = "anna@sandbox.test";

/* --- the rest of directoryd --- */

bool records_user(struct records *r, struct pool *pool, const char *key, struct user_record *user_r)
{
	(void)r;
	if (strcmp(key, user_name) != 0)
		return false;
	*user_r = (struct user_record){.account = "a1",
		.scram256 = scram_write(pool, true, span_of(password), SPAN_LIT("salt"), 1),
		.scram1 = scram_write(pool, false, span_of(password), SPAN_LIT("salt"), 1),
		.crypt = ""};
	return true;
}

bool passwords_check(struct passwords *p, const struct user_record *user, const char *key, const char *given, size_t length)
{
	(void)p;
	if (user && strcmp(key, user_name) != 0)
		log_panic("another user's record");
	return user && span_is(span_make(given, length), password);
}

int passwords_usual_count(struct passwords *p, const char *key, bool sha256)
{
	(void)p;
	(void)key;
	return sha256 ? 4096 : 5000;
}

const char *passwords_fake_scram(struct passwords *p, struct pool *pool, const char *key, bool sha256, int iterations)
{
	(void)p;
	return scram_fake(pool, sha256, SPAN_LIT("secret of this directory"), key, iterations);
}

/* --- one exchange --- */

/* The next line as a message, with the server's nonce where it belongs. */
static bool take_message(struct pool *pool, struct span *rest, struct span answer, struct span *message_r)
{
	struct span line, nonce = span_make("", 0);
	struct str message = STR_IN(pool);
	if (!rest->p || !span_split(rest, '\n', &line))
		return false;
	bool fill = line.n && line.p[0] == 2;
	if (fill && answer.n > 2)
		nonce = span_make(answer.p + 2, span_index(answer, 0, ',') - 2);
	for (size_t i = fill; i < line.n; i++)
		if (fill && line.p[i] == 3)
			str_add_span(&message, nonce);
		else
			str_putc(&message, line.p[i] == 1 ? '\0' : line.p[i]);
	*message_r = str_span(&message);
	if (!message_r->p)
		message_r->p = "";
	return true;
}

static void check_end(struct sasl_exchange *x, struct pool *pool, struct span script)
{
	const char *err = NULL, *user = sasl_exchange_user(x, pool, &err);
	if (!user && !err)
		log_panic("refused without a reason");
	if (user && strcmp(user, user_name) != 0)
		log_panic("%s is nobody", log_q(user));
	if (user && !memmem(script.p, script.n, password, sizeof(password) - 1))
		log_panic("authenticated without a password");
}

static void converse(struct sasl_exchange *x, struct pool *pool, const char *mechanism, struct span rest)
{
	struct span script = rest, message, answer = span_make("", 0);
	bool initial = take_message(pool, &rest, answer, &message) && !span_is(message, "-");
	enum sasl_state state = sasl_exchange_begin(x, mechanism, initial ? &message : NULL, &answer);
	for (int i = 0; state == SASL_STATE_MORE && i < STEPS_MAX; i++) {
		answer = pool_copy(pool, answer);
		if (!take_message(pool, &rest, answer, &message))
			return;
		state = sasl_exchange_step(x, message, &answer);
	}
	if (state == SASL_STATE_DONE)
		check_end(x, pool, script);
	else if (!sasl_exchange_error(x))
		log_panic("refused without a reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct common_conf common = {.hostname = "sandbox.test"};
	static struct service_ctx svc = {.common = &common};
	static struct directoryd d = {.svc = &svc, .default_domain = "sandbox.test"};
	static bool started;
	const char *err;
	if (size < 2)
		return 0;
	if (!started && (log_open("fuzz", "/dev/null", LOG_LEVEL_PANIC, &err) < 0 || sasl_start(&err) < 0))
		abort();
	started = true;
	struct pool *pool = pool_new("fuzz");
	struct dir_binding binding = {"tls-exporter", SPAN_LIT("0123456789abcdef0123456789abcdef")};
	struct sasl_exchange x = {.bindings = {&binding, data[0] & 1}};
	struct span rest = span_make(data + 1, size - 1), line;
	span_split(&rest, '\n', &line);
	const char *mechanism = pool_span(pool, line);
	if (sasl_exchange_init(&x, &d, pool, mechanism, "imap") == 0) {
		converse(&x, pool, mechanism, rest);
		sasl_exchange_fini(&x);
	}
	pool_free(&pool);
	return 0;
}
