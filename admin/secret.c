#include "admin/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define SECRET_MAX 1000

/* A line without its end; -1 when there is none or it is too long. */
static int read_line(int fd, char *line, size_t size)
{
	size_t n = 0;
	char c = 0;
	while (n + 1 < size && read(fd, &c, 1) == 1 && c != '\n')
		line[n++] = c;
	if (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	return n + 1 < size && (n || c == '\n') ? 0 : -1;
}

static int ask_terminal(int fd, const char *prompt, char *line)
{
	struct termios with_echo, without;
	bool echo = tcgetattr(fd, &with_echo) == 0;
	without = with_echo;
	without.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(fd, "%s: ", prompt);
	if (echo)
		tcsetattr(fd, TCSAFLUSH, &without);
	int rc = read_line(fd, line, SECRET_MAX);
	if (echo)
		tcsetattr(fd, TCSAFLUSH, &with_echo);
	dprintf(fd, "\n");
	return rc;
}

static int ask_twice(struct op_call *call, char *line)
{
	char again[SECRET_MAX];
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), rc = -1;
	if (fd < 0)
		return op_fail(call, "There is no terminal to ask for the password.");
	if (ask_terminal(fd, "Password", line) < 0 || ask_terminal(fd, "Again", again) < 0)
		op_fail(call, "No password was given.");
	else if (strcmp(line, again) != 0)
		op_fail(call, "The two passwords differ.");
	else
		rc = 0;
	explicit_bzero(again, sizeof(again));
	close(fd);
	return rc;
}

/* --no-password says that there is none, --password-hash stands for one. */
static bool is_wanted(const struct op_call *call, size_t i)
{
	const struct op_param *p = call->op->params;
	if (p[i].type != OP_SECRET || call->values[i].n)
		return false;
	for (size_t k = 0; k < OP_PARAMS_MAX && p[k].name; k++)
		if ((strcmp(p[k].name, "no-password") == 0 ||
			    strcmp(p[k].name, "password-hash") == 0) &&
			call->values[k].n)
			return false;
	return true;
}

int secret_ask(struct op_call *call)
{
	char line[SECRET_MAX] = "";
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < OP_PARAMS_MAX && call->op->params[i].name; i++) {
		const struct op_param *p = &call->op->params[i];
		if (!is_wanted(call, i))
			continue;
		if (isatty(STDIN_FILENO))
			rc = ask_twice(call, line);
		else if (read_line(STDIN_FILENO, line, sizeof(line)) < 0)
			rc = op_fail(call, "No password was given.");
		if (rc == 0)
			rc = op_set(call, p, line);
	}
	explicit_bzero(line, sizeof(line));
	return rc;
}
