/* First frames of new contexts, as context_*.S restores them, and the sanitizer's hooks. */
#include "os/os.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#if defined(HAVE_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

void os_context_entry(void); /* context_*.S */

#if defined(__x86_64__)
struct frame {
	uint32_t mxcsr;
	uint32_t x87_cw;
	void *r15, *r14, *r13, *r12, *rbx, *rbp;
	void (*ret)(void);
	void *pad[2]; /* after ret the stack is aligned to 16, as before a call */
};

static void fill_frame(struct frame *f, void (*fn)(void *), void *arg)
{
	f->mxcsr = 0x1f80; /* all exceptions masked, round to nearest: what the ABI starts with */
	f->x87_cw = 0x037f;
	f->r12 = (void *)fn;
	f->r13 = arg;
	f->ret = os_context_entry;
}
#elif defined(__aarch64__)
struct frame {
	void *x19, *x20, *x21_28[8], *x29;
	void (*x30)(void);
	uint64_t d8_15[8];
	uint64_t fpcr;
	uint64_t pad;
};

static void fill_frame(struct frame *f, void (*fn)(void *), void *arg)
{
	f->x19 = (void *)fn;
	f->x20 = arg;
	f->x30 = os_context_entry;
}
#else
#error "A context switch for this processor is missing: see context_x86_64.S."
#endif

_Static_assert(sizeof(struct frame) % 16 == 0, "the frame keeps the stack's alignment");

void os_context_make(struct os_context *ctx, void *base, size_t size, void (*fn)(void *), void *arg)
{
	uintptr_t top = ((uintptr_t)base + size) & ~(uintptr_t)15;
	struct frame *f = (struct frame *)(top - sizeof(struct frame));
	memset(f, 0, sizeof(*f));
	fill_frame(f, fn, arg);
	ctx->sp = f;
}

#if defined(HAVE_ASAN)
void os_asan_switch_start(void **fake, const void *base, size_t size)
{
	__sanitizer_start_switch_fiber(fake, base, size);
}

void os_asan_switch_finish(void *fake, const void **old_base_r, size_t *old_size_r)
{
	__sanitizer_finish_switch_fiber(fake, old_base_r, old_size_r);
}

size_t os_stack_size(void)
{
	return OS_STACK_SIZE * 4; /* red zones around every array */
}
#else
void os_asan_switch_start(void **fake, const void *base, size_t size)
{
	(void)fake;
	(void)base;
	(void)size;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the other one writes it */
void os_asan_switch_finish(void *fake, const void **old_base_r, size_t *old_size_r)
{
	(void)fake;
	(void)old_base_r;
	(void)old_size_r;
}

size_t os_stack_size(void)
{
	return OS_STACK_SIZE;
}
#endif
