/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A test that is not in the table of tests, but made on the command line:
 *
 *   loadgen HSET user:__rand_int__ name __data__       one request
 *   loadgen --mix get=70,set=25,incr=5                 tests of the table, with weights
 *   loadgen --script FILE                              a request on each line, with weights
 *   loadgen --command TEXT --command-ratio 2 ...       the same, each line an option
 *
 * A line of a script is [[NAME=]WEIGHT] WORD..., the words as of client/common/words.h; empty lines
 * and those that begin with # are none. A line that begins with "then" goes on with the request
 * before, when that has been answered; steps can have names, too:
 *
 *   read=70       GET __key__
 *   write=25      SET __key__ "a value"
 *   copy/read=5   GET __key__
 *   then=write    SET copy:__rand_int__ __reply__
 *
 * What the table of tests has in both protocols, as GET __key__, is sent in that of the server.
 */
#pragma once

#include "client/common/words.h"
#include "client/loadgen/options.h"
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
    char first_step[MIX_NAME_SIZE];    /* what the last kind is called if it has steps */
    struct words lines[WORKLOAD_ROWS]; /* of requests that are written out */
    unsigned n_lines;
};

/* One request. Refers to the words. */
void mix_of_words(struct mix *mix, char *const *words, int n_words);

/* A list like get=70,set=25. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int mix_of_list(struct mix *mix, const char *list,
                         char out_detail[static MIX_DETAIL_SIZE]);

/* A script. 0, or ERR_BAD_ARGUMENT, ERR_IO, ERR_OUT_OF_MEMORY with a sentence. */
MUST_USE int mix_of_script(struct mix *mix, const char *path,
                           char out_detail[static MIX_DETAIL_SIZE]);

/* What --command and the options that belong to it say. 0, or ERR_BAD_ARGUMENT, ERR_OUT_OF_MEMORY
 * with a sentence. */
MUST_USE int mix_of_commands(struct mix *mix, const struct options *options,
                             char out_detail[static MIX_DETAIL_SIZE]);

/* Releases what any of the four took; they may have failed. */
void mix_deinit(struct mix *mix);
