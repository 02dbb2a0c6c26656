/* Whole sessions of imap_login. */
#include "t/fuzz/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int program_main(int argc, char **argv);

#define main program_main
#include "imapd/login/main.c"
#undef main

#include "t/imapd_login/fuzz_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_login(data, size,
		"hostname = sandbox.test\nlog = stderr\n[imap_login]\nplain_without_tls = yes\n"
		"failures_max = 100\n");
}
