#include "store/mapping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/log.h"

struct range {
	_Atomic uintptr_t from; /* 0: free */
	_Atomic size_t n;
	_Atomic bool bad;
};

/* Of the process and mutable, because signals and address spaces are: a handler has no context
 * argument. */
static struct range ranges[MAPPINGS_MAX];
static _Atomic unsigned ranges_used; /* slots from here on were never used */
static struct sigaction before;
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER; /* loads run on helper threads */

#define PAGE ((uintptr_t)4096)

static bool patch(uintptr_t at)
{
	unsigned used = atomic_load(&ranges_used);
	for (unsigned i = 0; i < used; i++) {
		uintptr_t from = atomic_load(&ranges[i].from);
		if (!from || at < from || at - from >= atomic_load(&ranges[i].n))
			continue;
		atomic_store(&ranges[i].bad, true);
		void *page = (void *)(at & ~(PAGE - 1));
		return mmap(page, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
	}
	return false;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	int error = errno;
	bool patched = patch((uintptr_t)info->si_addr);
	errno = error;
	if (patched)
		return;
	/* Not ours: as if this handler were not here. */
	if (before.sa_flags & SA_SIGINFO && before.sa_sigaction)
		before.sa_sigaction(signo, info, context);
	else
		signal(signo, SIG_DFL); /* the instruction runs again and ends the process */
}

/* Looked at each time: a library may have put its own in our place since. */
static void install(void)
{
	struct sigaction now, action = {.sa_sigaction = on_sigbus,
				      .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
	sigemptyset(&action.sa_mask);
	pthread_mutex_lock(&taking);
	if (sigaction(SIGBUS, NULL, &now) < 0)
		log_fatal("The handler for mapped files can't be looked at: %m.");
	if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigbus) {
		before = now;
		if (sigaction(SIGBUS, &action, NULL) < 0)
			log_fatal("The handler for mapped files can't be installed: %m.");
	}
	pthread_mutex_unlock(&taking);
}

static int take_slot(struct mapping *m)
{
	pthread_mutex_lock(&taking);
	unsigned i = 0, used = atomic_load(&ranges_used);
	while (i < used && atomic_load(&ranges[i].from))
		i++;
	int rc = i < MAPPINGS_MAX ? 0 : -1;
	if (rc == 0) {
		atomic_store(&ranges[i].bad, false);
		atomic_store(&ranges[i].n, m->n);
		atomic_store(&ranges[i].from, (uintptr_t)m->p);
		if (i == used)
			atomic_store(&ranges_used, used + 1);
		m->slot = i;
	}
	pthread_mutex_unlock(&taking);
	return rc;
}

int mapping_open(struct mapping *m, int fd, size_t n, bool shared)
{
	install();
	*m = (struct mapping){.n = n};
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	m->p = p;
	if (take_slot(m) == 0)
		return 0;
	munmap(p, n);
	*m = (struct mapping){0};
	errno = EMFILE;
	return -1;
}

void mapping_close(struct mapping *m)
{
	if (!m->p)
		return;
	pthread_mutex_lock(&taking);
	atomic_store(&ranges[m->slot].from, 0);
	pthread_mutex_unlock(&taking);
	munmap(m->p, m->n);
	*m = (struct mapping){0};
}

bool mapping_is_bad(const struct mapping *m)
{
	return m->p && atomic_load(&ranges[m->slot].bad);
}
