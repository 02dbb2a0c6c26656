/* TLS under the stream: the same bytes, verified peers, no injected plain text, sentences for
 * failures. */
#include <openssl/ssl.h>

#include "certificate.h"
#include "io/stream_impl.h"
#include "t/lib/io/test.h"
#include "tls/tls.h"
#include "tls/tls_impl.h"

static struct certificate good, expired;

struct side {
	int fd;
	struct stream *s;
	struct tls_context *ctx;
	const char *host;
	int rc;
	char error[300];
	void (*talk)(struct stream *s);
};

static void run_side(void *arg)
{
	struct side *side = arg;
	const char *err = "";
	side->s = stream_new(side->fd);
	stream_set_timeout(side->s, 5000);
	side->rc = tls_start(side->s, side->ctx, side->host, &err);
	snprintf(side->error, sizeof(side->error), "%s", err);
	if (side->rc == 0 && side->talk)
		side->talk(side->s);
}

static void finish(struct side sides[2])
{
	for (int i = 0; i < 2; i++) {
		stream_close(&sides[i].s);
		tls_free(&sides[i].ctx);
	}
}

/* Both handshake; the streams stay open for finish. */
static void converse(struct side sides[2])
{
	int sv[2];
	make_pair(sv);
	for (int i = 0; i < 2; i++) {
		sides[i].fd = sv[i];
		fiber_start(i ? "client" : "server", run_side, &sides[i]);
	}
	run_fibers();
}

static struct tls_context *server_context(const struct certificate *c)
{
	struct tls_context *ctx = NULL;
	const char *err = "";
	if (tls_server_new(c->cert, c->key, &ctx, &err) != 0)
		fail_msg("%s", err);
	return ctx;
}

static struct tls_context *client_context(bool verify, const struct certificate *authority)
{
	struct tls_context *ctx = NULL;
	const char *err = "";
	if (tls_client_new(verify, authority ? authority->cert : NULL, &ctx, &err) != 0)
		fail_msg("%s", err);
	return ctx;
}

enum { BULK = 500000 };

static void send_bulk(struct stream *s)
{
	uint8_t *block = malloc(BULK);
	struct span line;
	for (size_t i = 0; i < BULK; i++)
		block[i] = (uint8_t)(i * 7);
	stream_write(s, block, BULK);
	stream_puts(s, "\r\nthe end\r\n");
	stream_flush(s);
	free(block);
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
	assert_int_equal(line.n, 2);
	stream_shut_output(s);
}

static void receive_bulk(struct stream *s)
{
	uint8_t *block = malloc(BULK);
	struct span line;
	assert_true(stream_read_exact(s, block, BULK));
	for (size_t i = 0; i < BULK; i++)
		assert_int_equal(block[i], (uint8_t)(i * 7));
	free(block);
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
	assert_memory_equal(line.p, "the end", 7);
	stream_puts(s, "ok\r\n");
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 0);
	assert_int_equal(stream_state(s), STREAM_EOF);
}

static void bytes_and_what_was_agreed(void **state)
{
	(void)state;
	struct side sides[2] = {
		{.ctx = server_context(&good), .talk = receive_bulk},
		{.ctx = client_context(true, &good), .host = "mx.sandbox.test", .talk = send_bulk},
	};
	struct tls_info server, client;
	struct str a = STR_INIT, b = STR_INIT;
	converse(sides);
	assert_int_equal(sides[0].rc, 0);
	assert_int_equal(sides[1].rc, 0);
	tls_get_info(sides[0].s, &server);
	tls_get_info(sides[1].s, &client);
	assert_true(stream_is_tls(sides[0].s));
	assert_string_equal(server.protocol, "TLSv1.3");
	assert_string_equal(server.cipher, client.cipher);
	assert_in_range(server.bits, 128, 256);
	assert_string_equal(server.sni, "mx.sandbox.test");
	assert_true(client.verified);
	assert_false(server.verified);
	const char *const types[] = {"tls-exporter", "tls-server-end-point"};
	for (int i = 0; i < 2; i++) {
		str_reset(&a);
		str_reset(&b);
		assert_true(stream_channel_binding(sides[0].s, types[i], &a));
		assert_true(stream_channel_binding(sides[1].s, types[i], &b));
		assert_int_equal(a.len, 32);
		assert_true(span_eq(str_span(&a), str_span(&b)));
	}
	assert_false(stream_channel_binding(sides[0].s, "tls-unique", &a)); /* not with TLS 1.3 */
	assert_false(stream_channel_binding(sides[0].s, "tls-other", &a));
	str_fini(&a);
	str_fini(&b);
	finish(sides);
}

static void tls_1_2_has_tls_unique(void **state)
{
	(void)state;
	struct side sides[2] = {
		{.ctx = server_context(&good)},
		{.ctx = client_context(true, &good), .host = "127.0.0.1"},
	};
	struct str a = STR_INIT, b = STR_INIT;
	SSL_CTX_set_max_proto_version(sides[0].ctx->ctx, TLS1_2_VERSION);
	converse(sides);
	assert_int_equal(sides[1].rc, 0);
	assert_true(stream_channel_binding(sides[0].s, "tls-unique", &a));
	assert_true(stream_channel_binding(sides[1].s, "tls-unique", &b));
	assert_true(a.len >= 12 && span_eq(str_span(&a), str_span(&b)));
	/* In a full handshake the client's Finished is the first. */
	char first[64];
	assert_int_equal(SSL_get_finished(tls_of(sides[1].s), first, sizeof(first)), a.len);
	assert_memory_equal(a.s, first, a.len);
	str_fini(&a);
	str_fini(&b);
	finish(sides);
}

static void old_versions_are_refused(void **state)
{
	(void)state;
	struct side sides[2] = {
		{.ctx = server_context(&good)},
		{.ctx = client_context(false, NULL), .host = "mx.sandbox.test"},
	};
	SSL_CTX_set_security_level(sides[1].ctx->ctx, 0);
	SSL_CTX_set_min_proto_version(sides[1].ctx->ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(sides[1].ctx->ctx, TLS1_1_VERSION);
	converse(sides);
	assert_int_equal(sides[0].rc, -1);
	assert_int_equal(sides[1].rc, -1);
	finish(sides);
}

static void certificates_are_judged(void **state)
{
	(void)state;
	const struct {
		const struct certificate *server;
		const char *host;
		bool trusted, verify;
		int rc;
		const char *says;
	} rows[] = {
		{&good, "mx.sandbox.test", true, true, 0, ""},
		{&good, "127.0.0.1", true, true, 0, ""},
		{&good, "127.0.0.2", true, true, -1, "IP address mismatch"},
		{&good, "other.sandbox.test", true, true, -1, "hostname mismatch"},
		{&good, "mx.sandbox.test", false, true, -1, "self-signed certificate"},
		{&expired, "mx.sandbox.test", true, true, -1, "certificate has expired"},
		{&expired, "mx.sandbox.test", true, false, 0, ""},
		{&good, "other.sandbox.test", true, false, 0, ""},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct side sides[2] = {
			{.ctx = server_context(rows[i].server)},
			{.ctx = client_context(
				 rows[i].verify, rows[i].trusted ? rows[i].server : NULL),
				.host = rows[i].host},
		};
		struct tls_info info;
		converse(sides);
		assert_int_equal(sides[1].rc, rows[i].rc);
		assert_non_null(strstr(sides[1].error, rows[i].says));
		tls_get_info(sides[1].s, &info);
		if (rows[i].rc == 0)
			assert_int_equal(info.verified, rows[i].verify);
		finish(sides);
	}
}

static void injected_plain_text_is_refused(void **state)
{
	(void)state;
	int sv[2];
	struct span line;
	const char *err = "";
	struct tls_context *ctx = server_context(&good);
	make_pair(sv);
	struct stream *s = stream_new(sv[0]);
	assert_int_equal(write(sv[1], "STARTTLS\r\nRSET\r\n", 16), 16);
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
	assert_int_equal(tls_start(s, ctx, NULL, &err), -1);
	assert_string_equal(err, "The peer sent plain text behind the start of TLS.");
	assert_int_equal(stream_state(s), STREAM_ERROR);
	stream_close(&s);
	close(sv[1]);
	tls_free(&ctx);
}

static void handshakes_end_in_time_and_with_garbage(void **state)
{
	(void)state;
	struct tls_context *ctx = server_context(&good);
	const char *err = "";
	for (int garbage = 0; garbage < 2; garbage++) {
		int sv[2];
		make_pair(sv);
		struct stream *s = stream_new(sv[0]);
		stream_set_timeout(s, 30);
		if (garbage)
			assert_int_equal(write(sv[1], "GET / HTTP/1.0\r\n\r\n", 18), 18);
		assert_int_equal(tls_start(s, ctx, NULL, &err), -1);
		assert_int_equal(stream_state(s), garbage ? STREAM_ERROR : STREAM_TIMEOUT);
		if (garbage)
			assert_string_equal(err, "The TLS handshake failed: http request.");
		stream_close(&s);
		close(sv[1]);
	}
	tls_free(&ctx);
}

static void cut(struct stream *s)
{
	shutdown(stream_fd(s), SHUT_RDWR);
}

static void read_to_end(struct stream *s)
{
	char byte;
	assert_int_equal(stream_read_some(s, &byte, 1), -1);
	assert_string_equal(stream_error(s), "The peer closed the connection without ending TLS.");
}

static void a_cut_is_not_an_end(void **state)
{
	(void)state;
	struct side sides[2] = {
		{.ctx = server_context(&good), .talk = cut},
		{.ctx = client_context(false, NULL), .host = "x.test", .talk = read_to_end},
	};
	converse(sides);
	finish(sides);
}

/* --- peers that say much of TLS and nothing else --- */

enum { ENOUGH = 10000 };

static bool send_message(struct stream *s)
{
	int rc;
	while ((rc = SSL_do_handshake(tls_of(s))) != 1)
		if (SSL_get_error(tls_of(s), rc) != SSL_ERROR_WANT_WRITE || !stream_wait(s, LOOP_WRITE))
			return false;
	return true;
}

/* Until the other side has had enough: how often. */
static int message_without_end(struct stream *s, int (*prepare)(SSL *))
{
	int n = 0;
	while (n < ENOUGH && prepare(tls_of(s)) == 1 && send_message(s))
		n++;
	return n;
}

static int update_keys(SSL *ssl)
{
	return SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

static int update_all_keys(SSL *ssl)
{
	return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
}

static void updates(struct stream *s)
{
	assert_in_range(message_without_end(s, update_keys), 33, ENOUGH - 1);
}

static void updates_to_be_answered(struct stream *s)
{
	assert_in_range(message_without_end(s, update_all_keys), 33, ENOUGH - 1);
}

static void tickets(struct stream *s)
{
	/* OpenSSL does not mind when nobody takes them. */
	assert_true(message_without_end(s, SSL_new_session_ticket) > 100);
}

static void listen_in_vain(struct stream *s)
{
	struct span line;
	assert_int_equal(stream_read_line(s, 100, &line, NULL), -1);
	assert_string_equal(stream_error(s), "The peer keeps TLS busy without saying anything.");
	shutdown(stream_fd(s), SHUT_RDWR);
}

static void messages_without_end_end_the_connection(void **state)
{
	static const struct {
		void (*server)(struct stream *), (*client)(struct stream *);
	} rows[] = {
		{listen_in_vain, updates},
		{listen_in_vain, updates_to_be_answered},
		{updates, listen_in_vain},
		{tickets, listen_in_vain},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct side sides[2] = {
			{.ctx = server_context(&good), .talk = rows[i].server},
			{.ctx = client_context(false, NULL), .talk = rows[i].client},
		};
		converse(sides);
		assert_int_equal(sides[0].rc, 0);
		finish(sides);
	}
}

/* As often as they like, when there is something between them. */
static void update_now_and_then(struct stream *s)
{
	char block[65536] = {0};
	for (int i = 0; i < 100; i++) {
		assert_int_equal(SSL_key_update(tls_of(s), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		stream_write(s, block, sizeof(block));
		assert_int_equal(stream_flush(s), 0);
	}
	stream_puts(s, "\r\n");
	assert_int_equal(stream_flush(s), 0);
}

static void read_all_of_it(struct stream *s)
{
	char block[65536];
	struct span line;
	for (int i = 0; i < 100; i++)
		assert_true(stream_read_exact(s, block, sizeof(block)));
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
}

static void keys_may_change(void **state)
{
	struct side sides[2] = {
		{.ctx = server_context(&good), .talk = read_all_of_it},
		{.ctx = client_context(false, NULL), .talk = update_now_and_then},
	};
	(void)state;
	converse(sides);
	assert_int_equal(sides[0].rc, 0);
	finish(sides);
}

static void a_context_outlives_its_owner(void **state)
{
	(void)state;
	struct side sides[2] = {
		{.ctx = server_context(&good)},
		{.ctx = client_context(false, NULL)},
	};
	converse(sides);
	for (int i = 0; i < 2; i++)
		tls_free(&sides[i].ctx); /* as a reload would */
	stream_puts(sides[0].s, "still here\r\n");
	assert_int_equal(stream_flush(sides[0].s), 0);
	struct span line;
	assert_int_equal(stream_read_line(sides[1].s, 100, &line, NULL), 1);
	assert_false(stream_has_input(sides[1].s));
	stream_puts(sides[0].s, "a\r\n");
	stream_flush(sides[0].s);
	stream_puts(sides[0].s, "b\r\n");
	stream_flush(sides[0].s);
	assert_int_equal(stream_read_line(sides[1].s, 100, &line, NULL), 1);
	assert_true(stream_has_input(sides[1].s)); /* read with the first record, or decrypted */
	finish(sides);
}

static void missing_and_wrong_files_are_told(void **state)
{
	(void)state;
	struct tls_context *ctx;
	const char *err = NULL;
	assert_int_equal(tls_server_new("/nowhere/cert", good.key, &ctx, &err), -1);
	assert_string_equal(err, "The certificate /nowhere/cert can't be used: No such file or directory.");
	assert_int_equal(tls_server_new(good.cert, "/nowhere/key", &ctx, &err), -1);
	assert_string_equal(err, "The key /nowhere/key can't be used: No such file or directory.");
	assert_int_equal(tls_server_new(good.cert, expired.key, &ctx, &err), -1);
	assert_non_null(strstr(err, "mismatch"));
	assert_int_equal(tls_client_new(true, "/nowhere/ca", &ctx, &err), -1);
	tls_preload();
}

static int set_up(void **state)
{
	(void)state;
	certificate_make(&good, "mx.sandbox.test", 10);
	certificate_make(&expired, "mx.sandbox.test", -1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	certificate_remove(&good);
	certificate_remove(&expired);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_what_was_agreed),
		cmocka_unit_test(tls_1_2_has_tls_unique),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(certificates_are_judged),
		cmocka_unit_test(injected_plain_text_is_refused),
		cmocka_unit_test(handshakes_end_in_time_and_with_garbage),
		cmocka_unit_test(a_cut_is_not_an_end),
		cmocka_unit_test(messages_without_end_end_the_connection),
		cmocka_unit_test(keys_may_change),
		cmocka_unit_test(a_context_outlives_its_owner),
		cmocka_unit_test(missing_and_wrong_files_are_told),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
