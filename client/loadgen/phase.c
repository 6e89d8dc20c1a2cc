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

#include "client/loadgen/vector_words.h"
#include "common/err.h"
#include "common/mem.h"

enum { PHASE_PRELOAD_WINDOW = 16 };

unsigned phase_window_max(const struct plan *plan)
{
    return plan->preload && plan->pipeline < PHASE_PRELOAD_WINDOW ? PHASE_PRELOAD_WINDOW
                                                                  : plan->pipeline;
}

/* What vectors in a request may take besides. False: there are none to be taken. */
static bool phase_add_vectors(const struct phase *phase, const struct frame *frame, size_t *size)
{
    if (frame->vectors == 0)
        return true;
    if (phase->vectors == NULL || phase->vectors->set == NULL)
        return false;
    for (unsigned i = 0; i < frame->n_holes; i++)
        if (frame->holes[i].kind == FRAME_VECTOR)
            *size += vector_word_bytes(phase->vectors, (enum vector_word)frame->holes[i].low);
    return true;
}

static int phase_make_frame(struct phase *phase, const struct shape *shape, struct frame *frame)
{
    struct bytes value = {phase->values.pool, phase->values.max};
    struct command command;
    if (!shape_command(shape, phase->driver->spelling, phase->key, &command))
        return ERR_BAD_ARGUMENT;
    int err = phase->driver->encode(&command, (shape->flags & SHAPE_INLINE) != 0,
                                    value_varies(&phase->values) ? BYTES_NONE : value, frame);
    size_t size = frame_size_max(frame, phase->values.max,
                                 phase->list != NULL ? phase->list->longest : phase->span.max);
    if (err == 0 && !phase_add_vectors(phase, frame, &size))
        err = ERR_BAD_ARGUMENT;
    if (size > phase->frame_bytes)
        phase->frame_bytes = size;
    return err;
}

/* The frame of a shape and, if it is a sequence, those of its later steps. */
static int phase_make_shape(struct phase *phase, unsigned i)
{
    const struct shape *shape = phase->workload->shapes[i];
    unsigned first = phase->first_step[i] = workload_first_step(phase->workload, i);
    int err = phase_make_frame(phase, shape_step(shape, 0), &phase->frames[i]);
    for (unsigned step = 1; step < shape->n_steps && err == 0; step++)
        err = phase_make_frame(phase, shape->steps[step], &phase->frames[first + step]);
    return err;
}

static int phase_make_frames(struct phase *phase)
{
    int err = 0;
    for (unsigned i = 0; i < WORKLOAD_ROWS; i++)
        frame_init(&phase->frames[i]);
    for (unsigned i = 0; i < phase->workload->n_shapes && err == 0; i++)
        err = phase_make_shape(phase, i);
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
        .pin = &plan->pin,
        .busy_poll_ns = plan->busy_poll_ns,
        .value_bytes = plan->value_bytes,
        .window = plan->pipeline,
        .threads = plan->threads,
        .law = plan_law(plan),
        .stairs = {.start = plan->connections, .top = plan->connections},
        .think = plan->think,
        .batch = plan->batch || plan->reconnect,
        .reconnect = plan->reconnect,
        .drain_ns = plan->drain_ns,
        .overload = plan->overload,
        .patience_ns = plan->rate > 0 ? (uint64_t)((double)plan->backlog / plan->rate * 1e9) : 0,
        .check_below = (uint64_t)((1 - plan->verify_skip) * 0x1p32),
        .removes = workload_has(workload, SHAPE_REMOVES),
        .arrival_seed = rng_mix(plan->seed),
        .digest = plan->digest,
        .acks = plan->acks,
        .key = plan->key[0] != 0 ? plan->key : COMMAND_KEY_USUAL,
        .list = plan->list,
        .span = plan->key_span,
        .vectors = plan->vectors.used ? &plan->vectors : NULL,
    };
    /* What one run has written another must be able to check. */
    uint64_t seed = plan->verify ? 0 : plan->seed;
    int err = value_init(&phase->values, plan->value_min, plan->value_bytes, plan->verify, seed);
    if (err == 0 && plan->compress > 0)
        value_set_compressible(&phase->values, plan->compress, seed);
    if (plan->sizes.kind != SIZES_UNIFORM)
        phase->values.sizes = &plan->sizes;
    return err != 0 ? err : phase_make_frames(phase);
}

int phase_init_measure(struct phase *phase, const struct plan *plan,
                       const struct workload *workload)
{
    int err = phase_init(phase, plan, workload);
    phase->scores =
        plan->vectors.oracle != NULL && !phase->removes && workload_has(workload, SHAPE_SEARCHES);
    phase->end = (struct steady_rules){.rate = plan->ci_rate, .p99 = plan->ci_p99};
    phase->stairs = plan->stairs;
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

int phase_init_preload(struct phase *phase, const struct plan *plan, enum preload what)
{
    static const enum workload_id writes[PRELOADS] = {
        [PRELOAD_KEYS] = WORKLOAD_set,
        [PRELOAD_SESSIONS] = WORKLOAD_ckpt_replace,
        [PRELOAD_VECTORS] = WORKLOAD_vec_upsert_many,
    };
    uint64_t batch = what == PRELOAD_VECTORS ? plan->vectors.batch : 1;
    int err = phase_init(phase, plan, &workload_table[writes[what]]);
    if (err == 0) {
        phase->stream = plan_preload_stream(plan);
        phase->requests = (plan_preload_keys(plan) + batch - 1) / batch;
        phase->duration_ns = 0;
        phase->law.rate = 0;
        phase->think.kind = THINK_NEVER;
        phase->batch = phase->reconnect = false;
        phase->window = what == PRELOAD_VECTORS ? 1 : phase_window_max(plan);
    }
    return err;
}

int phase_init_sample(struct phase *phase, const struct plan *plan)
{
    enum workload_id read = plan_needs(plan, PRELOAD_KEYS)      ? WORKLOAD_get
                            : plan_needs(plan, PRELOAD_VECTORS) ? WORKLOAD_vec_get
                                                                : WORKLOAD_ckpt_get;
    int err = phase_init(phase, plan, &workload_table[read]);
    if (err == 0) {
        phase->stream = plan_sample_stream(plan);
        phase->requests = plan->keys < PLAN_SAMPLE ? plan->keys : PLAN_SAMPLE;
        phase->duration_ns = 0;
        phase->law.rate = 0;
        phase->think.kind = THINK_NEVER;
        phase->check_below = UINT64_MAX;
        phase->batch = phase->reconnect = false;
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

void phase_fill(const struct phase *phase, const struct frame *frame, uint64_t index,
                struct rng *rng, struct frame_fill *fill)
{
    fill->write = index;
    fill->source = &phase->values;
    fill->list = phase->list;
    fill->span = &phase->span;
    fill->vectors = phase->vectors;
    for (unsigned i = 0; i < frame->values; i++)
        fill->sizes[i] = value_size(&phase->values, rng_next(rng));
    unsigned number = 0;
    for (unsigned i = 0; i < frame->n_holes; i++) {
        const struct frame_hole *hole = &frame->holes[i];
        if (hole->kind == FRAME_NUMBER)
            fill->numbers[number++] = hole->low + rng_below(rng, hole->high - hole->low + 1);
    }
}

static const struct frame *phase_step_frame(const struct phase *phase, unsigned shape,
                                            unsigned step)
{
    return &phase->frames[phase->first_step[shape] + step];
}

struct bytes phase_take(const struct phase *phase, unsigned shape, unsigned step,
                        const struct driver_reply *before)
{
    struct bytes field = phase_step_frame(phase, shape, step)->field;
    if (field.size == 0)
        return before->value;
    return phase->driver->find_field == NULL ? BYTES_NONE
                                             : phase->driver->find_field(before->whole, field);
}

size_t phase_step_bytes(const struct phase *phase, const struct phase_step *step)
{
    return phase->frame_bytes +
           phase_step_frame(phase, step->shape, step->step)->replies * step->reply.size;
}

void phase_emit_step(const struct phase *phase, const struct phase_step *step, struct buf *out)
{
    const struct frame *frame = phase_step_frame(phase, step->shape, step->step);
    struct frame_fill fill = {.id = step->id, .reply = step->reply};
    struct rng rng = {rng_mix(phase->stream.seed ^ rng_mix(step->index) ^ (step->step - 1))};
    for (unsigned i = 0; i < frame->keys; i++)
        fill.keys[i] = step->key;
    phase_fill(phase, frame, step->index, &rng, &fill);
    frame_emit(frame, &fill, out);
}

void phase_deinit(struct phase *phase)
{
    mem_free(phase->marks);
    for (unsigned i = 0; i < WORKLOAD_ROWS; i++)
        buf_deinit(&phase->frames[i].bytes);
    value_deinit(&phase->values);
}
