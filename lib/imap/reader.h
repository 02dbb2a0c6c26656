/*
 * Cuts the bytes of a client into commands (RFC 3501 2.2.1, literals 4.3, RFC 7888
 * non-synchronising ones), fed in pieces of any size. A command is collected as one text: its lines
 * without line ends, each literal in place as "{n}" CRLF and its n octets, ready for the parsers of
 * imap/parse.h. Knows no verbs: at each literal the caller decides.
 *
 * A command that breaks a limit is read to its end and dropped, so that no octet of it is ever
 * taken for another command.
 */
#ifndef IMAP_READER_H
#define IMAP_READER_H

#include "base/str.h"

#define IMAP_LINE_MAX    (64 * 1024)         /* octets of one line: BAD */
#define IMAP_COMMAND_MAX (512 * 1024)        /* a command with its literals: BAD */
/* a refused literal that is still read over; past it BYE */
#define IMAP_SKIP_MAX    (256 * 1024 * 1024)

enum imap_read {
	IMAP_READ_MORE,    /* all input was taken and the command goes on */
	IMAP_READ_LITERAL, /* `literal` octets are announced: take, stream or refuse them */
	IMAP_READ_DONE,    /* the command is in `text` */
	/* the command broke a limit and is over: `broke` says why, `text` begins with its tag */
	IMAP_READ_LIMIT,
	IMAP_READ_LOST,    /* as LIMIT, but where the next command begins can't be known: close */
};

struct imap_reader {
	struct str text;
	uint64_t literal;   /* octets announced */
	bool sync;          /* the client waits for "+" before it sends them */
	const char *broke;  /* a sentence; NULL while all is well */
	size_t literal_max; /* of each literal that is taken */
	size_t command_max; /* IMAP_COMMAND_MAX; who takes commands of strangers sets less */
	/* private */
	int state;
	size_t line_at, tail_n;
	uint64_t left;
	char tail[32]; /* the end of a line that is read over: it may announce a literal */
};

void imap_reader_init(struct imap_reader *r, size_t literal_max);
void imap_reader_fini(struct imap_reader *r);
/* Forget the command that is done, begin the next. Gives back memory of large commands. */
void imap_reader_reset(struct imap_reader *r);
/* Between two commands: nothing of the next one was read yet. */
bool imap_reader_is_idle(const struct imap_reader *r);

/* Takes from `in`, tells in *used_r how many octets. Not to be called in LITERAL before one of
 * the three below, nor after DONE, LIMIT or LOST before a reset. */
enum imap_read imap_reader_feed(struct imap_reader *r, struct span in, size_t *used_r);

/* After LITERAL: */
/* Collects it into the text. False when it is past literal_max or command_max: it was
 * refused with that reason. When true and `sync`, the caller sends the continuation. */
bool imap_reader_take(struct imap_reader *r);
/* The caller reads the octets itself, then feeds on: the text starts anew with what follows
 * them. */
void imap_reader_stream(struct imap_reader *r);
/* Reads over it and all that follows: the command ends in LIMIT or LOST (a synchronising literal
 * at the next feed, with no input taken). */
void imap_reader_refuse(struct imap_reader *r, const char *why);

#endif
