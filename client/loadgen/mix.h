/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A test that is not in the table of tests, but made on the command line:
 *
 *   loadgen HSET user:__rand_int__ name __data__       one request
 *   loadgen --mix get=70,set=25,incr=5                 tests of the table, with weights
 *   loadgen --script FILE                              a request on each line, with weights
 *
 * A line of a script is [[NAME=]WEIGHT] WORD...; empty lines and those that begin with # are none.
 * A line that begins with "then" goes on with the request before, when that has been answered:
 *
 *   read=70  GET __key__
 *   write=25 SET __key__ __data__
 *   copy=5   GET __key__
 *   then     SET copy:__rand_int__ __reply__
 */
#pragma once

#include "client/loadgen/workload.h"

enum { MIX_NAME_SIZE = 32, MIX_DETAIL_SIZE = 240, MIX_STEPS = WORKLOAD_ROWS - WORKLOAD_SHAPES };

struct mix {
    struct workload workload;
    struct shape shapes[WORKLOAD_SHAPES]; /* those that are not of the table */
    char title[240];                      /* what does not fit is cut off */
    char names[WORKLOAD_SHAPES][MIX_NAME_SIZE];
    struct shape steps[MIX_STEPS]; /* of sequences, one behind the other */
    const struct shape *step_list[MIX_STEPS];
    char step_names[MIX_STEPS][MIX_NAME_SIZE];
    unsigned n_steps;
    char *text; /* of a script, taken apart */
};

/* One request. Refers to the words. */
void mix_of_words(struct mix *mix, char *const *words, int n_words);

/* A list like get=70,set=25. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int mix_of_list(struct mix *mix, const char *list,
                         char out_detail[static MIX_DETAIL_SIZE]);

/* A script. 0, or ERR_BAD_ARGUMENT, ERR_IO, ERR_OUT_OF_MEMORY with a sentence. */
MUST_USE int mix_of_script(struct mix *mix, const char *path,
                           char out_detail[static MIX_DETAIL_SIZE]);

/* Releases what any of the three took; they may have failed. */
void mix_deinit(struct mix *mix);
