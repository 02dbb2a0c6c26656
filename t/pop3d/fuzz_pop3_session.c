/* Whole sessions of pop3d, on a store of their own; the first octet is the size of the pieces that arrive, the second the length of
 * the message: what follows, and behind it the commands. */
#include <stdlib.h>

#include "t/fuzz/engine.h"
#include "t/fuzz/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "pop3d/main.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service_ctx *svc;
	if (size < 2 || size - 2 < data[1])
		return 0;
	if (!svc) {
		svc = engine_start(program_main,
			"hostname = sandbox.test\nlog = stderr\nroot = .\nstore_dir = .\ntls_cert =\ntls_key =\n");
		struct pop3d *daemon = svc->state;
		store_close(&daemon->store);
	}
	struct pop3d *daemon = svc->state;
	struct str replies = STR_INIT;
	handover_account(&daemon->store, span_make(data + 2, data[1]));
	engine_serve(handover_send, span_make(data + 2 + data[1], size - 2 - data[1]), data[0] ? data[0] : 5000, &replies);
	if (!span_has_prefix(str_span(&replies), SPAN_LIT("+OK 1 messages\r\n")))
		abort();
	handover_clean(&daemon->store);
	str_fini(&replies);
	return 0;
}
