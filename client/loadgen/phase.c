/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes the phases of a plan.
 *
 * How: the words of each shape become a frame by the driver. A value that is the same for all
 * requests becomes part of it.
 *
 * Invariants: a phase is constant once made.
 * Threads: made by one, read by all. Failures: as in phase.h.
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

static int phase_make_frame(struct phase *phase, const struct shape *shape, struct frame *frame)
{
    struct bytes value = {phase->values.pool, phase->values.max};
    struct command command;
    if (!shape_command(shape, phase->driver->spelling, &command))
        return ERR_BAD_ARGUMENT;
    int err = phase->driver->encode(&command, (shape->flags & SHAPE_INLINE) != 0,
                                    value_varies(&phase->values) ? BYTES_NONE : value, frame);
    size_t size = frame_size_max(frame, phase->values.max);
    if (size > phase->frame_bytes)
        phase->frame_bytes = size;
    return err;
}

static int phase_make_frames(struct phase *phase)
{
    const struct workload *workload = phase->workload;
    int err = 0;
    frame_init(&phase->update);
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        frame_init(&phase->frames[i]);
    for (unsigned i = 0; i < WORKLOAD_SHAPES && err == 0; i++)
        err = phase_make_frame(phase, workload->shapes[i], &phase->frames[i]);
    if (err == 0 && (workload->shapes[0]->flags & SHAPE_UPDATES) != 0)
        err = phase_make_frame(phase, workload_update, &phase->update);
    if (err == 0 && phase->stream.grows) {
        phase->marks =
            mem_aligned(_Alignof(struct phase_mark), phase->threads * sizeof *phase->marks);
        err = phase->marks == NULL ? ERR_OUT_OF_MEMORY : 0;
    }
    if (err != 0)
        phase_deinit(phase);
    for (unsigned i = 0; err == 0 && phase->marks != NULL && i < phase->threads; i++)
        atomic_init(&phase->marks[i].below, 0);
    return err;
}

static int phase_init(struct phase *phase, const struct plan *plan, const struct workload *workload)
{
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
        .rate = plan->rate,
        .poisson = plan->poisson,
        .batch = plan->batch || plan->reconnect,
        .reconnect = plan->reconnect,
        .drain_ns = plan->drain_ns,
        .drop = plan->drop,
        .arrival_seed = rng_mix(plan->seed),
        .digest = plan->digest,
        .acks = plan->acks,
    };
    /* What one run has written another must be able to check. */
    uint64_t seed = plan->verify ? 0 : plan->seed;
    int err = value_init(&phase->values, plan->value_min, plan->value_bytes, plan->verify, seed);
    if (plan->sizes.kind != SIZES_UNIFORM)
        phase->values.sizes = &plan->sizes;
    return err != 0 ? err : phase_make_frames(phase);
}

int phase_init_measure(struct phase *phase, const struct plan *plan,
                       const struct workload *workload)
{
    int err = phase_init(phase, plan, workload);
    phase->end = (struct steady_rules){.rate = plan->ci_rate, .p99 = plan->ci_p99};
    return err;
}

int phase_init_warmup(struct phase *phase, const struct plan *plan, const struct workload *workload)
{
    int err = phase_init(phase, plan, workload);
    if (err == 0) {
        phase->stream = plan_stream(plan, workload, true);
        phase->requests = UINT64_MAX;
        phase->duration_ns = plan->warmup_ns;
        phase->end.until_steady = plan->until_steady;
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
        phase->rate = 0;
        phase->batch = phase->reconnect = false;
        phase->window = phase_window_max(plan);
    }
    return err;
}

uint64_t phase_digest(const struct phase *phase, uint64_t index, unsigned shape,
                      struct bytes request)
{
    size_t id_at = phase->frames[shape].id_at; /* FRAME_NONE: behind all bytes */
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < request.size; i++)
        if (i < id_at || i - id_at >= FRAME_ID_BYTES)
            hash = (hash ^ request.data[i]) * 0x100000001b3u;
    return rng_mix(hash + rng_mix(index));
}

void phase_emit_update(const struct phase *phase, uint64_t index, uint64_t key, uint32_t id,
                       struct buf *out)
{
    struct frame_fill fill = {.id = id, .write = index, .source = &phase->values};
    struct rng rng = {rng_mix(phase->stream.seed ^ rng_mix(index))};
    fill.keys[0] = key;
    fill.sizes[0] = value_size(&phase->values, rng_next(&rng));
    frame_emit(&phase->update, &fill, out);
}

void phase_deinit(struct phase *phase)
{
    mem_free(phase->marks);
    buf_deinit(&phase->update.bytes);
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        buf_deinit(&phase->frames[i].bytes);
    value_deinit(&phase->values);
}
