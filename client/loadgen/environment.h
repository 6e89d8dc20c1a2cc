/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The machine loadgen runs on: what a figure depends on besides the server. Texts are "" and
 * numbers 0 where the machine does not tell.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

enum { ENVIRONMENT_TEXT_SIZE = 128 };

struct environment {
    char cpu[ENVIRONMENT_TEXT_SIZE];      /* "AMD EPYC 9R14" */
    char governor[ENVIRONMENT_TEXT_SIZE]; /* "performance", "powersave" ... */
    char turbo[ENVIRONMENT_TEXT_SIZE];    /* "on", "off" */
    char os[ENVIRONMENT_TEXT_SIZE];       /* "Debian GNU/Linux 12 (bookworm)" */
    char kernel[ENVIRONMENT_TEXT_SIZE];
    char machine[ENVIRONMENT_TEXT_SIZE]; /* "x86_64" */
    char disk[ENVIRONMENT_TEXT_SIZE];    /* of the root file system: "ext4, SSD Samsung 990" */
    uint64_t memory_bytes;
};

void environment_read(struct environment *out);

/* As text, a line for each that is known. */
void environment_print(FILE *out, const struct environment *environment, unsigned cpus);
