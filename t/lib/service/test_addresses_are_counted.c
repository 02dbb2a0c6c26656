/* Connections of an address are summed over all workers, and those of a dead worker are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "io/net.h"
#include "service/scoreboard.h"

static struct scoreboard *board(void)
{
	struct scoreboard *sb;
	const char *err;
	int fd;

	assert_int_equal(scoreboard_create(&sb, &fd, &err), 0);
	close(fd);
	return sb;
}

static struct sockaddr_storage address(const char *text)
{
	struct net_addr a;
	const char *err;

	assert_int_equal(net_parse(text, &a, &err), 0);
	return a.sa;
}

static const struct {
	const char *address, *service;
	unsigned row;
	int by;
	unsigned total; /* after by = 1 */
} steps[] = {
	{"192.0.2.1:1", "smtp", 0, 1, 1},
	{"192.0.2.1:2", "smtp", 0, 1, 2},
	{"192.0.2.1:3", "smtp", 5, 1, 3},
	{"192.0.2.1:4", "imap", 5, 1, 1}, /* each service counts for itself */
	{"192.0.2.2:1", "smtp", 0, 1, 1},
	{"[::ffff:192.0.2.1]:9", "smtp", 7, 1, 4}, /* the same, through a v6 socket */
	{"192.0.2.1:2", "smtp", 0, -1, 0},
	{"192.0.2.1:5", "smtp", 0, 1, 4},
	{"[2001:db8:0:1::1]:1", "smtp", 0, 1, 1},
	{"[2001:db8:0:1:ffff::9]:1", "smtp", 1, 1, 2}, /* one network is one host's */
	{"[2001:db8:0:2::1]:1", "smtp", 0, 1, 1},
};

static void sums_are_over_all_workers(void **state)
{
	struct scoreboard *sb = board();
	(void)state;

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct sockaddr_storage sa = address(steps[i].address);
		if (steps[i].by < 0)
			scoreboard_address_remove(sb, steps[i].row, steps[i].service,
				(struct sockaddr *)&sa);
		else
			assert_int_equal(scoreboard_address_add(sb, steps[i].row,
						 steps[i].service, (struct sockaddr *)&sa),
				steps[i].total);
	}
}

static void a_dead_worker_holds_nothing(void **state)
{
	struct scoreboard *sb = board();
	struct sockaddr_storage sa = address("192.0.2.1:1");
	(void)state;

	for (unsigned row = 3; row <= 4; row++) {
		scoreboard_row(sb, row)->connections = 2;
		scoreboard_address_add(sb, row, "smtp", (struct sockaddr *)&sa);
		scoreboard_address_add(sb, row, "smtp", (struct sockaddr *)&sa);
	}
	scoreboard_clear(sb, 3);
	assert_int_equal(scoreboard_address_add(sb, 9, "smtp", (struct sockaddr *)&sa), 3);
	assert_int_equal(scoreboard_row(sb, 3)->connections, 0);
	assert_int_equal(scoreboard_row(sb, 4)->connections, 2);
}

/* A remove without an add, as after a clear, takes nothing from others. */
static void removing_too_often_does_no_harm(void **state)
{
	struct scoreboard *sb = board();
	struct sockaddr_storage sa = address("192.0.2.1:1");
	(void)state;

	scoreboard_address_add(sb, 1, "smtp", (struct sockaddr *)&sa);
	for (int i = 0; i < 3; i++)
		scoreboard_address_remove(sb, 2, "smtp", (struct sockaddr *)&sa);
	assert_int_equal(scoreboard_address_add(sb, 2, "smtp", (struct sockaddr *)&sa), 2);
}

/* A hundred thousand addresses come and go: places are found again. */
static void places_are_reused(void **state)
{
	struct scoreboard *sb = board();
	struct sockaddr_in sin = {.sin_family = AF_INET};
	(void)state;

	for (uint32_t i = 0; i < 100000; i++) {
		sin.sin_addr.s_addr = htonl(0x0a000000 + i);
		assert_int_equal(scoreboard_address_add(sb, i % 50, "smtp", (void *)&sin), 1);
		scoreboard_address_remove(sb, i % 50, "smtp", (void *)&sin);
	}
}

#define WORKERS 4
#define ROUNDS	300000

/* Workers race for the same places; afterwards the counts are exact. */
static void racing_workers_lose_no_count(void **state)
{
	struct scoreboard *sb = board();
	struct sockaddr_storage sa = address("192.0.2.1:1");
	unsigned total;
	(void)state;

	for (unsigned row = 0; row < WORKERS; row++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < ROUNDS; i++) {
			struct sockaddr_in sin = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)i % 300)};
			scoreboard_address_add(sb, row, "smtp", (void *)&sin);
			scoreboard_address_add(sb, row, "smtp", (struct sockaddr *)&sa);
			scoreboard_address_remove(sb, row, "smtp", (struct sockaddr *)&sa);
			scoreboard_address_remove(sb, row, "smtp", (void *)&sin);
		}
		scoreboard_address_add(sb, row, "smtp", (struct sockaddr *)&sa);
		_exit(0);
	}
	for (int i = 0; i < WORKERS; i++)
		wait(NULL);
	total = scoreboard_address_add(sb, 99, "smtp", (struct sockaddr *)&sa);
	assert_int_equal(total, WORKERS + 1);
	for (uint32_t i = 0; i < 300; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(0x0a000000 + i)};
		assert_int_equal(scoreboard_address_add(sb, 99, "smtp", (void *)&sin), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_over_all_workers),
		cmocka_unit_test(a_dead_worker_holds_nothing),
		cmocka_unit_test(removing_too_often_does_no_harm),
		cmocka_unit_test(places_are_reused),
		cmocka_unit_test(racing_workers_lose_no_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
