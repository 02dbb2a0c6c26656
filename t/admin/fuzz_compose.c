/*
 * A message as a program hands it to sendmail -t: the first octet chooses the options. Whatever it is, what is sent has lines
 * that SMTP takes, a header of fields with those that have to be there, no Bcc, and recipients that an RCPT can name.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"
#include "base/log.h"
#include "mail/header.h"
#include "os/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_OCTETS 65536 /* smtpd's */

/* --- what the rest of sendmail would be --- */

bool harden_is_setgid(void)
{
	return true;
}

int say(int status, const char *fmt, ...)
{
	(void)fmt;
	return status;
}

/* --- what is sent --- */

static void check_lines(struct span text)
{
	size_t start = 0;
	for (size_t i = 0; i < text.n; i++) {
		bool after_cr = i && text.p[i - 1] == '\r';
		if (!text.p[i] || (text.p[i] == '\n') != after_cr || i - start > LINE_MAX_OCTETS)
			log_panic("a line is none for SMTP");
		if (text.p[i] == '\n')
			start = i + 1;
	}
	if (start != text.n)
		log_panic("the last line has no end");
}

static void check_header(struct span message)
{
	static const char *const needed[] = {"From", "Date", "Message-ID"};
	static const char *const dropped[] = {"Bcc", "Resent-Bcc", "Return-Path"};
	struct header_reader r;
	struct header_field f;
	header_reader_init(&r, message);
	while (header_read(&r, &f))
		if (!f.name.n)
			log_panic("a line of the header is no field");
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!header_count(message, needed[i]))
			log_panic("there is no %s", needed[i]);
	for (size_t i = 0; i < COUNT_OF(dropped); i++)
		if (header_count(message, dropped[i]))
			log_panic("%s is still there", dropped[i]);
}

static void check_recipients(const struct sendmail *s)
{
	struct address a;
	const char *err;
	for (size_t i = 0; i < s->recipients.n; i++)
		if (address_parse(span_of(s->recipients.v[i]), ADDRESS_UTF8_OK, s->pool, &a, &err) < 0 || !*a.domain)
			log_panic("%s: %s", log_q(s->recipients.v[i]), err);
}

/* --- */

static void give_input(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", 0);
	if (fd < 0 || os_write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = {.common = {.hostname = "sandbox.test", .message_size_limit = 1 << 20}};
	if (!size)
		return 0;
	struct pool *pool = pool_new("fuzz");
	struct sendmail s = {
		.pool = pool,
		.config = &config,
		.take_recipients = data[0] & 1,
		.keep_dots = data[0] & 2,
		.sender = data[0] & 4 ? "s@elsewhere.test" : NULL,
		.full_name = data[0] & 8 ? "J\xc3\xb6rg \"x\" <y>\r\nX: z" : NULL,
		.recipients = ARRAY_IN(pool),
		.login = "anna",
		.gecos_name = data[0] & 16 ? "Anna A." : "",
		.domain = "sandbox.test",
	};
	struct str message = STR_INIT;
	give_input(data + 1, size - 1);
	if (compose(&s, &message) == EX_OK) {
		check_lines(str_span(&message));
		check_header(str_span(&message));
	}
	check_recipients(&s);
	str_fini(&message);
	pool_free(&pool);
	return 0;
}
