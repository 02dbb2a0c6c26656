#include "smtp/command.h"

#include "base/codec.h"
#include "base/num.h"
#include "base/utf8.h"

enum arity { ARGS_NONE, ARGS_MAY, ARGS_MUST };

struct verb_row {
	const char *name;
	enum arity arity;
	size_t line_max;
};
static const struct verb_row verbs[SMTP_VERBS];

static const struct smtp_fault line_too_long = {500, "5.5.6", "Line too long"};
static const struct smtp_fault not_a_command = {500, "5.5.2", "Command not recognized"};
static const struct smtp_fault bad_octets = {500, "5.5.2", "Control character in command"};
static const struct smtp_fault args_missing = {501, "5.5.4", "Argument missing"};
static const struct smtp_fault args_not_taken = {501, "5.5.4", "No arguments allowed"};

/* Header fields and HTTP requests: a browser or worm was made to send them here. */
static bool is_alien(struct span name)
{
	static const char *const words[] = {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_iis(name, words[i]))
			return true;
	return name.n > 1 && name.p[name.n - 1] == ':';
}

static enum smtp_verb find_verb(struct span name)
{
	for (int v = SMTP_UNKNOWN + 1; v < SMTP_ALIEN; v++)
		if (span_iis(name, verbs[v].name))
			return (enum smtp_verb)v;
	return is_alien(name) ? SMTP_ALIEN : SMTP_UNKNOWN;
}

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return true;
	return false;
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	return verb > SMTP_UNKNOWN && verb < SMTP_ALIEN ? verbs[verb].name : "";
}

const struct smtp_fault *smtp_command_parse(struct span line, struct smtp_command *cmd_r)
{
	size_t end = 0;
	while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
		end++;
	cmd_r->name = span_make(line.p, end);
	cmd_r->args = span_trim(span_make(line.p + end, line.n - end));
	cmd_r->verb = find_verb(cmd_r->name);
	if (cmd_r->verb == SMTP_ALIEN)
		return NULL;
	if (line.n > (cmd_r->verb ? verbs[cmd_r->verb].line_max : SMTP_LINE_MAX))
		return &line_too_long;
	if (has_control(line))
		return &bad_octets;
	if (cmd_r->verb == SMTP_UNKNOWN)
		return &not_a_command;
	if (cmd_r->args.n == 0 && verbs[cmd_r->verb].arity == ARGS_MUST)
		return &args_missing;
	if (cmd_r->args.n && verbs[cmd_r->verb].arity == ARGS_NONE)
		return &args_not_taken;
	return NULL;
}

const struct smtp_fault *smtp_bdat_parse(struct span args, struct smtp_bdat *bdat_r)
{
	static const struct smtp_fault bad = {501, "5.5.4", "Syntax: BDAT size [LAST]"};
	struct span size;
	span_split(&args, ' ', &size);
	args = args.p ? span_trim(args) : SPAN_LIT("");
	*bdat_r = (struct smtp_bdat){.last = args.n != 0};
	if (!num_parse_u64(size, INT64_MAX, &bdat_r->size) || (args.n && !span_iis(args, "LAST")))
		return &bad;
	return NULL;
}

const struct smtp_fault *smtp_auth_parse(
	struct span args, struct str *initial, struct smtp_auth *auth_r)
{
	static const struct smtp_fault bad_name = {
		501, "5.5.4", "Syntax: AUTH mechanism [response]"};
	static const struct smtp_fault bad_base64 = {501, "5.5.2", "The response is no base64"};
	*auth_r = (struct smtp_auth){0};
	span_split(&args, ' ', &auth_r->mechanism);
	struct span m = auth_r->mechanism;
	for (size_t i = 0; i < m.n; i++)
		if (!ascii_is_alnum(m.p[i]) && m.p[i] != '-' && m.p[i] != '_')
			return &bad_name;
	if (!m.n || m.n > 20)
		return &bad_name;
	args = args.p ? span_trim(args) : SPAN_LIT("");
	auth_r->has_initial = args.n != 0;
	if (args.n && !span_is(args, "=") && !base64_parse(initial, args))
		return &bad_base64;
	return NULL;
}

int smtp_auth_line(struct span line, struct str *out)
{
	if (span_is(line, "*"))
		return 1;
	return base64_parse(out, line) ? 0 : -1;
}

int smtp_helo_check(struct span name)
{
	if (!name.n || name.n > ADDRESS_DOMAIN_MAX)
		return -1;
	if (address_is_domain(name, true))
		return 1;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return -1;
	return utf8_is_valid(name) ? 0 : -1;
}

static const struct verb_row verbs[SMTP_VERBS] = {
	/*                  name      arguments  longest line */
	[SMTP_HELO]     = {"HELO",     ARGS_MUST, SMTP_LINE_MAX},
	[SMTP_EHLO]     = {"EHLO",     ARGS_MUST, SMTP_LINE_MAX},
	[SMTP_LHLO]     = {"LHLO",     ARGS_MUST, SMTP_LINE_MAX},
	[SMTP_MAIL]     = {"MAIL",     ARGS_MUST, SMTP_ENVELOPE_LINE_MAX},
	[SMTP_RCPT]     = {"RCPT",     ARGS_MUST, SMTP_ENVELOPE_LINE_MAX},
	[SMTP_DATA]     = {"DATA",     ARGS_NONE, SMTP_LINE_MAX},
	[SMTP_BDAT]     = {"BDAT",     ARGS_MUST, SMTP_LINE_MAX},
	[SMTP_RSET]     = {"RSET",     ARGS_NONE, SMTP_LINE_MAX},
	[SMTP_NOOP]     = {"NOOP",     ARGS_MAY,  SMTP_LINE_MAX},
	[SMTP_QUIT]     = {"QUIT",     ARGS_NONE, SMTP_LINE_MAX},
	[SMTP_VRFY]     = {"VRFY",     ARGS_MUST, SMTP_ENVELOPE_LINE_MAX},
	[SMTP_EXPN]     = {"EXPN",     ARGS_MUST, SMTP_ENVELOPE_LINE_MAX},
	[SMTP_HELP]     = {"HELP",     ARGS_MAY,  SMTP_LINE_MAX},
	[SMTP_STARTTLS] = {"STARTTLS", ARGS_NONE, SMTP_LINE_MAX},
	[SMTP_AUTH]     = {"AUTH",     ARGS_MUST, SMTP_COMMAND_MAX},
};
