/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes the phases of a plan.
 *
 * How: the value is made once, from printable characters so that it reads well in other tools; each
 * shape becomes a frame by the driver.
 *
 * Invariants: a phase is constant once made.
 * Threads: made by one, read by all. Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/phase.h"

#include "common/err.h"
#include "common/mem.h"

enum { PHASE_PRELOAD_WINDOW = 16 };

unsigned phase_window_max(const struct plan *plan)
{
    return plan->preload && plan->pipeline < PHASE_PRELOAD_WINDOW ? PHASE_PRELOAD_WINDOW
                                                                  : plan->pipeline;
}

/* The same bytes for the same seed: '0' and six random bits, as redis-benchmark has them. */
static void phase_make_value(uint8_t *value, size_t size, uint64_t seed)
{
    struct rng rng = {seed};
    uint64_t random = 0;
    for (size_t i = 0; i < size; i++) {
        random = i % 8 == 0 ? rng_next(&rng) : random >> 8;
        value[i] = (uint8_t)('0' + (random & 63));
    }
}

static int phase_make_frames(struct phase *phase, struct bytes value)
{
    int err = 0;
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        buf_init(&phase->frames[i].bytes);
    for (unsigned i = 0; i < WORKLOAD_SHAPES && err == 0; i++) {
        struct frame *frame = &phase->frames[i];
        err = phase->driver->encode_request(phase->workload->shapes[i], value, frame);
        if (frame->bytes.size > phase->frame_bytes)
            phase->frame_bytes = frame->bytes.size;
    }
    if (err != 0)
        phase_deinit(phase);
    return err;
}

static int phase_init(struct phase *phase, const struct plan *plan, const struct workload *workload)
{
    uint8_t *value = mem_alloc(plan->value_bytes);
    if (value == NULL)
        return ERR_OUT_OF_MEMORY;
    *phase = (struct phase){
        .driver = plan->driver,
        .workload = workload,
        .stream = plan_stream(plan, workload, false),
        .requests = plan->requests,
        .duration_ns = plan->duration_ns,
        .timeout_ns = plan->timeout_ns,
        .value_bytes = plan->value_bytes,
        .window = plan->pipeline,
        .threads = plan->threads,
    };
    phase_make_value(value, plan->value_bytes, plan->seed);
    int err = phase_make_frames(phase, (struct bytes){value, plan->value_bytes});
    mem_free(value);
    return err;
}

int phase_init_measure(struct phase *phase, const struct plan *plan,
                       const struct workload *workload)
{
    return phase_init(phase, plan, workload);
}

int phase_init_warmup(struct phase *phase, const struct plan *plan, const struct workload *workload)
{
    int err = phase_init(phase, plan, workload);
    if (err == 0) {
        phase->stream = plan_stream(plan, workload, true);
        phase->requests = UINT64_MAX;
        phase->duration_ns = plan->warmup_ns;
    }
    return err;
}

int phase_init_preload(struct phase *phase, const struct plan *plan)
{
    int err = phase_init(phase, plan, &workload_table[WORKLOAD_set]);
    if (err == 0) {
        phase->stream = plan_preload_stream(plan);
        phase->requests = plan->keys;
        phase->duration_ns = 0;
        phase->window = phase_window_max(plan);
    }
    return err;
}

void phase_deinit(struct phase *phase)
{
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        buf_deinit(&phase->frames[i].bytes);
}
