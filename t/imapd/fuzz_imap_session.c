/* Whole sessions of imapd, on a store of their own; the first octet is the size of the pieces that arrive. The message of the INBOX
 * has a bit of everything; APPEND brings others. An octet 0xf8 goes on in a second session of the same account, or back in the
 * first, so that each sees what the other has done. */
#include <stdlib.h>

#include "t/fuzz/engine.h"
#include "t/fuzz/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "imapd/main.c"
#undef main

static const char message[] =
	"From: =?utf-8?q?Anna_=C3=84?= <anna@sandbox.test>\r\nTo: g: a@b.test, \"x y\"@c.test;, bert@sandbox.test\r\n"
	"Date: Mon, 01 Jan 2024 10:00:00 +0100\r\nSubject: [x] a\r\n folded one\r\nMessage-ID: <1@sandbox.test>\r\n"
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
	"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHallo W=F6lt=\r\n\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
	"--c\r\n\r\none\r\n--c\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+dHdvPC9iPg==\r\n--c--\r\n"
	"--b--\r\nepilogue\r\n";

/* The first line answers the hand-over; whatever follows, it ends with a line's end unless a literal was cut. */
static void check_replies(struct span text)
{
	if (!span_has_prefix(text, SPAN_LIT("l OK [CAPABILITY ")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service_ctx *svc;
	if (size < 1)
		return 0;
	if (!svc) {
		svc = engine_start(program_main,
			"hostname = sandbox.test\nlog = stderr\nroot = .\nstore_dir = .\ntls_cert =\ntls_key =\n[imapd]\nappend_size_max = 10000\n"
			"literal_max = 1024\n");
		struct imapd *imapd = svc->state;
		store_close(&imapd->store);
	}
	struct imapd *imapd = svc->state;
	struct str replies[2] = {STR_INIT, STR_INIT};
	struct span commands = span_make(data + 1, size - 1);
	bool two = span_index(commands, 0, ENGINE_SWITCH) < commands.n;
	handover_account(&imapd->store, span_make(message, sizeof(message) - 1));
	(two ? engine_serve_two : engine_serve)(handover_send, commands, data[0] ? data[0] : 5000, replies);
	check_replies(str_span(&replies[0]));
	if (two)
		check_replies(str_span(&replies[1]));
	if (!hash_count(imapd->watches)) /* of sessions that were in IDLE: they linger */
		handover_clean(&imapd->store);
	str_fini(&replies[0]);
	str_fini(&replies[1]);
	return 0;
}
