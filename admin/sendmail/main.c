#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"

#define DEFAULT_CONFIG "/etc/thurn"

/* What the caller or a server wrote is in it: no control characters reach the terminal. */
int say(int status, const char *fmt, ...)
{
	struct str text = STR_INIT;
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.s[i] < ' ' || text.s[i] == 127)
			text.s[i] = '?';
	fprintf(stderr, "sendmail: %s\n", str_c(&text));
	str_fini(&text);
	return status;
}

const char *run_path(struct sendmail *s, const char *name)
{
	return pool_printf(s->pool, "%s/%s", s->config->common.run_dir, name);
}

/* The real uid, which the environment can't lie about. The full name ends at the first comma; &
 * stands for the login name. */
static void find_caller(struct sendmail *s)
{
	struct passwd *pw = getpwuid(getuid());
	struct str name = STR_IN(s->pool);
	s->login = pw && *pw->pw_name ? pool_strdup(s->pool, pw->pw_name)
				      : pool_printf(s->pool, "uid%u", (unsigned)getuid());
	for (const char *p = pw && pw->pw_gecos ? pw->pw_gecos : ""; *p && *p != ','; p++) {
		if (*p == '&' && *s->login) {
			str_putc(&name, (char)ascii_upper((unsigned char)s->login[0]));
			str_puts(&name, s->login + 1);
		} else {
			str_putc(&name, *p);
		}
	}
	s->gecos_name = str_c(&name);
}

/* -C has to be known before addresses can be completed with the configured domain. */
static void find_config_dir(struct sendmail *s, int argc, char **argv)
{
	s->config_dir = DEFAULT_CONFIG;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!harden_is_setgid() && strcmp(argv[i], "-C") == 0 && i + 1 < argc)
			s->config_dir = argv[i + 1];
}

static int open_config(struct sendmail *s)
{
	const char *why;
	if (config_open(s->config_dir, &s->config, &why) < 0)
		return say(EX_CONFIG, "%s", why);
	s->domain = s->config->common.default_domain;
	return EX_OK;
}

static const struct {
	const char *name;
	enum sendmail_mode mode;
} names[] = {
	{"mailq", MODE_QUEUE},
	{"newaliases", MODE_ALIASES},
};

static int (*const modes[])(struct sendmail *s) = {
	[MODE_MAIL] = mode_mail,
	[MODE_SMTP] = mode_smtp,
	[MODE_QUEUE] = mode_queue,
	[MODE_ALIASES] = mode_aliases,
	[MODE_FLUSH] = mode_flush,
};

int main(int argc, char **argv)
{
	harden();
	struct sendmail s = {.pool = pool_new("sendmail")};
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "sendmail";
	int status;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(name, names[i].name) == 0)
			s.mode = names[i].mode;
	s.recipients.pool = s.pool;
	find_caller(&s);
	find_config_dir(&s, argc, argv);
	status = open_config(&s);
	if (status == EX_OK)
		status = options_parse(&s, argc, argv);
	if (status == EX_OK)
		status = modes[s.mode](&s);
	config_free(&s.config);
	pool_free(&s.pool);
	return status;
}
