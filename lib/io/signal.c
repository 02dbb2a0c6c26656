/* Signals as events of the loop: the handler marks the number and wakes the loop, no more. */
#include "io/sched.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pool.h"

struct signal_slot {
	loop_fn fn;
	void *arg;
};

/* Mutable statics, because a handler reaches nothing else: what has arrived, and whom to wake
 * (the wake descriptor plus one; 0: nobody). */
static _Atomic bool arrived[NSIG];
static _Atomic int wake_fd_plus_one[NSIG];

static void on_signal(int signo)
{
	int saved = errno, fd = atomic_load(&wake_fd_plus_one[signo]) - 1;
	uint64_t one = 1;
	atomic_store(&arrived[signo], true);
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) {
		/* full: the loop is awake already */
	}
	errno = saved;
}

void loop_signal(int signo, loop_fn fn, void *arg)
{
	struct loop *loop = loop_get();
	struct sigaction action = {.sa_handler = fn ? on_signal : SIG_DFL, .sa_flags = SA_RESTART};
	if (signo <= 0 || signo >= NSIG)
		log_panic("loop_signal of %d", signo);
	if (!loop->signals)
		loop->signals = mem_alloc(NSIG * sizeof(struct signal_slot));
	loop->signals[signo] = (struct signal_slot){fn, arg};
	atomic_store(&wake_fd_plus_one[signo], fn ? loop->wake_fd + 1 : 0);
	sigfillset(&action.sa_mask);
	if (sigaction(signo, &action, NULL) < 0)
		log_panic("signal %d can't be handled: %m", signo);
}

void signal_dispatch(struct loop *loop)
{
	if (!loop->signals)
		return;
	for (int i = 1; i < NSIG; i++)
		if (loop->signals[i].fn && atomic_exchange(&arrived[i], false))
			loop->signals[i].fn(loop->signals[i].arg);
}

void signal_reset(struct loop *loop)
{
	if (!loop->signals)
		return;
	for (int i = 1; i < NSIG; i++)
		if (loop->signals[i].fn)
			loop_signal(i, NULL, NULL);
	mem_free(&loop->signals);
}
