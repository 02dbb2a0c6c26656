#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char path[] = "/tmp/thurn-log-XXXXXX";

static void read_log(char *out, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(fd);
}

static void lines_carry_level_and_context(void **state)
{
	char text[65536];
	const char *err;
	struct log_context ctx = {.session = "S1", .trace = "T1", .user = "a b"};
	(void)state;
	close(mkstemp(path));
	assert_int_equal(log_open("test", path, LOG_LEVEL_INFO, &err), 0);
	assert_null(log_context_swap(&ctx));
	log_debug("not shown");
	log_info("from=%s", log_q("x\r\ny z"));
	assert_ptr_equal(log_context_swap(NULL), &ctx);
	log_error("two\nlines");
	struct log_context odd = {.session = "S\n2026-11-23 forged", .user = "\xc2\x9b"};
	log_context_swap(&odd);
	log_info("three");
	log_context_swap(NULL);
	log_error("\xc3\xa4 \xff \xc2\x9b[2J \xe2\x80\xa8 \x9b \xc3");
	read_log(text, sizeof(text));
	assert_null(strstr(text, "not shown"));
	assert_non_null(strstr(text, " info session=S1 trace=T1 user=\"a b\" from=\"x??y z\"\n"));
	assert_non_null(strstr(text, " error two?lines\n"));
	assert_non_null(strstr(text, " info session=S?2026-11-23 forged user=?? three\n"));
	assert_non_null(strstr(text, " error \xc3\xa4 ? ??[2J ??? ? ?\n"));
}

static void long_values_are_cut(void **state)
{
	char text[65536], value[5000];
	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(strlen(log_q(value)), 500);
	assert_string_equal(log_q(NULL), "-");
	assert_string_equal(log_q(""), "\"\"");
	assert_string_equal(log_q("a\"b"), "\"a'b\"");
	log_error("%s%s", value, value);
	read_log(text, sizeof(text));
	assert_true(strlen(text) < 6000);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_carry_level_and_context),
		cmocka_unit_test(long_values_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
