/* The fields that a summary keeps, and telling them apart quickly: length and first letter decide
 * which one it can be. */
#include "mail/summary.h"

#include "base/array.h"

#define KEY(n, first) ((n) << 8 | (first))

static const struct span field_names[SUMMARY_NFIELD];

static int candidate(struct span name)
{
	switch (KEY(name.n, (size_t)ascii_lower(name.p[0]))) {
	case KEY(4, 'd'):
		return SUMMARY_DATE;
	case KEY(4, 'f'):
		return SUMMARY_FROM;
	case KEY(6, 's'):
		return SUMMARY_SENDER;
	case KEY(8, 'r'):
		return SUMMARY_REPLY_TO;
	case KEY(2, 't'):
		return SUMMARY_TO;
	case KEY(2, 'c'):
		return SUMMARY_CC;
	case KEY(3, 'b'):
		return SUMMARY_BCC;
	case KEY(7, 's'):
		return SUMMARY_SUBJECT;
	case KEY(10, 'm'):
		return SUMMARY_MESSAGE_ID;
	case KEY(11, 'i'):
		return SUMMARY_IN_REPLY_TO;
	case KEY(10, 'r'):
		return SUMMARY_REFERENCES;
	case KEY(12, 'c'):
		return SUMMARY_CONTENT_TYPE;
	case KEY(7, 'l'):
		return SUMMARY_LIST_ID;
	case KEY(9, 'l'):
		return SUMMARY_LIST_POST;
	case KEY(16, 'l'):
		return SUMMARY_LIST_UNSUBSCRIBE;
	case KEY(8, 'p'):
		return SUMMARY_PRIORITY;
	case KEY(10, 'x'):
		return SUMMARY_X_PRIORITY;
	case KEY(10, 'i'):
		return SUMMARY_IMPORTANCE;
	case KEY(10, 'n'):
		return SUMMARY_NEWSGROUPS;
	case KEY(12, 'm'):
		return SUMMARY_MIME_VERSION;
	case KEY(25, 'c'):
		return SUMMARY_CONTENT_TRANSFER_ENCODING;
	default:
		return -1;
	}
}

int summary_field_of(struct span name)
{
	int id = name.n ? candidate(name) : -1;
	return id >= 0 && span_ieq(name, field_names[id]) ? id : -1;
}

static const struct span field_names[SUMMARY_NFIELD] = {
	[SUMMARY_DATE] = SPAN_LIT("Date"),
	[SUMMARY_FROM] = SPAN_LIT("From"),
	[SUMMARY_SENDER] = SPAN_LIT("Sender"),
	[SUMMARY_REPLY_TO] = SPAN_LIT("Reply-To"),
	[SUMMARY_TO] = SPAN_LIT("To"),
	[SUMMARY_CC] = SPAN_LIT("Cc"),
	[SUMMARY_BCC] = SPAN_LIT("Bcc"),
	[SUMMARY_SUBJECT] = SPAN_LIT("Subject"),
	[SUMMARY_MESSAGE_ID] = SPAN_LIT("Message-ID"),
	[SUMMARY_IN_REPLY_TO] = SPAN_LIT("In-Reply-To"),
	[SUMMARY_REFERENCES] = SPAN_LIT("References"),
	[SUMMARY_CONTENT_TYPE] = SPAN_LIT("Content-Type"),
	[SUMMARY_LIST_ID] = SPAN_LIT("List-Id"),
	[SUMMARY_LIST_POST] = SPAN_LIT("List-Post"),
	[SUMMARY_LIST_UNSUBSCRIBE] = SPAN_LIT("List-Unsubscribe"),
	[SUMMARY_PRIORITY] = SPAN_LIT("Priority"),
	[SUMMARY_X_PRIORITY] = SPAN_LIT("X-Priority"),
	[SUMMARY_IMPORTANCE] = SPAN_LIT("Importance"),
	[SUMMARY_NEWSGROUPS] = SPAN_LIT("Newsgroups"),
	[SUMMARY_MIME_VERSION] = SPAN_LIT("MIME-Version"),
	[SUMMARY_CONTENT_TRANSFER_ENCODING] = SPAN_LIT("Content-Transfer-Encoding"),
};
