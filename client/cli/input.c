/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whole files and stdin into memory.
 *
 * Invariants: at most INPUT_BYTES_MAX; the bytes are taken as they are.
 * Threads: one. Failures: told with the name of the file and the reason.
 */
#include "client/cli/input.h"

#include "common/err.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { INPUT_STEP = 64 * 1024 };

bool input_is_named(const char *text)
{
    return strcmp(text, "-") == 0 || (text[0] == '@' && text[1] != 0);
}

static int input_drain(int fd, const char *name, struct buf *out, struct usage *usage)
{
    for (;;) {
        int err = buf_reserve(out, INPUT_STEP);
        if (err != 0)
            return err;
        ssize_t n = read(fd, out->data + out->size, INPUT_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return usage_set(usage, "cannot read %s: %s", name, strerror(errno));
        if (n == 0)
            return 0;
        out->size += (size_t)n;
        if (out->size > INPUT_BYTES_MAX)
            return usage_set(usage, "%s is larger than 1 GiB", name);
    }
}

int input_read(const char *text, bool has_lines, struct buf *out, struct usage *usage)
{
    bool is_stdin = strcmp(text, "-") == 0;
    if (is_stdin && has_lines)
        return usage_set(usage, "'-' cannot be read here, because commands come from standard "
                                "input; give @FILE, or --string for the text itself");
    if (is_stdin)
        return input_drain(STDIN_FILENO, "stdin", out, usage);
    int fd = open(text + 1, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return usage_set(usage, "cannot open %s: %s", text + 1, strerror(errno));
    int err = input_drain(fd, text + 1, out, usage);
    close(fd);
    return err;
}
