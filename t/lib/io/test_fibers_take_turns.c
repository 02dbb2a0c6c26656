/* Fibers run in the order they became ready, by thousands, and an overflow is a crash. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/log.h"
#include "os/os.h"
#include "test.h"

struct trace {
	struct str text;
	char next;
};

static struct trace trace_of;

static void write_twice(void *arg)
{
	str_putc(&trace_of.text, *(const char *)arg);
	fiber_yield();
	str_putc(&trace_of.text, *(const char *)arg);
}

static void order_is_first_in_first_out(void **state)
{
	(void)state;
	fiber_start("a", write_twice, "a");
	fiber_start("b", write_twice, "b");
	fiber_start("c", write_twice, "c");
	assert_int_equal(trace_of.text.len, 0);
	assert_int_equal(fiber_count(), 3);
	run_fibers();
	assert_string_equal(str_c(&trace_of.text), "abcabc");
	str_fini(&trace_of.text);
}

static int64_t sleep_from;

static void sleep_and_write(void *arg)
{
	const char *c = arg;
	io_sleep(sleep_from + (*c - '0') * 20 - clock_mono_ms());
	str_putc(&trace_of.text, *c);
}

static void sleepers_wake_in_the_order_of_their_clocks(void **state)
{
	(void)state;
	sleep_from = clock_mono_ms() + 200; /* all of them have begun by then */
	for (const char *p = "31204"; *p; p++)
		fiber_start("sleeper", sleep_and_write, (void *)p);
	run_fibers();
	assert_string_equal(str_c(&trace_of.text), "01234");
	assert_in_range(clock_mono_ms() - sleep_from, 80, 20000);
	str_fini(&trace_of.text);
}

static void sum_deep(void *arg)
{
	volatile char page[2000];
	memset((char *)page, 1, sizeof(page));
	for (int i = 0; i < 3; i++) {
		io_sleep(i);
		fiber_yield();
	}
	*(unsigned *)arg += (unsigned)page[1999];
}

static void ten_thousand_live_at_once(void **state)
{
	(void)state;
	unsigned n = 0;
	for (int i = 0; i < 10000; i++)
		fiber_start("one of many", sum_deep, &n);
	assert_int_equal(fiber_count(), 10000);
	run_fibers();
	assert_int_equal(n, 10000);
}

static double keep_adding(double x)
{
	double sum = 0;
	for (int i = 0; i < 100; i++) {
		sum += x * i;
		fiber_yield();
	}
	return sum;
}

static void add_floats(void *arg)
{
	double *x = arg;
	*x = keep_adding(*x);
}

static void registers_survive(void **state)
{
	(void)state;
	double x[4] = {1.5, 2.25, -3, 0.125};
	for (int i = 0; i < 4; i++)
		fiber_start("float", add_floats, &x[i]);
	run_fibers();
	assert_true(x[0] == 1.5 * 4950 && x[1] == 2.25 * 4950 && x[2] == -3.0 * 4950 &&
		    x[3] == 0.125 * 4950);
}

static void set_context(void *arg)
{
	struct log_context *mine = arg;
	assert_null(log_context_swap(mine));
	fiber_yield();
	io_sleep(1);
	assert_ptr_equal(log_context_swap(NULL), mine);
}

static void log_contexts_are_each_fibers_own(void **state)
{
	(void)state;
	struct log_context a = {.session = "a"}, b = {.session = "b"}, outer = {.session = "o"};
	assert_null(log_context_swap(&outer));
	fiber_start("a", set_context, &a);
	fiber_start("b", set_context, &b);
	run_fibers();
	assert_ptr_equal(log_context_swap(NULL), &outer);
}

struct hog {
	bool other_ran, saw_it;
};

static void hog(void *arg)
{
	struct hog *h = arg;
	int64_t end = clock_mono_ms() + 20000;
	while (!h->other_ran && clock_mono_ms() < end)
		fiber_breathe();
	h->saw_it = h->other_ran;
}

static void note(void *arg)
{
	struct hog *h = arg;
	h->other_ran = true;
}

static void breathing_lets_others_run(void **state)
{
	(void)state;
	struct hog h = {0};
	fiber_start("hog", hog, &h);
	fiber_start("other", note, &h);
	run_fibers();
	assert_true(h.saw_it);
}

static int overflow(size_t depth)
{
	volatile char block[1024];
	memset((char *)block, (int)depth, sizeof(block));
	return depth ? overflow(depth - 1) + block[17] : 0;
}

/* A little too deep: without a guard page this would scribble over the next stack and live. */
static void overflow_fiber(void *arg)
{
	*(int *)arg = overflow(os_stack_size() / 1024 + 8);
	_exit(0);
}

static void overflow_beside_others(void)
{
	struct rlimit none = {0, 0};
	int result = 0;
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	loop_close();
	if (!freopen("/dev/null", "w", stderr))
		_exit(0);
	fiber_start("too deep", overflow_fiber, &result);
	for (int i = 0; i < 8; i++)
		fiber_start("neighbour", sum_deep, &result);
	run_fibers();
}

static void an_overflow_is_a_crash(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();
	if (child == 0) {
		overflow_beside_others();
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t resident_bytes(void)
{
	char text[256] = "";
	unsigned long total, resident;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_int_equal(sscanf(text, "%lu %lu", &total, &resident), 2);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

__attribute__((noinline)) static unsigned touch_stack(void)
{
	volatile char deep[64 * 1024];
	memset((char *)deep, 1, sizeof(deep));
	return (unsigned)deep[1];
}

struct waiting {
	unsigned n;
	struct fiber_cond end;
};

static void touch_stack_then_wait(void *arg)
{
	struct waiting *w = arg;
	w->n += touch_stack();
	fiber_wait(&w->end, IO_FOREVER);
}

static void waiting_fibers_give_their_stacks_back(void **state)
{
	(void)state;
	enum { FIBERS = 500 };
	struct waiting w = {0};
	if (os_stack_size() != OS_STACK_SIZE)
		skip(); /* the sanitizer's own memory hides it */
	size_t before = resident_bytes();
	for (int i = 0; i < FIBERS; i++)
		fiber_start("waits", touch_stack_then_wait, &w);
	loop_turn(10);
	loop_turn(0);
	assert_int_equal(w.n, FIBERS);
	assert_true(resident_bytes() - before > (size_t)FIBERS * 64 * 1024);
	int64_t end = clock_mono_ms() + 20000;
	while (resident_bytes() - before >= (size_t)FIBERS * 6 * 1024 && clock_mono_ms() < end)
		loop_turn(50);
	assert_true(resident_bytes() - before < (size_t)FIBERS * 6 * 1024);
	assert_int_equal(fiber_count(), FIBERS);
	fiber_wake_all(&w.end);
	run_fibers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_first_in_first_out),
		cmocka_unit_test(sleepers_wake_in_the_order_of_their_clocks),
		cmocka_unit_test(ten_thousand_live_at_once),
		cmocka_unit_test(registers_survive),
		cmocka_unit_test(log_contexts_are_each_fibers_own),
		cmocka_unit_test(breathing_lets_others_run),
		cmocka_unit_test(an_overflow_is_a_crash),
		cmocka_unit_test(waiting_fibers_give_their_stacks_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
