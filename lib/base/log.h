/*
 * Logging. The ladder: debug, info (one line per mail event, key=value), warning (an operator may
 * act), error (a request was lost), fatal (this process exits 1), panic (a bug: core dump).
 *
 * The session and trace ids come from the context of the running fiber, not from call sites: the
 * fiber scheduler swaps the context at every switch. A line reads
 *	2026-11-22T17:49:14.123Z smtpd[123] info session=S7f trace=01HX... message text key=value
 * Values are quoted when they hold spaces; what reaches the log is UTF-8 without control characters.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_PANIC };

/* Strings are borrowed and may change while the context is set; NULL ones are not printed. */
struct log_context {
	const char *session;
	const char *trace;
	const char *user;
};

/* Once per process, before threads. dest: "stderr", "syslog" or the path of a file (opened
 * append-only; a line is one write). Until then lines go to stderr from level warning on. */
int log_open(const char *program, const char *dest, enum log_level least, const char **err_r);
/* A log that is a file goes on in dest: the file of that name now, after rotation. -1 with *err_r: it stays as it was. */
int log_reopen(const char *dest, const char **err_r);
/* The same for a process that can't open it: fd is open for appending already, and is borrowed. */
int log_move(int fd);
/* To the descriptor, for a process that can't open the file after chroot; -1 keeps. */
int log_fd(void);

/* Sets the context of this thread and returns the previous one. */
struct log_context *log_context_swap(struct log_context *ctx);

bool log_is_on(enum log_level level);
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For %s of key=value pairs with hostile bytes: returns the value quoted and escaped if it must be,
 * in one of eight rotating buffers of this thread, cut at 500 bytes. */
const char *log_q(const char *value);
const char *log_qn(const char *value, unsigned long n);

#endif
