/* Command lines: whatever comes is a struct or a refusal, and an accepted address can be sent
 * again. */
#include <stdlib.h>

#include "smtp/build.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL (SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_UTF8 | SMTP_EXT_DSN | SMTP_EXT_AUTH)

static void check_fault(const struct smtp_fault *f)
{
	if (f && (f->code < 500 || f->code > 559 || f->status[0] != '5' || !*f->text))
		abort();
}

static void mail(struct span args, struct pool *pool)
{
	struct smtp_mail m;
	const struct smtp_fault *f = smtp_mail_parse(args, ALL, ADDRESS_NO_DOMAIN_OK, pool, &m);
	check_fault(f);
	if (f)
		return;
	struct str out = STR_IN(pool);
	struct smtp_mail_out again = {
		.sender = address_text(pool, &m.sender), .smtputf8 = m.smtputf8, .envid = m.envid};
	if (smtp_put_mail(&out, &again, ALL) < 0 || memchr(out.s, '\n', out.len - 1))
		abort();
}

static void rcpt(struct span args, struct pool *pool)
{
	struct smtp_rcpt r;
	const struct smtp_fault *f = smtp_rcpt_parse(args, ALL, ADDRESS_NO_DOMAIN_OK, pool, &r);
	check_fault(f);
	if (f)
		return;
	struct str out = STR_IN(pool);
	struct recipient again = {.address = address_text(pool, &r.address), .orcpt = r.orcpt,
		.notify = r.notify};
	if (smtp_put_rcpt(&out, again.address, &again, ALL, true) < 0 ||
		memchr(out.s, '\n', out.len - 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool *pool = pool_new("fuzz");
	struct str initial = STR_IN(pool);
	struct smtp_command c;
	const struct smtp_fault *f = smtp_command_parse(span_make(data, size), &c);
	check_fault(f);
	if (!f) {
		struct smtp_bdat bdat;
		struct smtp_auth auth;
		mail(c.args, pool);
		rcpt(c.args, pool);
		check_fault(smtp_bdat_parse(c.args, &bdat));
		check_fault(smtp_auth_parse(c.args, &initial, &auth));
		smtp_helo_check(c.args);
	}
	pool_free(&pool);
	return 0;
}
