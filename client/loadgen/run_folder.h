/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --out-dir: a folder for each run, and a list of them, as bench/suite.py keeps them too.
 *
 *   DIR/INDEX.md                           a line for each run, the newest last
 *   DIR/run_2026-11-22_08-00-00_COMMIT/    SUMMARY.md     for people
 *                                          result.json    what --json prints
 *                                          report.html    what --html writes
 *                                          env.json       machine, servers, versions
 *                                          stdout.txt     what was printed
 *                                          comparison.md  with --vs and --baseline
 *
 *   run_folder_open -> run_folder_begin -> (print) -> run_folder_write -> run_folder_end
 */
#pragma once

#include "client/loadgen/options.h"

#include <jansson.h>
#include <stdio.h>

enum { RUN_FOLDER_PATH_SIZE = 4096, RUN_FOLDER_DETAIL_SIZE = 300 };

struct run_folder {
    const char *parent;              /* DIR; "": no folder is wanted */
    char path[RUN_FOLDER_PATH_SIZE]; /* "": there is none yet */
    const char *name;                /* the last part of it */
    FILE *terminal, *copy;           /* standard output as it was, and stdout.txt */
};

bool run_folder_wanted(const struct run_folder *folder);

/* Before anything is measured: can there be folders? 0, or ERR_IO with a sentence. */
MUST_USE int run_folder_open(struct run_folder *folder, const char *parent,
                             char out_detail[static RUN_FOLDER_DETAIL_SIZE]);

/* Make it; from now on what is printed goes there, too. 0, or ERR_IO with a sentence. */
MUST_USE int run_folder_begin(struct run_folder *folder, int64_t time_ms,
                              char out_detail[static RUN_FOLDER_DETAIL_SIZE]);

/* Everything but what is still to be printed: `json` is the document as text (a file), `document`
 * what is in it, `comparison` what was said about a baseline (a file, perhaps empty). Does nothing
 * if there is no folder. 0, or ERR_IO with a sentence. */
MUST_USE int run_folder_write(const struct run_folder *folder, FILE *json, const json_t *document,
                              FILE *comparison, char out_detail[static RUN_FOLDER_DETAIL_SIZE]);

/* Nothing more is printed: close stdout.txt, and name the run with its exit code in the list. Does
 * nothing if there is no folder. 0, or ERR_IO with a sentence. */
MUST_USE int run_folder_end(struct run_folder *folder, const json_t *document, int exit_code,
                            char out_detail[static RUN_FOLDER_DETAIL_SIZE]);
