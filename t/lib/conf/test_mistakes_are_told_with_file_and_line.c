/* Both files of a folder: what a program and a service get, and how mistakes are told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "os/os.h"
#include "params/params.h"
#include "params/smtpd.h"

static void write_files(const char *dir, const char *main_text, const char *services_text)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(os_replace_file(fd, "thurn.conf", main_text, strlen(main_text), 0644), 0);
	assert_int_equal(
		os_replace_file(fd, "services.conf", services_text, strlen(services_text), 0644), 0);
	close(fd);
}

static int make_dir(void **state)
{
	char *dir = strdup("/tmp/thurn-test-conf-XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/thurn.conf", (char *)*state);
	unlink(path);
	snprintf(path, sizeof(path), "%s/services.conf", (char *)*state);
	unlink(path);
	rmdir(*state);
	free(*state);
	return 0;
}

static void a_service_overrides_its_program(void **state)
{
	struct config *config;
	struct smtpd_conf conf;
	struct service_conf service;
	const char *err = "";
	write_files(*state,
		"hostname = mx.test\nroot = sub\nrun_dir = run\n[smtpd]\ncommand_timeout = 7s\n"
		"errors_max = 3\n",
		"[one]\nprogram = smtpd\nlisten = *:25\nlisten_mode = 644\nerrors_max = 4\n"
		"mode = lmtp\n[two]\nprogram = smtpd\n[qmgr]\n");
	assert_int_equal(config_open(*state, &config, &err), 0);
	assert_string_equal(config->common.hostname, "mx.test");
	assert_int_equal(config_program(config, "smtpd", "one", &conf, &err), 0);
	assert_int_equal(conf.errors_max, 4);
	assert_int_equal(conf.command_timeout, 7000);
	assert_string_equal(conf.mode, "lmtp");
	assert_int_equal(config_program(config, "smtpd", "two", &conf, &err), 0);
	assert_int_equal(conf.errors_max, 3);
	assert_string_equal(conf.mode, "smtp");
	assert_int_equal(config_service(config, "one", &service, &err), 0);
	assert_string_equal(service.listen, "*:25");
	assert_int_equal(service_conf_mode(&service), 0644);
	assert_int_equal(config_service(config, "qmgr", &service, &err), 0);
	assert_string_equal(service.program, "qmgr");
	assert_int_equal(config_check(config, &err), 0);
	assert_int_equal(config_service(config, "three", &service, &err), -1);
	assert_string_equal(err, "There is no service \"three\".");
	char run_dir[200];
	snprintf(run_dir, sizeof(run_dir), "%s/sub/run", (char *)*state);
	assert_string_equal(config->common.run_dir, run_dir);
	config_free(&config);
	assert_null(config);
}

/* want stands behind the folder's name. */
static const struct {
	const char *main_text, *services_text, *want;
} mistakes[] = {
	{"hostnam = x\n", "", "/thurn.conf:1: there is no parameter hostnam."},
	{"hostname = x y\n", "", "/thurn.conf: hostname: \"x y\" is not a host name."},
	{"\nprivilege = some\n", "",
		"/thurn.conf:2: privilege: \"some\" is not one of separate|numeric|none."},
	{"[smtpx]\n", "", "/thurn.conf:1: there is no program \"smtpx\"."},
	{"[smtpd]\nlisten = *:25\n", "", "/thurn.conf:2: there is no parameter listen for smtpd."},
	{"[smtpd]\ncommand_timeout = 5x\n", "",
		"/thurn.conf:2: command_timeout: \"5x\" is not a duration like 30s, 5m or 1h30m."},
	{"", "a = 1\n", "/services.conf:1: there is no parameter a."},
	{"", "[s]\n", "/services.conf:1: service s: there is no program \"s\"."},
	{"", "[s]\nprogram = smtpd\nfoo = 1\n",
		"/services.conf:3: there is no parameter foo for s."},
	{"", "[s]\nprogram = smtpd\nmin_workers = 5\nmax_workers = 4\n",
		"/services.conf:1: service s: min_workers is more than max_workers."},
	{"", "[s]\nprogram = smtpd\nlisten_mode = 680\n",
		"/services.conf:1: service s: listen_mode is not an octal number."},
	{"", "[s]\nprogram = smtpd\nmode = x\n",
		"/services.conf:3: mode: \"x\" is not one of smtp|submission|lmtp|local."},
	{"", "[s]\nprogram = smtpd\n[s]\n", "/services.conf:3: \"s\" is a section for the second time."},
};

static void mistakes_are_told_with_file_and_line(void **state)
{
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct config *config;
		const char *err = "nothing";
		char want[400];
		write_files(*state, mistakes[i].main_text, mistakes[i].services_text);
		snprintf(want, sizeof(want), "%s%s", (char *)*state, mistakes[i].want);
		int rc = config_open(*state, &config, &err);
		if (rc == 0)
			rc = config_check(config, &err);
		assert_int_equal(rc, -1);
		assert_string_equal(err, want);
		config_free(&config);
	}
}

static size_t width_of(enum conf_type type)
{
	return type == CONF_TYPE_BOOL ? sizeof(bool) : sizeof(uint64_t);
}

/* Every field of the struct has a row: what no row covers is padding, less than a word. */
static void check_fields(const struct params_table *t)
{
	size_t end = 0;
	while (end < t->size) {
		size_t next = t->size, width = 0;
		for (const struct conf_row *r = t->rows; r->type != CONF_TYPE_END; r++)
			if (r->offset >= end && r->offset < next) {
				next = r->offset;
				width = width_of(r->type);
			}
		if (next - end >= sizeof(uint64_t))
			fail_msg("%s: the field at offset %zu has no row", t->program, end);
		end = next + width;
	}
}

/* Names of rows are unique in a service's section, and defaults parse. */
static void every_table_is_sound(void **state)
{
	(void)state;
	for (const struct params_table *t = params_tables; t->rows; t++) {
		struct pool *pool = pool_new("test");
		const char *err = "";
		void *conf = pool_alloc(pool, t->size);
		assert_in_range(t->size, 1, 4096);
		check_fields(t);
		if (conf_defaults(pool, t->rows, "/", conf, &err) < 0)
			fail_msg("%s: %s", t->program, err);
		for (const struct conf_row *r = t->rows; r->type != CONF_TYPE_END; r++) {
			assert_ptr_equal(conf_find_row(t->rows, r->name), r);
			if (t->program[0] && conf_find_row(service_conf_rows, r->name))
				fail_msg("%s.%s is also a service's", t->program, r->name);
			if (!r->help || r->help[strlen(r->help) - 1] != '.')
				fail_msg("%s.%s: its help is no sentence", t->program, r->name);
		}
		pool_free(&pool);
	}
}

static void default_services_are_right(void **state)
{
	struct str text = STR_INIT;
	struct config *config;
	const char *err = "";
	for (const struct params_service *s = params_services; s->name; s++)
		str_printf(&text, "[%s]\n%s", s->name, s->settings);
	write_files(*state, "", str_c(&text));
	assert_int_equal(config_open(*state, &config, &err), 0);
	if (config_check(config, &err) < 0)
		fail_msg("%s", err);
	for (const struct params_service *s = params_services; s->name; s++) {
		struct service_conf service;
		size_t i = 0;
		assert_int_equal(config_service(config, s->name, &service, &err), 0);
		while (params_users[i].name && strcmp(params_users[i].name, service.user) != 0)
			i++;
		assert_non_null(params_users[i].name);
	}
	config_free(&config);
	str_fini(&text);
}

static void numeric_users_are_apart(void **state)
{
	struct config *config;
	const char *err = "";
	uid_t uid, last = 0;
	gid_t gid;
	write_files(*state, "privilege = numeric\nnumeric_uid_base = 5000\n", "");
	assert_int_equal(config_open(*state, &config, &err), 0);
	for (size_t i = 0; params_users[i].name; i++) {
		assert_int_equal(config_user(config, params_users[i].name, &uid, &gid, &err), 0);
		if (geteuid() == 0) {
			assert_int_equal(uid, 5001 + i);
			assert_int_equal(gid, params_users[i].own_group ? 5001 + i : 5000);
			assert_int_not_equal(uid, last);
		} else {
			assert_int_equal(uid, geteuid());
		}
		last = uid;
	}
	if (geteuid() == 0)
		assert_int_equal(config_user(config, "stranger", &uid, &gid, &err), -1);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_service_overrides_its_program, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			mistakes_are_told_with_file_and_line, make_dir, remove_dir),
		cmocka_unit_test(every_table_is_sound),
		cmocka_unit_test_setup_teardown(default_services_are_right, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(numeric_users_are_apart, make_dir, remove_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
