/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What tests of loadgen by itself are made of: a load against a server whose behaviour is known,
 * and what was expected of it beside what was measured.
 */
#pragma once

#include "client/loadgen/fake_server.h"
#include "client/loadgen/run.h"

/* A load; 0 stands for what is written behind. */
struct selftest_load {
    enum workload_id workload;
    unsigned connections; /* 16 */
    unsigned window;      /* 1 */
    unsigned threads;     /* 1 */
    double rate;          /* closed loop */
    bool poisson;
    bool drop;
    uint64_t requests;    /* until duration_ns is over */
    uint64_t duration_ns; /* until all requests are done */
    uint64_t timeout_ns;  /* 10 s */
    uint64_t keys;        /* 1; written before, if above */
};

/* A figure that is as expected if it lies within bounds. */
struct selftest_finding {
    const char *test, *figure, *unit;
    double low, high, measured;
    double slack;   /* how much it may be off for the share of the time that the machine took: slack
                       times this share. 0, and no squared: if that is over 1 % */
    double squared; /* and besides for the square of the seconds that it took */
};

enum { SELFTEST_FINDINGS = 128, SELFTEST_FIGURE_SIZE = 64 };

struct selftest_rig {
    bool quick;
    unsigned threads;            /* for tests of rates */
    const struct driver *driver; /* the protocol of all tests */
    const char *test;            /* the one that runs */
    uint64_t time_ns;            /* for how long its loads run */
    struct selftest_finding findings[SELFTEST_FINDINGS];
    unsigned n_findings;

    /* Of the test: how long its loads took, and what of it the machine took from us: threads of
     * ours, a witness besides, or the machine itself had to wait for a CPU. */
    uint64_t spent_ns, lost_ns;

    /* Of the last load. */
    struct plan plan;
    struct result result;
    struct fake_server *server;
    const struct fake_log *log;
    uint64_t took_ns; /* from the begin of the phase until it had ended */
    uint64_t away_ns; /* meanwhile: of the witness, and cpu_stolen_ns */
    struct failure failure;
};

/* Measure a load against a server with this law. False: it could not be done, see failure; a load
 * that the server breaks off is done. What there is of the load before is freed. */
MUST_USE bool selftest_measure(struct selftest_rig *rig, const struct fake_law *law,
                               const struct selftest_load *load);

/* Free what the last load left. */
void selftest_release(struct selftest_rig *rig);

/* Note a figure. Texts are constant. */
void selftest_expect(struct selftest_rig *rig, const char *figure, const char *unit, double low,
                     double high, double measured);

/* Note a figure that should be as expected but for a share of it: 0.03 is 3 %. */
void selftest_expect_near(struct selftest_rig *rig, const char *figure, const char *unit,
                          double expected, double share, double measured);

bool selftest_finding_good(const struct selftest_finding *finding);

/* Set the slack of the figure noted last. */
void selftest_allow(struct selftest_rig *rig, double slack, double squared);

/* Can a figure that is out of bounds be so because of what the machine took from us? A time by no
 * more than that, anything else as its slack has it; what must be exact, never. */
bool selftest_finding_excused(const struct selftest_rig *rig,
                              const struct selftest_finding *finding);
