/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Collections and their vectors by the generation they share, which no other collection ever has:
 * what the one says, and what the others have. Either may be told of first.
 *
 * Threads: one. Failures: without memory ->failed is set, for good.
 */
#include "server/survey_dims.h"

#include "common/mem.h"
#include "server/store/group.h"
#include "server/store/vec_value.h"

enum { DIMS_FIRST = 64 }; /* room of the first table, a power of two */

struct survey_dim {
    uint64_t generation;
    uint32_t says;    /* the collection: a shape; 0: not told of yet */
    uint32_t has;     /* one of its vectors; 0: none */
    bool mixed, used; /* mixed: another vector has another */
};

/* How many elements, and whether they are codes, in one number. */
static uint32_t dims_shape(uint32_t dim, bool coded)
{
    return 2 * dim + coded;
}

/* Where this generation is or belongs. */
static struct survey_dim *dims_place(const struct survey_dims *dims, uint64_t generation)
{
    size_t i = (size_t)(generation * UINT64_C(0x9e3779b97f4a7c15) >> 32) & dims->mask;
    while (dims->table[i].used && dims->table[i].generation != generation)
        i = (i + 1) & dims->mask;
    return &dims->table[i];
}

/* Room for one more: at most half of the table is used. */
static bool dims_reserve(struct survey_dims *dims)
{
    size_t room = dims->table == NULL ? 0 : dims->mask + 1;
    if (2 * (dims->count + 1) <= room)
        return true;
    struct survey_dims more = {.mask = room == 0 ? DIMS_FIRST - 1 : 2 * room - 1};
    more.table = mem_calloc(more.mask + 1, sizeof *more.table);
    if (more.table == NULL)
        return false;
    for (size_t i = 0; i < room; i++)
        if (dims->table[i].used)
            *dims_place(&more, dims->table[i].generation) = dims->table[i];
    mem_free(dims->table);
    dims->table = more.table;
    dims->mask = more.mask;
    return true;
}

static struct survey_dim *dims_of(struct survey_dims *dims, uint64_t generation)
{
    if (!dims_reserve(dims)) {
        dims->failed = true;
        return NULL;
    }
    struct survey_dim *dim = dims_place(dims, generation);
    dims->count += !dim->used;
    dim->used = true;
    dim->generation = generation;
    return dim;
}

static void dims_judge(struct survey_dims *dims, const struct survey_dim *dim)
{
    if (dim->says != 0 && dim->has != 0 && (dim->mixed || dim->has != dim->says))
        dims->differ = true;
}

static void dims_see_collection(struct survey_dims *dims, struct bytes value)
{
    struct vec_collection collection;
    struct survey_dim *dim;
    if (!vec_read_collection(value, &collection) ||
        (dim = dims_of(dims, collection.generation)) == NULL)
        return;
    dim->says = dims_shape(collection.config.dim, collection.config.quantization == VEC_INT8_ONLY);
    dims_judge(dims, dim);
}

static void dims_see_vector(struct survey_dims *dims, const struct record_spec *spec)
{
    struct vec_vector vector;
    struct survey_dim *dim;
    struct group group;
    struct bytes rest;
    if (!group_read(&spec->key, &group, &rest) || !vec_check_vector(spec->value, &vector) ||
        (dim = dims_of(dims, group.generation)) == NULL)
        return;
    uint32_t shape = dims_shape(vector.dim, vector.coded);
    dim->mixed = dim->mixed || (dim->has != 0 && dim->has != shape);
    dim->has = shape;
    dims_judge(dims, dim);
}

void survey_dims_see(struct survey_dims *dims, const struct record_spec *spec)
{
    if (spec->key.kind == KIND_collection)
        dims_see_collection(dims, spec->value);
    else if (spec->key.kind == KIND_vector)
        dims_see_vector(dims, spec);
}

void survey_dims_deinit(struct survey_dims *dims)
{
    mem_free(dims->table);
    *dims = (struct survey_dims){0};
}
