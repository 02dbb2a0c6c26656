/*
 * A program without its process frame: lib/service is replaced by this, so that a fuzz entry can hand the program's own
 * serve() one connection after the other, in one process, without sockets of the network, other programs or a sandbox.
 *
 * An entry includes the program's main.c with main renamed:
 *
 *	int program_main(int argc, char **argv);
 *	#define main program_main
 *	#include "smtpd/main.c"
 *	#undef main
 *
 * and calls engine_start(program_main, ...) at its first input.
 */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include "service/service.h"

/* Declares the service with a configuration in a folder of its own, which goes at exit. settings: text of thurn.conf. */
struct service_ctx *engine_start(int (*program)(int argc, char **argv), const char *settings);
/* The folder, where a store may be. */
const char *engine_dir(void);

/* What a client does before its octets count; NULL: nothing. */
typedef void (*engine_before_fn)(int fd);
/* One connection from its first octet to its end: sends bytes in pieces of step, then closes that side; what came back is
 * added to replies. Returns when serve() has. */
void engine_serve(engine_before_fn before, struct span bytes, size_t step, struct str *replies);
/* Two connections at the same time: bytes go to the first up to an ENGINE_SWITCH, then to the other, and so on. */
#define ENGINE_SWITCH ((char)0xf8)
void engine_serve_two(engine_before_fn before, struct span bytes, size_t step, struct str replies[2]);

#endif
