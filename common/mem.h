/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The only allocator of the tree. A thin layer over malloc so that tests can make any allocation
 * fail, and so that the library behind it is a link-time choice (docs/decisions/).
 *
 * All functions may return NULL; a request then fails with OUT_OF_MEMORY, the server goes on.
 */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *mem_realloc(void *memory, size_t size) __attribute__((warn_unused_result));
/* `size` bytes at a multiple of `alignment` (a power of two); freed by mem_free. */
void *mem_aligned(size_t alignment, size_t size) __attribute__((malloc, warn_unused_result));
void mem_free(void *memory);

/* Bytes usable behind this pointer, >= what was asked for; 0 for NULL. */
size_t mem_usable(void *memory);

/* Test hook: the n-th allocation of this thread from now on fails (0: never), and every later one
 * too if `sticky`. Only in builds with -Dfaults=true; otherwise a no-op. */
void mem_fail_after(unsigned long n, int sticky);
