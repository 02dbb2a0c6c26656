/*
 * Dates of messages (RFC 5322 3.3 and 4.3) and of IMAP (RFC 3501 date-time). A date is seconds
 * since 1970 in UTC and the zone in minutes east that it was written in.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/str.h"

struct date {
	int64_t utc_s;
	int zone_min;
};

/* Lenient: day name, seconds and zone may be missing, obsolete zones and two-digit years are
 * understood, comments and white space skipped. 0, or -1 when there is no date in it. */
int date_parse(struct span value, struct date *date_r);
/* "Fri, 21 Nov 1997 09:55:06 -0600". */
void date_put(struct str *out, const struct date *date);
/* Now, in the zone of this machine (read with localtime_r). */
struct date date_now(void);

/* IMAP: "17-Jul-1996 02:44:25 -0700", the day padded with a space, without the quotes. Parsing is
 * strict. */
int date_parse_imap(struct span s, struct date *date_r);
void date_put_imap(struct str *out, const struct date *date);

/* Days of the proleptic Gregorian calendar from 1970-01-01; month 1-12. */
int64_t date_days(int year, int month, int day);
/* The day (days from 1970) that the date shows on its own clock: what SEARCH ON and SENTON
 * compare, "disregarding time and timezone". */
int64_t date_local_day(const struct date *date);

#endif
