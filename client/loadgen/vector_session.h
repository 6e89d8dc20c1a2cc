/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a session does about vectors besides tests: it makes them and looks for what should be found
 * before anything is timed, stores them (--preload), and runs tests that search at each --ef.
 */
#pragma once

#include "client/loadgen/vector_server.h"
#include "client/loadgen/workload.h"

struct session;
struct side;

/* How a collection came to be. */
struct vector_build {
    uint64_t vectors;  /* stored; 0: nothing was */
    uint64_t load_ns;  /* until the last was answered */
    uint64_t build_ns; /* until all were in the index, from the first request on */
    struct vector_state state;
};

enum { VECTOR_TITLE_SIZE = 120 };

struct vector_session {
    struct vector_efs efs;
    struct vector_set set;
    struct vector_oracle oracle;
    /* A test at an operating point: the same but for the title. */
    struct workload workload[WORKLOAD_COUNT + 1][VECTOR_EFS_MAX];
    char title[WORKLOAD_COUNT + 1][VECTOR_EFS_MAX][VECTOR_TITLE_SIZE];
};

/* The tests are known: are vectors used, and do options fit? Does nothing yet. 0, or
 * ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int vector_session_check(struct session *session,
                                  char out_detail[static VECTOR_DETAIL_SIZE]);

/* Make vectors and oracle, if any test needs them. 0, or -1 when told. */
MUST_USE int vector_session_make(struct session *session);

/* Create the collection, and with --preload store all vectors and wait for the index. 0, or -1 when
 * told. */
MUST_USE int vector_session_load(struct session *session, struct side *side);

/* How many times a test is run, and which it is at point i; sets the plans. */
size_t vector_session_points(const struct session *session, const struct workload *workload);
const struct workload *vector_session_point(struct session *session,
                                            const struct workload *workload, size_t i);

void vector_session_deinit(struct session *session);
