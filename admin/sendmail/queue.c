/* mailq and sendmail -q: questions to qmgr. */
#include <stdio.h>

#include "admin/sendmail/sendmail.h"
#include "ipc/ipc.h"
#include "mail/date.h"
#include "queue/messages.h"

#define ASK_MS 30000
#define PAGE   500

static int ask(struct sendmail *s, const struct ipc_msg *request, const void *body,
	const struct ipc_msg *reply_msg, void *reply)
{
	struct ipc_client *client = ipc_client_new(run_path(s, "queue-admin"));
	const char *why = "";
	struct ipc_call call = {
		.request = request,
		.body = body,
		.reply_type = reply_msg,
		.reply = reply,
		.deadline = io_deadline(ASK_MS),
	};
	int rc = ipc_client_call(client, s->pool, &call, &why);
	if (rc != 0)
		say(EX_UNAVAILABLE, "The queue can't be asked: %s", why);
	ipc_client_free(&client);
	return rc == 0 ? EX_OK : EX_UNAVAILABLE;
}

static void print_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

/* As mailq has always looked: id, size, time, sender; below it why it waits, and the recipients. */
static void print_message(const struct queue_message_info *m)
{
	const struct queue_recipient_info *v = m->recipients.v;
	struct date arrival = {m->arrival, 0};
	struct str when = STR_INIT;
	date_put(&when, &arrival);
	printf("%s%c %9llu %s  ", m->trace,
		strcmp(m->state, "active") == 0 ? '*'
		: strcmp(m->state, "held") == 0 ? '!'
						: ' ',
		(unsigned long long)m->size, str_c(&when));
	print_text(m->sender[0] ? m->sender : "MAILER-DAEMON");
	putchar('\n');
	for (size_t i = 0; i < m->recipients.n; i++) {
		if (strcmp(v[i].state, "done") == 0)
			continue;
		if (v[i].text[0]) {
			printf("    (");
			print_text(v[i].text);
			printf(")\n");
		}
		printf("        ");
		print_text(v[i].address);
		putchar('\n');
	}
	str_fini(&when);
}

int mode_queue(struct sendmail *s)
{
	struct queue_list_request rq = {.match = "", .state = "", .after = "", .limit = PAGE};
	struct queue_list_reply reply;
	size_t count = 0;
	do {
		int status = ask(s, &queue_list_request_msg, &rq, &queue_list_reply_msg, &reply);
		if (status != EX_OK)
			return status;
		const struct queue_message_info *v = reply.messages.v;
		for (size_t i = 0; i < reply.messages.n; i++)
			print_message(&v[i]);
		count += reply.messages.n;
		if (reply.messages.n)
			rq.after = v[reply.messages.n - 1].trace;
	} while (reply.messages.n == PAGE);
	if (count)
		printf("-- %zu message%s\n", count, count == 1 ? "" : "s");
	else
		printf("Mail queue is empty\n");
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int mode_flush(struct sendmail *s)
{
	struct queue_action_request rq = {.action = "flush", .match = "", .all = true};
	struct queue_action_reply reply;
	return ask(s, &queue_action_request_msg, &rq, &queue_action_reply_msg, &reply);
}
