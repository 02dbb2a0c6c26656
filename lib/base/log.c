#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "base/utf8.h"

#define LINE_MAX_OCTETS  4000
#define VALUE_MAX_OCTETS 500

/* The one piece of mutable process state besides the hash key: where lines go. Written once, at
 * start, before threads; what the descriptor stands for may change. */
static struct {
	const char *program;
	int fd;
	bool to_syslog;
	enum log_level least;
} sink = {.program = "thurn", .fd = STDERR_FILENO, .least = LOG_LEVEL_WARNING};

static _Thread_local struct log_context *context;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_FATAL] = {"fatal", LOG_CRIT},
	[LOG_LEVEL_PANIC] = {"panic", LOG_CRIT},
};

static int open_file(const char *path, const char **err_r)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		*err_r = "The log file can't be opened for appending.";
	return fd;
}

int log_open(const char *program, const char *dest, enum log_level least, const char **err_r)
{
	sink.program = mem_strdup(program);
	sink.least = least;
	if (strcmp(dest, "syslog") == 0) {
		/* It keeps the pointer. Other mail systems have an smtpd, too. */
		struct str ident = STR_INIT;
		str_printf(&ident, "thurn/%s", program);
		openlog(mem_strdup(str_c(&ident)), LOG_PID | LOG_NDELAY, LOG_MAIL);
		str_fini(&ident);
		sink.to_syslog = true;
	} else if (strcmp(dest, "stderr") != 0) {
		int fd = open_file(dest, err_r);
		if (fd < 0)
			return -1;
		sink.fd = fd;
	}
	return 0;
}

/* Under the same number, so that other threads never meet a closed one. */
int log_move(int fd)
{
	if (sink.to_syslog || sink.fd == STDERR_FILENO)
		return 0;
	return dup3(fd, sink.fd, O_CLOEXEC) < 0 ? -1 : 0;
}

int log_reopen(const char *dest, const char **err_r)
{
	int fd, rc;
	if (strcmp(dest, "syslog") == 0 || strcmp(dest, "stderr") == 0)
		return 0;
	fd = open_file(dest, err_r);
	if (fd < 0)
		return -1;
	rc = log_move(fd);
	close(fd);
	if (rc < 0)
		*err_r = "The log can't go on in another file.";
	return rc;
}

int log_fd(void)
{
	return sink.to_syslog ? -1 : sink.fd;
}

struct log_context *log_context_swap(struct log_context *ctx)
{
	struct log_context *old = context;
	context = ctx;
	return old;
}

bool log_is_on(enum log_level level)
{
	return level >= sink.least;
}

/* C0 and C1 (a terminal may take U+009B for the start of a sequence), and what ends a line elsewhere. */
static bool is_control(uint32_t cp)
{
	return cp < 32 || (cp >= 127 && cp < 0xa0) || cp == 0x2028 || cp == 0x2029;
}

/* What stays is UTF-8 without control characters, wherever it came from. */
static void clean(struct str *text, size_t from)
{
	for (size_t i = from; i < text->len;) {
		uint32_t cp = 0;
		int n = utf8_next(span_make(text->s + i, text->len - i), &cp);
		size_t octets = n < 1 ? 1 : (size_t)n;
		if (n < 1 || is_control(cp))
			memset(text->s + i, '?', octets);
		i += octets;
	}
}

/* Also what another program says the session is. */
static void put_context(struct str *line)
{
	size_t from = line->len;
	if (!context)
		return;
	if (context->session)
		str_printf(line, " session=%.40s", context->session);
	if (context->trace)
		str_printf(line, " trace=%.40s", context->trace);
	if (context->user)
		str_printf(line, " user=%s", log_q(context->user));
	clean(line, from);
}

static void emit(enum log_level level, const char *fmt, va_list ap)
{
	struct str line = STR_INIT, text = STR_INIT;
	str_vprintf(&text, fmt, ap);
	str_truncate(&text, LINE_MAX_OCTETS);
	clean(&text, 0);
	if (sink.to_syslog) {
		put_context(&line);
		syslog(levels[level].priority, "%s%s", str_c(&text), str_c(&line));
	} else {
		clock_put_iso(&line, clock_wall_ms());
		str_printf(&line, " %s[%d] %s", sink.program, (int)getpid(), levels[level].name);
		put_context(&line);
		str_putc(&line, ' ');
		str_add_span(&line, str_span(&text));
		str_putc(&line, '\n');
		ssize_t n = write(sink.fd, line.s, line.len);
		(void)n; /* nowhere left to complain */
	}
	str_fini(&line);
	str_fini(&text);
}

#define EMIT(level)                                                                                \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		emit(level, fmt, ap);                                                              \
		va_end(ap);                                                                        \
	} while (0)

void log_debug(const char *fmt, ...)
{
	if (log_is_on(LOG_LEVEL_DEBUG))
		EMIT(LOG_LEVEL_DEBUG);
}

void log_info(const char *fmt, ...)
{
	if (log_is_on(LOG_LEVEL_INFO))
		EMIT(LOG_LEVEL_INFO);
}

void log_warning(const char *fmt, ...)
{
	EMIT(LOG_LEVEL_WARNING);
}

void log_error(const char *fmt, ...)
{
	EMIT(LOG_LEVEL_ERROR);
}

void log_fatal(const char *fmt, ...)
{
	EMIT(LOG_LEVEL_FATAL);
	exit(1);
}

void log_panic(const char *fmt, ...)
{
	EMIT(LOG_LEVEL_PANIC);
	abort();
}

const char *log_qn(const char *value, unsigned long n)
{
	static _Thread_local char ring[8][VALUE_MAX_OCTETS + 8];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 8], *p = out;
	bool quote = n == 0;
	if (!value)
		return "-";
	if (n > VALUE_MAX_OCTETS)
		n = VALUE_MAX_OCTETS;
	for (unsigned long i = 0; i < n && !quote; i++)
		quote = value[i] == ' ' || value[i] == '"' || value[i] == '=';
	if (quote)
		*p++ = '"';
	for (unsigned long i = 0; i < n && p < out + VALUE_MAX_OCTETS; i++) {
		unsigned char c = (unsigned char)value[i];
		*p++ = c < 32 || c == 127 ? '?' : c == '"' ? '\'' : (char)c;
	}
	if (quote)
		*p++ = '"';
	*p = '\0';
	return out;
}

const char *log_q(const char *value)
{
	return log_qn(value, value ? strlen(value) : 0);
}
