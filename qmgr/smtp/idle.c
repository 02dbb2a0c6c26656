/* Connections that wait for the next message to the same destination. */
#include <sys/socket.h>

#include "io/loop.h"
#include "qmgr/smtp/smtp.h"

static void leave(struct link *l)
{
	list_remove(&l->idle_link);
	l->agent->nidle--;
	loop_timer_remove(&l->timer);
}

static void waited_enough(void *arg)
{
	struct link *l = arg;
	leave(l);
	link_quit(&l);
}

/* The peer may have closed it, or said 421, while nobody looked. What it said unasked, right behind the last reply perhaps,
 * would be taken for the reply to the next message's MAIL. */
static bool is_alive(const struct link *l)
{
	char c;
	ssize_t n = recv(stream_fd(l->stream), &c, 1, MSG_PEEK | MSG_DONTWAIT);
	if (stream_has_input(l->stream) || stream_state(l->stream) != STREAM_OK)
		return false;
	return n < 0 || (n > 0 && stream_is_tls(l->stream)); /* TLS: tickets come when they like */
}

struct link *idle_take(struct smtp_agent *agent, const char *key)
{
	list_each(at, &agent->idle)
	{
		struct link *l = list_entry(at, struct link, idle_link);
		if (strcmp(l->key, key) != 0)
			continue;
		leave(l);
		if (is_alive(l)) {
			l->reused = true;
			return l;
		}
		link_drop(&l);
	}
	return NULL;
}

void idle_put(struct link **link)
{
	struct link *l = *link;
	const struct smtp_conf *conf = l->agent->conf;
	if (stream_state(l->stream) != STREAM_OK) {
		link_drop(link);
		return;
	}
	if (l->messages >= conf->messages_per_connection || conf->idle_timeout <= 0) {
		link_quit(link);
		return;
	}
	*link = NULL;
	if (l->agent->nidle >= IDLE_LINKS_MAX)
		waited_enough(list_entry(l->agent->idle.next, struct link, idle_link));
	list_add_tail(&l->agent->idle, &l->idle_link);
	l->agent->nidle++;
	l->timer = loop_timer_add(conf->idle_timeout, waited_enough, l);
}

void idle_close_all(struct smtp_agent *agent)
{
	list_each(at, &agent->idle)
	{
		struct link *l = list_entry(at, struct link, idle_link);
		leave(l);
		stream_puts(l->stream, "QUIT\r\n");
		stream_flush_try(l->stream);
		link_drop(&l);
	}
}
