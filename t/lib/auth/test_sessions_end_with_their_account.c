/* What the directory says about accounts after their logins, and what it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>

#include "auth/accounts.h"
#include "base/array.h"

#define MANY 1000

/* The directory: who has gone from it, what it was asked, and its connection. */
struct directory {
	const char *gone;
	bool notify_with_redeem;
	unsigned asked, connections;
	char last[32];
	int fd;
	struct ipc_server_conn *conn;
};

struct session {
	struct auth_login login;
	unsigned told;
};

struct fixture {
	struct directory d;
	struct ipc_client *client;
	struct auth_accounts *accounts;
	struct pool *pool;
	struct session many[MANY], other;
};

/* They live as long as the process, within reach of the leak checker. */
static struct auth_accounts *kept[16];
static size_t n_kept;

static void say_changed(struct directory *d, const char *account)
{
	struct dir_changed changed = {.count = 1, .account = account};
	ipc_send(ipc_conn_ipc(d->conn), &dir_changed_msg, 0, &changed, NULL, 0);
}

/* The ticket is the account; its user is always the same. */
static void run_redeem(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directory *d = ipc_conn_arg(conn);
	const struct dir_redeem_request *redeem = body;
	struct dir_redeem_reply reply = {
		.ok = true, .user = "anna@our.test", .account = pool_span(rq->pool, redeem->ticket)};
	ipc_reply(conn, rq, &reply);
	if (d->notify_with_redeem)
		say_changed(d, reply.account);
}

static void run_check(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directory *d = ipc_conn_arg(conn);
	const struct dir_check_request *check = body;
	assert_string_equal(check->user, "anna@our.test");
	struct dir_check_reply reply = {.ok = strcmp(check->account, d->gone) != 0};
	d->asked++;
	snprintf(d->last, sizeof(d->last), "%s", check->account);
	ipc_reply(conn, rq, &reply);
}

static const struct ipc_handler handlers[] = {
	{&dir_redeem_request_msg, &dir_redeem_reply_msg, run_redeem, true},
	{&dir_check_request_msg, &dir_check_reply_msg, run_check, true},
};

static void serve(void *arg)
{
	ipc_server_run(((struct directory *)arg)->conn);
}

static int connect_to(void *arg)
{
	struct directory *d = arg;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	d->connections++;
	d->fd = pair[1];
	d->conn = ipc_server_new(pair[1], handlers, COUNT_OF(handlers), d, NULL);
	fiber_start("directory", serve, d);
	return pair[0];
}

static void note(struct auth_login *login)
{
	container_of(login, struct session, login)->told++;
}

static void enter(struct fixture *f, struct session *s, const char *account)
{
	struct dir_redeem_reply who = {0};
	s->login.gone = note;
	assert_true(auth_enter(f->accounts, f->pool, span_of(account), "imap", &s->login, &who));
	assert_string_equal(who.account, account);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	f->pool = pool_new("test");
	f->d.gone = "";
	f->client = ipc_client_new_connector(connect_to, &f->d);
	f->accounts = kept[n_kept++] = auth_accounts_new(f->client);
	for (size_t i = 0; i < MANY; i++)
		enter(f, &f->many[i], "first");
	enter(f, &f->other, "second");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < MANY; i++)
		auth_leave(f->accounts, &f->many[i].login);
	auth_leave(f->accounts, &f->other.login);
	ipc_client_free(&f->client);
	for (int turns = 0; fiber_count() && turns < 1000; turns++)
		io_sleep(1);
	assert_int_equal(fiber_count(), 0);
	pool_free(&f->pool);
	mem_free(&f);
	return 0;
}

static void wait_until_asked(struct fixture *f, unsigned times)
{
	for (int turns = 0; f->d.asked < times && turns < 5000; turns++)
		io_sleep(1);
	io_sleep(50); /* it is asked no more */
	assert_int_equal(f->d.asked, times);
}

static void one_question_for_all_sessions_of_an_account(void **state)
{
	struct fixture *f = *state;
	f->d.gone = "first";
	say_changed(&f->d, "first");
	wait_until_asked(f, 1);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(f->many[i].told, 1);
	assert_int_equal(f->other.told, 0);
}

static void a_burst_of_notices_is_answered_once_or_twice(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 500; i++)
		say_changed(&f->d, "first");
	for (int turns = 0; !f->d.asked && turns < 5000; turns++)
		io_sleep(1);
	io_sleep(100);
	assert_in_range(f->d.asked, 1, 2);
	assert_int_equal(f->many[0].told, 0);
}

static void nobody_asks_about_what_is_not_here(void **state)
{
	struct fixture *f = *state;
	say_changed(&f->d, "");
	say_changed(&f->d, "third");
	say_changed(&f->d, "second");
	wait_until_asked(f, 1);
	assert_string_equal(f->d.last, "second");
	assert_int_equal(f->other.told, 0);
}

static void after_an_absence_everybody_is_asked_for(void **state)
{
	struct fixture *f = *state;
	f->d.gone = "second";
	shutdown(f->d.fd, SHUT_RDWR);
	wait_until_asked(f, 2);
	assert_int_equal(f->d.connections, 2);
	assert_int_equal(f->many[0].told, 0);
	assert_int_equal(f->other.told, 1);
	say_changed(&f->d, "first"); /* it hears again */
	wait_until_asked(f, 3);
}

static void a_notice_and_the_end_come_together(void **state)
{
	struct fixture *f = *state;
	f->d.gone = "first";
	auth_leave(f->accounts, &f->other.login);
	say_changed(&f->d, "first");
	assert_int_equal(ipc_flush(ipc_conn_ipc(f->d.conn), io_deadline(1000)), 0);
	shutdown(f->d.fd, SHUT_RDWR);
	wait_until_asked(f, 1);
	assert_int_equal(f->many[0].told, 1);
}

static void a_change_right_behind_the_login_is_heard(void **state)
{
	struct fixture *f = *state;
	struct session s = {0};
	f->d.gone = "late";
	f->d.notify_with_redeem = true;
	enter(f, &s, "late");
	wait_until_asked(f, 1);
	assert_int_equal(s.told, 1);
	auth_leave(f->accounts, &s.login);
	auth_leave(f->accounts, &s.login);
}

static void who_leaves_is_told_no_more(void **state)
{
	struct fixture *f = *state;
	f->d.gone = "second";
	auth_leave(f->accounts, &f->other.login);
	say_changed(&f->d, "second");
	io_sleep(50);
	assert_int_equal(f->d.asked + f->other.told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_question_for_all_sessions_of_an_account, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_burst_of_notices_is_answered_once_or_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_asks_about_what_is_not_here, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_an_absence_everybody_is_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_notice_and_the_end_come_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_change_right_behind_the_login_is_heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_is_told_no_more, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
