/* Any bytes are a configuration file or an error; what was edited is still read, and says what was set. */
#include <stdlib.h>

#include "params/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *find(struct conf_file *file, const char *section, const char *name)
{
	struct conf_section *s = conf_file_find(file, section);
	for (size_t i = 0; s && i < s->n; i++)
		if (strcmp(s->entries[i].name, name) == 0)
			return s->entries[i].value;
	return NULL;
}

static void check_edit(struct pool *pool, struct span bytes, const char *section)
{
	struct str text = STR_IN(pool);
	struct conf_file *file;
	const char *err, *value;
	str_add_span(&text, bytes);
	conf_edit(&text, section, "edited", "value 1");
	if (conf_file_parse(pool, "fuzz", str_span(&text), &file, &err) < 0)
		return; /* "edited" may be the name of another kind of line there */
	value = find(file, section, "edited");
	if (!value || strncmp(value, "value 1", 7) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct span bytes = span_make(data, size);
	struct conf_file *file;
	const char *err;
	if (conf_file_parse(pool, "fuzz", bytes, &file, &err) == 0) {
		struct common_conf common;
		struct service_conf service;
		conf_defaults(pool, common_conf_rows, "/", &common, &err);
		conf_defaults(pool, service_conf_rows, "/", &service, &err);
		for (size_t i = 0; i < conf_file_count(file); i++) {
			struct conf_section *s = conf_file_section(file, i);
			conf_apply(pool, common_conf_rows, "/", file, s, &common, &err);
			conf_apply(pool, service_conf_rows, "/", file, s, &service, &err);
			conf_check_used(pool, file, s, &err);
		}
		check_edit(pool, bytes, "");
		check_edit(pool, bytes, "s");
	}
	pool_free(&pool);
	return 0;
}
