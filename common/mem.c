/* SPDX-License-Identifier: BSD-3-Clause
 *
 * malloc and friends behind one door, with a countdown to an injected failure in test builds.
 *
 * Threads: any; the countdown is per thread.
 */
#include "common/mem.h"

#include <malloc.h>
#include <stdlib.h>

#ifdef CAIRN_FAULTS
static _Thread_local unsigned long mem_countdown;
static _Thread_local int mem_sticky;

static int mem_must_fail(void)
{
    if (mem_countdown == 0 || --mem_countdown > 0)
        return 0;
    mem_countdown = mem_sticky ? 1 : 0;
    return 1;
}
#else
#define mem_must_fail() 0
#endif

void *mem_alloc(size_t size)
{
    return mem_must_fail() ? NULL : malloc(size);
}

void *mem_calloc(size_t count, size_t size)
{
    return mem_must_fail() ? NULL : calloc(count, size);
}

void *mem_realloc(void *memory, size_t size)
{
    return mem_must_fail() ? NULL : realloc(memory, size);
}

void *mem_aligned(size_t alignment, size_t size)
{
    void *memory = NULL;
    if (mem_must_fail() || posix_memalign(&memory, alignment, size) != 0)
        return NULL;
    return memory;
}

void mem_free(void *memory)
{
    free(memory);
}

size_t mem_usable(void *memory)
{
    return malloc_usable_size(memory);
}

void mem_fail_after(unsigned long n, int sticky)
{
#ifdef CAIRN_FAULTS
    mem_countdown = n;
    mem_sticky = sticky;
#else
    (void)n;
    (void)sticky;
#endif
}
