/* Whole sessions of pop3_login up to the hand-over, which fails: the first octet is the size of the pieces that arrive. Replies are
 * whole lines without control octets. */
#include <stdlib.h>

#include "t/fuzz/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "pop3d/login/main.c"
#undef main

static void check_replies(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n' ? !i || text.p[i - 1] != '\r'
				      : ((unsigned char)text.p[i] < ' ' && text.p[i] != '\r'))
			abort();
	if (!text.n || text.p[text.n - 1] != '\n')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service_ctx *svc;
	if (size < 1)
		return 0;
	if (!svc)
		svc = engine_start(program_main,
			"hostname = sandbox.test\nlog = stderr\ntls_cert =\ntls_key =\n[pop3_login]\nplain_without_tls = yes\n"
			"failures_max = 100\n");
	struct str replies = STR_INIT;
	engine_serve(NULL, span_make(data + 1, size - 1), data[0] ? data[0] : 5000, &replies);
	check_replies(str_span(&replies));
	str_fini(&replies);
	return 0;
}
