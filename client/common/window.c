/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Windows on files: see window.h.
 *
 * Invariants: what is reserved is bounded by what is asked for and by what the file has.
 * Threads: one. Failures: no memory; a file that cannot be read, told.
 */
#include "client/common/window.h"

#include "common/err.h"

#include <errno.h>
#include <string.h>

void window_init(struct window *window, FILE *in)
{
    off_t at = ftello(in); /* others may have read before us, as a shell does */
    *window = (struct window){.in = in, .offset = at > 0 ? (uint64_t)at : 0};
    buf_init(&window->raw);
}

void window_deinit(struct window *window)
{
    buf_deinit(&window->raw);
}

struct bytes window_bytes(const struct window *window)
{
    if (window->raw.size == window->at)
        return BYTES_NONE;
    return (struct bytes){window->raw.data + window->at, window->raw.size - window->at};
}

void window_take(struct window *window, size_t n)
{
    REQUIRE(n <= window->raw.size - window->at);
    window->at += n;
}

uint64_t window_offset(const struct window *window)
{
    return window->offset + window->at;
}

int window_have(struct window *window, size_t n, struct usage *usage)
{
    if (window->at > 0 && window->raw.size - window->at < n) {
        buf_consume(&window->raw, window->at);
        window->offset += window->at;
        window->at = 0;
    }
    while (window->raw.size - window->at < n && !window->ended) {
        int err = buf_reserve(&window->raw, WINDOW_STEP);
        if (err != 0)
            return err;
        errno = 0;
        size_t got = fread(window->raw.data + window->raw.size, 1, WINDOW_STEP, window->in);
        window->raw.size += got;
        window->ended = got == 0;
        if (got == 0 && ferror(window->in))
            return usage_set(usage, "the file cannot be read: %s", strerror(errno));
    }
    return 0;
}

int window_seek(struct window *window, uint64_t offset, struct usage *usage)
{
    if (offset > INT64_MAX || fseeko(window->in, (off_t)offset, SEEK_SET) != 0)
        return usage_set(usage, "the file has no byte %llu that can be gone to",
                         (unsigned long long)offset);
    window->raw.size = window->at = 0;
    window->offset = offset;
    window->ended = false;
    return 0;
}
