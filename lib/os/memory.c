#include "os/os.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

void os_trim_memory(void)
{
#if defined(__GLIBC__)
	malloc_trim(0);
#endif
}

void os_map_ahead(void *p, size_t n)
{
#if defined(MADV_POPULATE_READ)
	madvise(p, n, MADV_POPULATE_READ);
#elif defined(MADV_WILLNEED)
	madvise(p, n, MADV_WILLNEED);
#endif
}
