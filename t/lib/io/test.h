/* What cmocka wants included before itself, and what most tests of fibers need. */
#ifndef TEST_IO_TEST_H
#define TEST_IO_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "io/io.h"
#include "io/loop.h"

/* Runs the loop until every fiber has ended; a test that hangs is killed by the alarm. */
static inline void run_fibers(void)
{
	alarm(60);
	while (fiber_count())
		loop_turn(1000);
	alarm(0);
}

static inline void make_pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
}

#endif
