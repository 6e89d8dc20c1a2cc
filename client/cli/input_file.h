/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An input that is read more than once, at any place: the file or stdin that an argument names. One
 * that is a pipe is copied first, to a file without a name in $TMPDIR (/tmp).
 */
#pragma once

#include "client/cli/usage.h"
#include "common/bytes.h"

struct input_file {
    int fd;              /* or -1: the bytes below */
    struct bytes memory; /* for tests */
    uint64_t begin;      /* where in the file it begins: behind what was read of stdin before */
    uint64_t size;
    uint64_t changed[4]; /* of the file, when it was opened: what tells that it was changed */
};

/* Open; close in any case. stdin is refused if it holds commands. 0, ERR_BAD_ARGUMENT told in
 * *usage, ERR_OUT_OF_MEMORY. */
MUST_USE int input_file_open(struct input_file *input, const char *text, bool has_lines,
                             struct usage *usage);

/* These bytes as an input. */
struct input_file input_file_of(struct bytes bytes);

/* Read `size` bytes at `at`, all of which lie before its size. The same failures; a file that
 * became shorter is one. */
MUST_USE int input_file_read(const struct input_file *input, uint64_t at, void *out, size_t size,
                             struct usage *usage);

/* Was it written to since it was opened, as far as the system says? */
bool input_file_changed(const struct input_file *input);

void input_file_close(struct input_file *input);
