/* Drop files are read strictly, and written whole or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "queue/drop.h"

#define HEAD "THURN-DROP 1\nuid 7\ntime 5\nsender a@b\n"

static const struct {
	struct span file;
	bool ok;
} rows[] = {
	{SPAN_LIT(HEAD "to c@d\n\nbody"), true},
	{SPAN_LIT(HEAD "to c@d\n\n"), true},
	{SPAN_LIT("THURN-DROP 1\nuid 7\nsender \nto c@d\n\nx"), true},
	{SPAN_LIT(HEAD "notify 3\nret 1\nenvid e\nto c@d\nto e@f\n\nx"), true},
	{SPAN_LIT(""), false},
	{SPAN_LIT("\n"), false},
	{SPAN_LIT("THURN-DROP 2\nuid 7\nsender a\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "\nno recipient"), false},
	{SPAN_LIT(HEAD "to c@d\n"), false},
	{SPAN_LIT(HEAD "to c@d"), false},
	{SPAN_LIT(HEAD "to \n\nx"), false},
	{SPAN_LIT(HEAD "sender x\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "uid 0\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "notify 16\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "ret 3\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "else 1\nto c@d\n\nx"), false},
	{SPAN_LIT(HEAD "to c@d\r\n\r\nx"), false},
	{SPAN_LIT(HEAD "to c\0d\n\nx"), false},
	{SPAN_LIT("THURN-DROP 1\nsender a\nto c@d\n\nx"), false},
	{SPAN_LIT("THURN-DROP 1\nuid 7\nto c@d\n\nx"), false},
	{SPAN_LIT("THURN-DROP 1\nuid -1\nsender a\nto c@d\n\nx"), false},
};

static void the_rows_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct drop_message m;
		const char *err;
		if ((drop_parse(pool, rows[i].file, &m, &err) == 0) != rows[i].ok)
			fail_msg("row %zu", i);
		pool_free(&pool);
	}
}

static struct drop_message sample(struct pool *pool)
{
	struct drop_message m = {.uid = 1000,
		.time = 99,
		.sender = "a@b",
		.envid = "e",
		.notify = 6,
		.ret = 2,
		.recipients = ARRAY_IN(pool),
		.body = SPAN_LIT("Subject: x\r\n\r\nbody\r\n")};
	*array_add(&m.recipients) = "c@d";
	*array_add(&m.recipients) = "e@f";
	return m;
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct drop_message m = sample(pool), got;
	char dir[] = "/tmp/thurn-test-drop-XXXXXX";
	const char *err, *name = NULL;
	char *bytes;
	size_t n;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(drop_write(fd, &m), 0);
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			assert_null(name); /* one file, and no tmp */
			name = pool_strdup(pool, e->d_name);
		}
	closedir(d);
	assert_true(drop_is_new(name));
	assert_int_equal(fstatat(fd, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(os_read_file(fd, name, 10000, &bytes, &n), 0);
	assert_int_equal(drop_parse(pool, span_make(bytes, n), &got, &err), 0);
	assert_int_equal(got.uid, 1000);
	assert_int_equal(got.time, 99);
	assert_int_equal(got.notify, 6);
	assert_int_equal(got.ret, 2);
	assert_string_equal(got.sender, "a@b");
	assert_string_equal(got.envid, "e");
	assert_int_equal(got.recipients.n, 2);
	assert_string_equal(got.recipients.v[1], "e@f");
	assert_true(span_eq(got.body, m.body));
	free(bytes);
	unlinkat(fd, name, 0);
	close(fd);
	rmdir(dir);
	pool_free(&pool);
}

static void a_line_end_makes_no_line(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct drop_message m = sample(pool);
	struct str out = STR_IN(pool);
	m.recipients.v[0] = "c@d\nuid 0";
	assert_int_equal(drop_put_header(&out, &m), -1);
	m = sample(pool);
	m.sender = "a\r";
	assert_int_equal(drop_put_header(&out, &m), -1);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rows_hold),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_line_end_makes_no_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
