/*
 * Delivery reports of anything: the first octet chooses the kind, the lines that follow are what clients and other hosts have
 * said (recipient, original recipient, reply, host, envelope id, sender), and behind an empty line is the message. The report has
 * the fields and the parts that it must have, each where it belongs.
 */
#include "mail/dsn.h"

#include "base/array.h"
#include "base/log.h"
#include "mail/header.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char boundary[] = "=_0123456789ABCDEF";

/* The next line, as a string without what no envelope holds. */
static char *take_line(struct pool *pool, struct span *rest)
{
	struct span line;
	if (!rest->p || !span_split(rest, '\n', &line))
		return pool_strdup(pool, "");
	char *text = pool_span(pool, line);
	for (char *p = text; *p; p++)
		if (*p == '\r')
			*p = '?';
	return text;
}

static void check_lines(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n' && (!i || text.p[i - 1] != '\r'))
			log_panic("a line ends in a bare LF");
	if (text.n < 2 || text.p[text.n - 1] != '\n')
		log_panic("the last line has no end");
}

static void check_fields(struct span part, const char *const *names, size_t n)
{
	struct header_reader r;
	struct header_field f;
	header_reader_init(&r, part);
	while (header_read(&r, &f)) {
		bool known = false;
		for (size_t i = 0; i < n; i++)
			known |= span_iis(f.name, names[i]);
		if (!known)
			log_panic("there is a field %.*s", (int)f.name.n, f.name.p);
	}
}

static void check_report(struct pool *pool, struct span report)
{
	static const char *const top[] = {"Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding"};
	static const char *const message[] = {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"};
	static const char *const row[] = {"Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA",
		"Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until"};
	struct mime m;
	check_lines(report);
	check_fields(report, top, COUNT_OF(top));
	mime_parse(report, pool, &m);
	if (m.n < 4)
		log_panic("the report has no three parts");
	struct span status = mime_part_body(&m, &m.parts[2]);
	check_fields(status, message, COUNT_OF(message));
	size_t used = header_length(status);
	check_fields(span_make(status.p + used, status.n - used), row, COUNT_OF(row));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct pool *pool = pool_new("fuzz");
	struct str report = STR_INIT;
	struct span rest = span_make(data + 1, size - 1);
	struct dsn_row row = {
		.final_recipient = take_line(pool, &rest),
		.original = take_line(pool, &rest),
		.action = data[0] & 3,
		.outcome = {.fate = FATE_FAILED, .status = "5.1.1"},
		.last_attempt_s = data[0] & 4 ? 1700000000 : 0,
		.will_retry_until_s = data[0] & 8 ? 1700000000 : 0,
	};
	row.outcome.text = take_line(pool, &rest);
	row.outcome.remote_mta = take_line(pool, &rest);
	struct dsn dsn = {
		.kind = data[0] & 3,
		.reporting_mta = "sandbox.test",
		.from = "mailer-daemon@sandbox.test",
		.envid = take_line(pool, &rest),
		.to = take_line(pool, &rest),
		.message_id = "<x@sandbox.test>",
		.boundary = boundary,
		.queue_id = "0123456789ABCDEF",
		.now_s = 1700000000,
		.arrival_s = data[0] & 16 ? 1600000000 : 0,
		.rows = &row,
		.nrow = 1,
		.message = rest.p ? rest : SPAN_LIT(""),
		.headers_only = data[0] & 32,
		.utf8 = data[0] & 64,
	};
	bool own = memmem(data, size, boundary, sizeof(boundary) - 1);
	dsn_put(&report, &dsn);
	if (!own)
		check_report(pool, str_span(&report));
	str_fini(&report);
	pool_free(&pool);
	return 0;
}
