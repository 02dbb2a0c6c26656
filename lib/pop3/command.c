#include "pop3/command.h"

#include "base/num.h"

bool pop3_parse_command(struct span line, struct pop3_command *command_r)
{
	size_t blank = span_index(line, 0, ' ');
	command_r->verb = span_make(line.p, blank);
	command_r->rest = blank < line.n ? span_make(line.p + blank + 1, line.n - blank - 1)
					 : span_make(line.p + line.n, 0);
	if (!blank)
		return false;
	for (size_t i = 0; i < blank; i++)
		if (!ascii_is_alpha((unsigned char)line.p[i]))
			return false;
	return true;
}

bool pop3_parse_numbers(struct span rest, uint32_t *v, unsigned n, unsigned zero_from)
{
	struct span piece;
	rest = span_trim(rest);
	for (unsigned i = 0; i < n; i++) {
		if (!span_split(&rest, ' ', &piece) || !num_parse_u32(piece, UINT32_MAX, &v[i]))
			return false;
		if (i < zero_from && v[i] == 0)
			return false;
	}
	return rest.p == NULL;
}
