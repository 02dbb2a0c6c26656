/* What the fuzzers of the login programs share: sessions up to the hand-over, which fails. The including file has made the
 * program's main program_main. Replies are whole lines without control octets. */
#ifndef T_FUZZ_LOGIN_H
#define T_FUZZ_LOGIN_H

#include <stdlib.h>

#include "t/fuzz/engine.h"

/* Our side of a handshake. */
static bool is_tls_record(struct span rest)
{
	return rest.n > 1 && rest.p[0] >= 20 && rest.p[0] <= 23 && rest.p[1] == 3;
}

static void check_replies(struct span text)
{
	for (size_t i = 1; i < text.n; i++)
		if (text.p[i - 1] == '\n' && is_tls_record(span_make(text.p + i, text.n - i)))
			text.n = i;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n' ? !i || text.p[i - 1] != '\r'
				      : ((unsigned char)text.p[i] < ' ' && text.p[i] != '\r'))
			abort();
	if (!text.n || text.p[text.n - 1] != '\n')
		abort();
}

/* data: first the size of the pieces that arrive, then what the client says. settings: of the program. */
static int fuzz_login(const uint8_t *data, size_t size, const char *settings)
{
	static struct service_ctx *svc;
	if (size < 1)
		return 0;
	if (!svc)
		svc = engine_start(program_main, settings);
	struct str replies = STR_INIT;
	engine_serve(NULL, span_make(data + 1, size - 1), data[0] ? data[0] : 5000, &replies);
	check_replies(str_span(&replies));
	str_fini(&replies);
	return 0;
}

#endif
