#include "os/os.h"

#include <malloc.h>

void os_trim_memory(void)
{
#if defined(__GLIBC__)
	malloc_trim(0);
#endif
}
