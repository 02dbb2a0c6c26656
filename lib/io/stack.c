/* Fibers' stacks: [guard page][stack ... struct fiber], one mapping each. */
#include "io/sched.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static struct fiber *stack_map(void)
{
	size_t guard = page_size(), size = os_stack_size();
	char *base = mmap(NULL, guard + size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (base == MAP_FAILED || mprotect(base, guard, PROT_NONE) < 0)
		log_fatal("No memory for a fiber's stack: %m.");
	size_t head = (sizeof(struct fiber) + 63) & ~(size_t)63;
	struct fiber *f = (struct fiber *)(base + guard + size - head);
	f->stack = base + guard;
	return f;
}

static void stack_unmap(struct fiber *f)
{
	size_t guard = page_size();
	munmap(f->stack - guard, guard + os_stack_size());
}

struct fiber *stack_get(struct loop *loop)
{
	if (list_is_empty(&loop->stacks))
		return stack_map();
	struct fiber *f = list_entry(loop->stacks.prev, struct fiber, link);
	list_remove(&f->link);
	loop->n_stacks--;
	return f;
}

void stack_put(struct loop *loop, struct fiber *f)
{
	if (loop->n_stacks >= STACK_CACHE_MAX) {
		stack_unmap(f);
		return;
	}
	madvise(f->stack, os_stack_size() - STACK_KEPT_BYTES, MADV_DONTNEED);
	list_add_tail(&loop->stacks, &f->link);
	loop->n_stacks++;
}

void stack_drop_cached(struct loop *loop)
{
	list_each(at, &loop->stacks) stack_unmap(list_entry(at, struct fiber, link));
	list_init(&loop->stacks);
	loop->n_stacks = 0;
}

int64_t stack_trim_parked(struct loop *loop)
{
	while (!list_is_empty(&loop->parked)) {
		struct fiber *f = list_entry(loop->parked.next, struct fiber, parked_link);
		int64_t left = f->parked_at + PARKED_TRIM_MS - loop->now;
		if (left > 0)
			return left;
		uintptr_t used = (uintptr_t)f->ctx.sp & ~(uintptr_t)(page_size() - 1);
		madvise(f->stack, used - (uintptr_t)f->stack, MADV_DONTNEED);
		list_remove(&f->parked_link);
	}
	return -1;
}
