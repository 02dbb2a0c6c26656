#include "admin/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/cert.h"
#include "admin/settings.h"
#include "base/num.h"
#include "os/os.h"

#define FILE_MAX (4 * 1024 * 1024)

static const char *const folders[] = {"etc", "queue", "store", "run", "log"};

/* The programs are where this one is. */
static int program_dir(struct op_call *call, const char **dir_r)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return op_fail(call, "The folder of the programs can't be found out.");
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	*dir_r = pool_strdup(call->pool, path);
	return 0;
}

/* Programs that run as others must be able to pass through every folder above DIR. */
static int check_searchable(struct op_call *call, const char *dir)
{
	char *copy = pool_strdup(call->pool, dir);
	struct stat st;
	for (char *end = copy + strlen(copy); end > copy; end = strrchr(copy, '/')) {
		*end = '\0';
		if (stat(copy, &st) == 0 && !(st.st_mode & S_IXOTH))
			return op_fail(call,
				"The folder %s is not searchable for other users, whom the server's "
				"programs run as.",
				copy);
	}
	return 0;
}

static int make_folder(struct op_call *call, const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return chmod(path, mode);
	struct stat st;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return op_fail(call, "The folder %s can't be made: %s.", path, strerror(errno));
}

static int read_text(struct op_call *call, const char *path, struct str *text)
{
	char *p;
	size_t n;
	if (os_read_file(AT_FDCWD, path, FILE_MAX, &p, &n) < 0)
		return op_fail(call, "%s can't be read: %s.", path, strerror(errno));
	str_add(text, p, n);
	free(p);
	return 0;
}

static int write_text(
	struct op_call *call, const char *dir, const char *name, const struct str *text)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : os_replace_file(fd, name, str_c(text), text->len, 0644);
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return op_fail(call, "%s/%s can't be written: %s.", dir, name, strerror(error));
	return 0;
}

static void put_main(struct str *text, const char *programs)
{
	str_printf(text,
		"# A private instance. thurn.conf(5) lists all settings and their defaults.\n"
		"root = ..\n"
		"hostname = " SANDBOX_HOST "\n"
		"queue_dir = queue\n"
		"store_dir = store\n"
		"run_dir = run\n"
		"directory_dir = directory\n"
		"program_dir = %s\n"
		"log = log/thurn.log\n"
		"tls_cert = etc/cert.pem\n"
		"tls_key = etc/key.pem\n"
		"# Nobody sends to other hosts without a login:\n"
		"networks =\n"
		"privilege = %s\n",
		programs, geteuid() == 0 ? "numeric" : "none");
}

static void put_services(struct str *text)
{
	for (const struct params_service *s = params_services; s->name; s++)
		str_printf(text, "%s# %s\n[%s]\n%s", text->len ? "\n" : "", s->help, s->name,
			s->settings);
}

/* TCP addresses of a listen list go to 127.0.0.1 and base + their well-known port. */
static int move_listen(struct op_call *call, const char *listen, uint64_t base, struct str *out)
{
	struct span word;
	uint32_t port;
	for (size_t at = 0; conf_list_next(listen, &at, &word);) {
		str_puts(out, out->len ? " " : "");
		size_t colon = word.n;
		while (colon && word.p[colon - 1] != ':')
			colon--;
		if (span_has_prefix(word, SPAN_LIT("unix:")))
			str_add_span(out, word);
		else if (num_parse_u32(span_make(word.p + colon, word.n - colon), 1023, &port))
			str_printf(out, "127.0.0.1:%u", (unsigned)base + port);
		else
			return op_fail(call, "The address %.*s has no port.", (int)word.n, word.p);
	}
	return 0;
}

static int set_ports(struct op_call *call, struct str *services, uint64_t base)
{
	for (const struct params_service *s = params_services; s->name; s++) {
		struct conf_file *file;
		struct str listen = STR_IN(call->pool);
		const char *value = "";
		if (conf_file_parse(call->pool, s->name, span_of(s->settings), &file, &call->err) <
			0)
			return -1;
		const struct conf_section *top = conf_file_section(file, 0);
		for (size_t i = 0; i < top->n; i++)
			if (strcmp(top->entries[i].name, "listen") == 0)
				value = top->entries[i].value;
		if (move_listen(call, value, base, &listen) < 0)
			return -1;
		if (listen.len)
			conf_edit(services, s->name, "listen", str_c(&listen));
	}
	return 0;
}

static int apply_sets(struct op_call *call, const struct op_values *sets, struct str *main_text,
	struct str *services)
{
	for (size_t i = 0; i < sets->n; i++) {
		struct setting setting;
		size_t eq = strcspn(sets->v[i], "=");
		if (!sets->v[i][eq] ||
			!setting_parse(call->pool,
				pool_span(call->pool, span_trim(span_make(sets->v[i], eq))),
				&setting))
			return op_fail(call,
				"\"%s\" is not name=value, program.name=value or "
				"service:name=value.",
				sets->v[i]);
		conf_edit(setting.is_service ? services : main_text, setting.section, setting.name,
			sets->v[i] + eq + 1);
	}
	return 0;
}

/* Both files as text: what is there, or fresh. */
static int load_files(struct op_call *call, const char *etc, uint64_t base, struct str *main_text,
	struct str *services)
{
	const char *main_path = pool_printf(call->pool, "%s/thurn.conf", etc);
	const char *services_path = pool_printf(call->pool, "%s/services.conf", etc);
	const char *programs = "";

	if (program_dir(call, &programs) < 0)
		return -1;
	if (access(main_path, F_OK) < 0)
		put_main(main_text, programs);
	else if (read_text(call, main_path, main_text) < 0)
		return -1;
	if (access(services_path, F_OK) == 0) {
		if (read_text(call, services_path, services) < 0)
			return -1;
	} else {
		put_services(services);
		base = base ? base : SANDBOX_DEFAULT_PORT;
	}
	conf_edit(main_text, "", "program_dir", programs);
	return base ? set_ports(call, services, base) : 0;
}

static int make_folders(struct op_call *call, const char *dir)
{
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		if (make_folder(call, pool_printf(call->pool, "%s/%s", dir, folders[i]), 0755) < 0)
			return -1;
	return 0;
}

int sandbox_prepare(struct op_call *call, const char *dir, uint64_t base_port,
	const struct op_values *sets, struct config **config_r)
{
	struct str main_text = STR_IN(call->pool), services = STR_IN(call->pool);
	if (make_folder(call, dir, 0755) < 0)
		return -1;
	char *real = realpath(dir, NULL);
	const char *path = pool_strdup(call->pool, real ? real : dir);
	const char *etc = pool_printf(call->pool, "%s/etc", path);
	free(real);

	if (make_folders(call, path) < 0 ||
		load_files(call, etc, base_port, &main_text, &services) < 0 ||
		apply_sets(call, sets, &main_text, &services) < 0 ||
		write_text(call, etc, "thurn.conf", &main_text) < 0 ||
		write_text(call, etc, "services.conf", &services) < 0 ||
		sandbox_open(call, path, config_r) < 0)
		return -1;
	const struct common_conf *common = &(*config_r)->common;
	if (config_check(*config_r, &call->err) < 0)
		return -1;
	if (geteuid() == 0 && strcmp(common->privilege, "none") != 0 &&
		check_searchable(call, path) < 0)
		return -1;
	return common->tls_cert[0] ? cert_make(call->pool, common->hostname, common->tls_cert,
					     common->tls_key, &call->err)
				   : 0;
}

int sandbox_open(struct op_call *call, const char *dir, struct config **config_r)
{
	return config_open(pool_printf(call->pool, "%s/etc", dir), config_r, &call->err);
}

/* The port of the first TCP address, or 0. */
static uint32_t first_port(const char *listen)
{
	struct span word;
	uint32_t port = 0;
	for (size_t at = 0; !port && conf_list_next(listen, &at, &word);) {
		size_t colon = word.n;
		while (colon && word.p[colon - 1] != ':')
			colon--;
		if (!span_has_prefix(word, SPAN_LIT("unix:")) &&
			!num_parse_u32(span_make(word.p + colon, word.n - colon), 65535, &port))
			port = 0;
	}
	return port;
}

int sandbox_ports(struct op_call *call, struct config *config, struct js *ports)
{
	static const char *const names[] = {
		"smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct service_conf conf;
		if (!conf_file_find(config->services_file, names[i]))
			continue;
		if (config_service(config, names[i], &conf, &call->err) < 0)
			return -1;
		if (conf.enabled && first_port(conf.listen))
			js_put_num(ports, names[i], first_port(conf.listen));
	}
	return 0;
}
