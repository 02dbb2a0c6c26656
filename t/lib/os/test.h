/* What cmocka wants included before itself. */
#ifndef TEST_OS_TEST_H
#define TEST_OS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

#endif
