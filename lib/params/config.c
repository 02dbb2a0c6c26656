/* A configuration folder: both files read, and the structs of programs and services filled from
 * them. */
#include "params/params.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/num.h"

#define PROGRAM_CONF_MAX 4096 /* octets of the largest program's struct, for checks */

static const char *join(struct pool *pool, const char *dir, const char *name)
{
	return pool_printf(pool, "%s/%s", dir, name);
}

/* Without .. and links where it exists, so that messages and sockets' paths are short and plain. */
static const char *real_path(struct pool *pool, const char *path)
{
	char *real = realpath(path, NULL);
	const char *copy = pool_strdup(pool, real ? real : path);
	free(real);
	return copy;
}

/* The root of relative paths: relative to the folder of the file itself. */
static const char *find_root(struct config *config, struct conf_section *top)
{
	for (size_t i = 0; i < top->n; i++)
		if (strcmp(top->entries[i].name, "root") == 0) {
			const char *value = top->entries[i].value;
			return real_path(config->pool,
				value[0] == '/' ? value : join(config->pool, config->dir, value));
		}
	return "/";
}

static bool is_host_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!ascii_is_alnum((unsigned char)*p) && *p != '-' && *p != '.')
			return false;
	return name[0] && name[0] != '.' && name[0] != '-';
}

static int fill_hostname(struct config *config, const char **err_r)
{
	struct common_conf *common = &config->common;
	char name[HOST_NAME_MAX + 1] = "";
	if (!common->hostname[0]) {
		gethostname(name, sizeof(name) - 1);
		common->hostname =
			is_host_name(name) ? pool_strdup(config->pool, name) : "localhost";
	}
	if (is_host_name(common->hostname))
		return 0;
	*err_r = pool_printf(config->pool, "%s: hostname: \"%s\" is not a host name.",
		conf_file_path(config->main_file), common->hostname);
	return -1;
}

static int fill_default_domain(struct config *config, const char **err_r)
{
	struct common_conf *common = &config->common;
	if (!common->default_domain[0])
		common->default_domain = common->hostname;
	if (is_host_name(common->default_domain))
		return 0;
	*err_r = pool_printf(config->pool, "%s: default_domain: \"%s\" is not a domain name.",
		conf_file_path(config->main_file), common->default_domain);
	return -1;
}

static int fill_common(struct config *config, const char **err_r)
{
	struct common_conf *common = &config->common;
	struct conf_section *top = conf_file_section(config->main_file, 0);
	const char *root = find_root(config, top);

	if (conf_defaults(config->pool, common_conf_rows, root, common, err_r) < 0 ||
		conf_apply(config->pool, common_conf_rows, root, config->main_file, top, common,
			err_r) < 0)
		return -1;
	common->root = root;
	if (strcmp(common->log, "syslog") != 0 && strcmp(common->log, "stderr") != 0 &&
		common->log[0] != '/')
		common->log = join(config->pool, root, common->log);
	return fill_hostname(config, err_r) < 0 ? -1 : fill_default_domain(config, err_r);
}

/* The sentence outlives the pool it was written in, until the thread's next failure: there is no
 * config whose pool could hold it. */
static const char *keep_error(const char *sentence)
{
	static _Thread_local char kept[1024];
	snprintf(kept, sizeof(kept), "%s", sentence);
	return kept;
}

int config_open(const char *dir, struct config **config_r, const char **err_r)
{
	struct pool *pool = pool_new("config");
	struct config *config = pool_new_of(pool, struct config);

	config->pool = pool;
	config->dir = real_path(pool, dir);
	if (conf_file_read(
		    pool, join(pool, config->dir, "thurn.conf"), &config->main_file, err_r) == 0 &&
		conf_file_read(pool, join(pool, config->dir, "services.conf"),
			&config->services_file, err_r) == 0 &&
		fill_common(config, err_r) == 0) {
		*config_r = config;
		return 0;
	}
	*err_r = keep_error(*err_r);
	pool_free(&pool);
	*config_r = NULL;
	return -1;
}

void config_free(struct config **config)
{
	if (!*config)
		return;
	struct pool *pool = (*config)->pool;
	*config = NULL;
	pool_free(&pool);
}

static int unknown_program(struct config *config, const char *program, const char **err_r)
{
	*err_r = pool_printf(config->pool, "There is no program \"%s\".", program);
	return -1;
}

static int apply_section(struct config *config, const struct conf_row *rows, struct conf_file *file,
	const char *name, void *to, const char **err_r)
{
	struct conf_section *s = conf_file_find(file, name);
	return s ? conf_apply(config->pool, rows, config->common.root, file, s, to, err_r) : 0;
}

int config_program(struct config *config, const char *program, const char *service, void *to,
	const char **err_r)
{
	const struct params_table *t = params_table_find(program);
	if (!t || !program[0])
		return unknown_program(config, program, err_r);
	if (conf_defaults(config->pool, t->rows, config->common.root, to, err_r) < 0 ||
		apply_section(config, t->rows, config->main_file, program, to, err_r) < 0)
		return -1;
	return service ? apply_section(config, t->rows, config->services_file, service, to, err_r)
		       : 0;
}

static int bad_service(
	struct config *config, const struct conf_section *s, const char *why, const char **err_r)
{
	*err_r = pool_printf(config->pool, "%s:%u: service %s: %s",
		conf_file_path(config->services_file), s->line, s->name, why);
	return -1;
}

static bool is_octal(uint64_t digits)
{
	for (; digits; digits /= 10)
		if (digits % 10 > 7)
			return false;
	return true;
}

int config_service(
	struct config *config, const char *service, struct service_conf *to, const char **err_r)
{
	struct conf_section *s = service[0] ? conf_file_find(config->services_file, service) : NULL;
	if (!s) {
		*err_r = pool_printf(config->pool, "There is no service \"%s\".", service);
		return -1;
	}
	if (conf_defaults(config->pool, service_conf_rows, config->common.root, to, err_r) < 0 ||
		apply_section(
			config, service_conf_rows, config->services_file, service, to, err_r) < 0)
		return -1;
	if (!to->program[0])
		to->program = s->name;
	if (to->chroot[0] && to->chroot[0] != '/')
		to->chroot = pool_printf(config->pool, "%s/%s", config->common.run_dir, to->chroot);
	if (!params_table_find(to->program))
		return bad_service(config, s,
			pool_printf(config->pool, "there is no program \"%s\".", to->program),
			err_r);
	if (to->min_workers > to->max_workers)
		return bad_service(config, s, "min_workers is more than max_workers.", err_r);
	if (!is_octal(to->listen_mode))
		return bad_service(config, s, "listen_mode is not an octal number.", err_r);
	return 0;
}

unsigned service_conf_mode(const struct service_conf *conf)
{
	unsigned mode = 0, shift = 0;
	for (uint64_t digits = conf->listen_mode; digits; digits /= 10, shift += 3)
		mode |= (unsigned)(digits % 10) << shift;
	return mode;
}

/* A section [program] of thurn.conf, or the first section. */
static int check_main_section(struct config *config, struct conf_section *s, const char **err_r)
{
	_Alignas(max_align_t) char scratch[PROGRAM_CONF_MAX];
	const struct params_table *t = params_table_find(s->name);
	if (!t) {
		*err_r = pool_printf(config->pool, "%s:%u: there is no program \"%s\".",
			conf_file_path(config->main_file), s->line, s->name);
		return -1;
	}
	if (conf_apply(config->pool, t->rows, config->common.root, config->main_file, s, scratch,
		    err_r) < 0)
		return -1;
	return conf_check_used(config->pool, config->main_file, s, err_r);
}

static int check_service_section(struct config *config, struct conf_section *s, const char **err_r)
{
	_Alignas(max_align_t) char scratch[PROGRAM_CONF_MAX];
	struct service_conf conf;
	if (s->name[0] &&
		(config_service(config, s->name, &conf, err_r) < 0 ||
			config_program(config, conf.program, s->name, scratch, err_r) < 0))
		return -1;
	return conf_check_used(config->pool, config->services_file, s, err_r);
}

int config_check(struct config *config, const char **err_r)
{
	for (size_t i = 0; i < conf_file_count(config->main_file); i++)
		if (check_main_section(config, conf_file_section(config->main_file, i), err_r) < 0)
			return -1;
	for (size_t i = 0; i < conf_file_count(config->services_file); i++)
		if (check_service_section(
			    config, conf_file_section(config->services_file, i), err_r) < 0)
			return -1;
	return 0;
}
