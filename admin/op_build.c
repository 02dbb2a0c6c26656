/* What the build makes with the tables; hidden from users. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/generate.h"
#include "os/os.h"

static int write_file(struct op_call *call, const char *name, struct str *text)
{
	const char *dir = op_str(call, "dir");
	mkdir(dir, 0755);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : os_replace_file(fd, name, str_c(text), text->len, 0644);
	if (rc < 0)
		op_fail(call, "%s/%s can't be written: %s.", dir, name, strerror(errno));
	if (fd >= 0)
		close(fd);
	str_reset(text);
	return rc;
}

static int generate_etc(struct op_call *call)
{
	struct str text = STR_IN(call->pool);
	generate_main_conf(&text);
	if (write_file(call, "thurn.conf", &text) < 0)
		return -1;
	generate_services_conf(&text);
	return write_file(call, "services.conf", &text);
}

static int generate_daemons(struct op_call *call, struct str *text)
{
	for (const struct params_table *t = params_tables; t->rows; t++) {
		if (!t->program[0] || strcmp(t->program, "store") == 0)
			continue;
		generate_daemon_page(text, t);
		if (write_file(call, pool_printf(call->pool, "thurn-%s.8", t->program), text) < 0)
			return -1;
	}
	return 0;
}

static int generate_man(struct op_call *call)
{
	static const struct {
		const char *file;
		void (*put)(struct str *out);
	} pages[] = {
		{"thurn.conf.5", generate_conf_page},
		{"services.conf.5", generate_services_page},
		{"thurn.8", generate_command_page},
	};
	struct str text = STR_IN(call->pool);
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		pages[i].put(&text);
		if (write_file(call, pages[i].file, &text) < 0)
			return -1;
	}
	return generate_daemons(call, &text);
}

#define DIR                                                                                        \
	{                                                                                          \
		"dir", OP_TEXT, 0, "Where the files go."                                           \
	}

const struct op op_build_rows[] = {
	{
		.name = "generate etc",
		.params = {DIR},
		.flags = OP_NO_CONFIG | OP_HIDDEN,
		.run = generate_etc,
		.help = "The commented default configuration.",
	},
	{
		.name = "generate man",
		.params = {DIR},
		.flags = OP_NO_CONFIG | OP_HIDDEN,
		.run = generate_man,
		.help = "The manual pages.",
	},
	{.name = NULL},
};
