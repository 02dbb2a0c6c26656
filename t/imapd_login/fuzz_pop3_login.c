/* Whole sessions of pop3_login. */
#include "t/fuzz/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "pop3d/login/main.c"
#undef main

#include "t/imapd_login/fuzz_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_login(data, size,
		"hostname = sandbox.test\nlog = stderr\n[pop3_login]\nplain_without_tls = yes\n"
		"failures_max = 100\n");
}
