/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of options (--config):
 *
 *   # a comment
 *   clients = 100
 *   key-prefix = "user "      # in quotes, what is at the ends and # count as they stand
 *   preload
 */
#pragma once

#include "common/check.h"

#include <stddef.h>

struct option_line {
    unsigned number;   /* from 1 on */
    const char *name;  /* without hyphens */
    const char *value; /* NULL: there is none */
};

struct option_file {
    char *text; /* cut up; what the lines point into */
    struct option_line *lines;
    size_t n;
};

enum { OPTION_FILE_DETAIL_SIZE = 240 };

/* Read a file; names and values are as they stand there. 0, or ERR_IO, ERR_BAD_ARGUMENT,
 * ERR_OUT_OF_MEMORY with a sentence; option_file_deinit is due either way. */
MUST_USE int option_file_read(struct option_file *file, const char *path,
                              char out_detail[static OPTION_FILE_DETAIL_SIZE]);
void option_file_deinit(struct option_file *file);
