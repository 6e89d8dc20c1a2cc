/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compiling filters.
 *
 * A filter becomes a list of steps, each a question about one path, with the step to go on with
 * after yes and after no. $and, $or and $not only decide where steps lead, and cost nothing when
 * values are matched:
 *
 *   {"a": 1, "$or": [{"b": 2}, {"c": 3}]}      0: a = 1?  yes -> 1    no -> NO
 *                                              1: b = 2?  yes -> YES  no -> 2
 *                                              2: c = 3?  yes -> YES  no -> NO
 *
 * What $in takes is noted in order, so that a value is searched among thousands in a few steps.
 *
 * A step that leads to what is not yet compiled gets the label of the list it skips to the next
 * clause of; the label is replaced when that clause begins.
 *
 * Invariants
 *   1. Steps lead forward only, so that a match ends after at most `count` of them.
 *   2. The clauses of one list have one label, and lists inside each other different ones.
 *
 * Threads: pure functions on the caller's memory.
 * Failures: a problem that names the place in the filter.
 */
#include "proto/filter.h"

#include "common/err.h"
#include "common/suggest.h"
#include "proto/filter_impl.h"

#include <stdarg.h>

/* What an operator takes. */
enum filter_takes {
    TAKES_VALUE,     /* any value */
    TAKES_ORDERED,   /* a number, str or bin */
    TAKES_ARRAY,     /* of values */
    TAKES_BOOL,      /* false asks for the opposite */
    TAKES_CONDITION, /* for what it stands behind: the whole value, or a path */
    TAKES_ALL,       /* array of conditions */
    TAKES_ANY,       /* array of conditions */
};

static const char *const filter_takes_text[] = {
    [TAKES_VALUE] = "a value",
    [TAKES_ORDERED] = "a number, str or bin",
    [TAKES_ARRAY] = "an array of values",
    [TAKES_BOOL] = "true or false",
    [TAKES_CONDITION] = "a condition",
    [TAKES_ALL] = "an array of conditions",
    [TAKES_ANY] = "an array of conditions",
};

struct filter_operator {
    const char *name;
    enum filter_takes takes;
    enum filter_test test;
    bool negated;
};

static const struct filter_operator filter_operators[] = {
    {"$eq", TAKES_VALUE, FILTER_EQUAL, false},
    {"$ne", TAKES_VALUE, FILTER_EQUAL, true},
    {"$lt", TAKES_ORDERED, FILTER_LESS, false},
    {"$lte", TAKES_ORDERED, FILTER_LESS_EQUAL, false},
    {"$gt", TAKES_ORDERED, FILTER_GREATER, false},
    {"$gte", TAKES_ORDERED, FILTER_GREATER_EQUAL, false},
    {"$in", TAKES_ARRAY, FILTER_IN, false},
    {"$nin", TAKES_ARRAY, FILTER_IN, true},
    {"$contains", TAKES_VALUE, FILTER_CONTAINS, false},
    {"$exists", TAKES_BOOL, FILTER_EXISTS, false},
    {"$and", TAKES_ALL, FILTER_TRUE, false},
    {"$or", TAKES_ANY, FILTER_TRUE, false},
    {"$not", TAKES_CONDITION, FILTER_TRUE, true},
};

/* A part of the filter: where it stands, which path it asks about, where its answers lead. */
struct filter_clause {
    const struct filter_clause *outer; /* NULL: this is the whole filter */
    struct bytes name;                 /* the key it stands behind, if any */
    uint32_t index;                    /* otherwise: its number in an array */
    bool has_path;                     /* behind a path: what it asks is asked of that */
    struct bytes path;
    int16_t yes, no;
    unsigned depth;
};

struct filter_compiler {
    struct filter *filter;
    struct problem *problem;
    struct mp_reader reader;
    uint32_t elements; /* of values to compare with, so far */
};

/* Where a clause stands, "$or[1].year.$gte", in at most the room there is: the end of it. */
static const char *filter_place(const struct filter_clause *clause, char *room, size_t size)
{
    char *at = room + size - 1;
    *at = 0;
    for (; clause->outer != NULL; clause = clause->outer) {
        char part[48];
        int length =
            clause->name.data == NULL
                ? snprintf(part, sizeof part, "[%u]", clause->index)
                : snprintf(part, sizeof part, "%s%.*s", clause->outer->outer == NULL ? "" : ".",
                           (int)(clause->name.size < 40 ? clause->name.size : 40),
                           (const char *)clause->name.data);
        if (length > at - room)
            break;
        at -= length;
        memcpy(at, part, (size_t)length);
    }
    return at;
}

static int filter_refuse(struct filter_compiler *c, const struct filter_clause *clause, int err,
                         const char *format, ...) PRINTF_LIKE(4, 5);

static int filter_refuse(struct filter_compiler *c, const struct filter_clause *clause, int err,
                         const char *format, ...)
{
    char text[140], room[80];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *place = filter_place(clause, room, sizeof room);
    if (*place == 0)
        return problem_set(c->problem, err, "filter: %s", text);
    return problem_set(c->problem, err, "filter at '%s': %s", place, text);
}

static int filter_limit(struct filter_compiler *c, const struct filter_clause *clause,
                        const char *what, unsigned max)
{
    return filter_refuse(c, clause, ERR_LIMIT_EXCEEDED, "%s, at most %u", what, max);
}

/* All bytes were checked before: what cannot be read was changed meanwhile. */
static int filter_read(struct filter_compiler *c, struct mp *out)
{
    if (mp_read(&c->reader, out) == 0)
        return 0;
    return problem_set(c->problem, ERR_BAD_ARGUMENT, "filter: not valid MessagePack");
}

/* ---- steps ---- */

/* The label of the lists at this depth: below FILTER_YES and FILTER_NO. */
static int16_t filter_label(unsigned depth)
{
    return (int16_t)(-3 - (int)depth);
}

/* What the label stands for is the next step. */
static void filter_arrive(struct filter *filter, unsigned first, int16_t label)
{
    for (unsigned i = first; i < filter->count; i++) {
        struct filter_step *step = &filter->steps[i];
        step->yes = step->yes == label ? (int16_t)filter->count : step->yes;
        step->no = step->no == label ? (int16_t)filter->count : step->no;
    }
}

static int filter_add(struct filter_compiler *c, const struct filter_clause *clause,
                      enum filter_test test, bool negated, struct bytes operand)
{
    if (c->filter->count == FILTER_STEPS)
        return filter_limit(c, clause, "too many comparisons ($in takes many values as one)",
                            FILTER_STEPS);
    c->filter->steps[c->filter->count++] = (struct filter_step){
        .test = (uint8_t)test,
        .yes = negated ? clause->no : clause->yes,
        .no = negated ? clause->yes : clause->no,
        .path = clause->path,
        .operand = operand,
    };
    return 0;
}

/* ---- operands of $in ---- */

static struct mp filter_operand_at(const struct filter_step *step, uint32_t offset)
{
    struct mp_reader reader = {step->operand.data + offset,
                               step->operand.data + step->operand.size};
    struct mp mp;
    if (mp_read(&reader, &mp) != 0) /* was read before */
        mp.kind = MP_NIL;
    return mp;
}

static bool filter_less(const struct filter_step *step, uint32_t a, uint32_t b)
{
    struct mp x = filter_operand_at(step, a), y = filter_operand_at(step, b);
    return filter_scalar_order(&x, &y) == FILTER_LESSER;
}

/* Let the element at i of a heap of n sink to its place. */
static void filter_sink(const struct filter_step *step, uint32_t *heap, uint32_t i, uint32_t n)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && filter_less(step, heap[child], heap[child + 1]))
            child++;
        if (!filter_less(step, heap[i], heap[child]))
            return;
        uint32_t swapped = heap[i];
        heap[i] = heap[child];
        heap[child] = swapped;
    }
}

/* Heap sort: no memory, and no order of the operands that takes long. */
static void filter_sort(const struct filter_step *step, uint32_t *sorted, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        filter_sink(step, sorted, i, n);
    for (uint32_t i = n; i-- > 1;) {
        uint32_t last = sorted[i];
        sorted[i] = sorted[0];
        sorted[0] = last;
        filter_sink(step, sorted, 0, i);
    }
}

/* Note where the operands of this kind begin; NaN, to which nothing is equal, nowhere. */
static void filter_note_operands(struct filter *filter, struct filter_step *step, bool scalars)
{
    struct mp_reader reader = mp_reader_of(step->operand);
    struct mp mp;
    uint32_t left = mp_read(&reader, &mp) == 0 ? mp.count : 0;
    while (left-- > 0) {
        uint32_t offset = (uint32_t)(reader.at - step->operand.data);
        mp = filter_operand_at(step, offset);
        bool scalar = mp.kind != MP_ARRAY && mp.kind != MP_MAP;
        if (scalar == scalars && !(mp.kind == MP_FLOAT && mp.real != mp.real))
            filter->sorted[filter->n_sorted++] = offset;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return; /* was skipped before */
    }
}

/* So that a value is searched among thousands in a few steps. */
static void filter_sort_operands(struct filter *filter, struct filter_step *step)
{
    step->first = (uint16_t)filter->n_sorted;
    filter_note_operands(filter, step, true);
    step->n_scalars = (uint16_t)(filter->n_sorted - step->first);
    filter_sort(step, filter->sorted + step->first, step->n_scalars);
    filter_note_operands(filter, step, false);
    step->n_operands = (uint16_t)(filter->n_sorted - step->first);
}

/* ---- values to compare with ---- */

static bool filter_is_operator(const struct mp *key)
{
    return (key->kind == MP_STR || key->kind == MP_BIN) && key->bytes.size > 0 &&
           key->bytes.data[0] == '$';
}

/* Step over one value and count it. `plain`: it stands for itself, without $eq, so that an operator
 * somewhere inside is a mistake. Recursion is bounded, as the depth of the bytes was checked. */
static int filter_value(struct filter_compiler *c, const struct filter_clause *clause, bool plain)
{
    struct mp value, key;
    int err = filter_read(c, &value);
    if (err != 0)
        return err;
    if (++c->elements > FILTER_ELEMENTS)
        return filter_limit(c, clause, "too many elements to compare with", FILTER_ELEMENTS);
    if (value.kind != MP_ARRAY && value.kind != MP_MAP)
        return 0;
    if (value.kind == MP_MAP && value.count > FILTER_PAIRS)
        return filter_limit(c, clause, "too many pairs in a map to compare with", FILTER_PAIRS);
    for (uint32_t i = 0; i < value.count && err == 0; i++) {
        struct mp_reader reader = c->reader;
        if (value.kind == MP_MAP && plain && mp_read(&reader, &key) == 0 &&
            filter_is_operator(&key))
            return filter_refuse(c, clause, ERR_BAD_ARGUMENT,
                                 "an operator inside a value; write the path with dots, 'a.b', or "
                                 "the value in $eq");
        if (value.kind == MP_MAP)
            err = filter_value(c, clause, plain);
        if (err == 0)
            err = filter_value(c, clause, plain);
    }
    return err;
}

/* One value, and the step that compares with it. */
static int filter_compare(struct filter_compiler *c, const struct filter_clause *clause,
                          enum filter_test test, bool negated, bool plain)
{
    const uint8_t *start = c->reader.at;
    int err = filter_value(c, clause, plain);
    if (err != 0)
        return err;
    struct bytes operand = {start, (size_t)(c->reader.at - start)};
    err = filter_add(c, clause, test, negated, operand);
    if (err == 0 && test == FILTER_IN)
        filter_sort_operands(c->filter, &c->filter->steps[c->filter->count - 1]);
    return err;
}

/* ---- clauses ---- */

static int filter_condition(struct filter_compiler *c, const struct filter_clause *clause);

/* Clause number i of the `count` of a list that all must (or, one suffices) match. */
static struct filter_clause filter_inner(const struct filter_clause *list, uint32_t i,
                                         uint32_t count, bool all)
{
    struct filter_clause inner = *list;
    inner.outer = list;
    inner.name = BYTES_NONE;
    inner.index = i;
    inner.depth = list->depth + 1;
    if (i + 1 < count && all)
        inner.yes = filter_label(list->depth);
    else if (i + 1 < count)
        inner.no = filter_label(list->depth);
    return inner;
}

/* The conditions of an array. */
static int filter_list(struct filter_compiler *c, const struct filter_clause *clause,
                       uint32_t count, bool all)
{
    if (count == 0) /* all of none match, and not one does */
        return filter_add(c, clause, FILTER_TRUE, !all, BYTES_NONE);
    for (uint32_t i = 0; i < count; i++) {
        struct filter_clause inner = filter_inner(clause, i, count, all);
        unsigned first = c->filter->count;
        int err = filter_condition(c, &inner);
        if (err != 0)
            return err;
        filter_arrive(c->filter, first, filter_label(clause->depth));
    }
    return 0;
}

static int filter_unknown(struct filter_compiler *c, const struct filter_clause *clause)
{
    struct suggest suggest;
    suggest_init(&suggest, (const char *)clause->name.data, clause->name.size);
    for (size_t i = 0; i < LENGTH_OF(filter_operators); i++)
        suggest_offer(&suggest, filter_operators[i].name);
    if (suggest.best != NULL)
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT, "no such operator; did you mean %s?",
                             suggest.best);
    return filter_refuse(c, clause, ERR_BAD_ARGUMENT,
                         "no such operator; there are $eq $ne $lt $lte $gt $gte $in $nin $contains "
                         "$exists $and $or $not");
}

static const struct filter_operator *filter_find_operator(struct bytes name)
{
    for (size_t i = 0; i < LENGTH_OF(filter_operators); i++)
        if (bytes_equal(bytes_of(filter_operators[i].name), name))
            return &filter_operators[i];
    return NULL;
}

static bool filter_fits(enum filter_takes takes, const struct mp *operand)
{
    switch (takes) {
    case TAKES_ORDERED:
        return operand->kind == MP_UINT || operand->kind == MP_SINT || operand->kind == MP_FLOAT ||
               operand->kind == MP_STR || operand->kind == MP_BIN;
    case TAKES_ARRAY:
    case TAKES_ALL:
    case TAKES_ANY:
        return operand->kind == MP_ARRAY;
    case TAKES_BOOL:
        return operand->kind == MP_BOOL;
    case TAKES_VALUE:
    case TAKES_CONDITION:
        return true;
    }
    return false;
}

/* The same condition with its answers exchanged. */
static struct filter_clause filter_opposite(const struct filter_clause *clause)
{
    struct filter_clause opposite = *clause;
    opposite.yes = clause->no;
    opposite.no = clause->yes;
    return opposite;
}

/* What stands behind the name of an operator. */
static int filter_operate(struct filter_compiler *c, const struct filter_clause *clause)
{
    const struct filter_operator *op = filter_find_operator(clause->name);
    if (op == NULL)
        return filter_unknown(c, clause);
    struct mp_reader start = c->reader;
    struct filter_clause opposite = filter_opposite(clause);
    struct mp operand;
    int err = filter_read(c, &operand);
    if (err != 0)
        return err;
    if (!filter_fits(op->takes, &operand))
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT, "takes %s", filter_takes_text[op->takes]);
    if (op->takes == TAKES_ALL || op->takes == TAKES_ANY)
        return filter_list(c, clause, operand.count, op->takes == TAKES_ALL);
    if (op->takes != TAKES_CONDITION && !clause->has_path)
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT,
                             "stands behind a path: {\"path\": {\"%s\": ...}}", op->name);
    if (op->takes == TAKES_BOOL)
        return filter_add(c, clause, op->test, !operand.boolean, BYTES_NONE);
    c->reader = start;
    if (op->takes == TAKES_CONDITION)
        return filter_condition(c, &opposite);
    return filter_compare(c, clause, op->test, op->negated, false);
}

/* One pair of a map of conditions: a path and its condition, or an operator and what it takes. */
static int filter_pair(struct filter_compiler *c, struct filter_clause *clause)
{
    struct mp key;
    int err = filter_read(c, &key);
    if (err != 0)
        return err;
    if (key.kind != MP_STR && key.kind != MP_BIN)
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT, "a key must be str or bin");
    clause->name = key.bytes;
    if (filter_is_operator(&key))
        return filter_operate(c, clause);
    if (clause->has_path)
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT,
                             "stands among operators; write paths with dots, 'a.b'");
    clause->has_path = true;
    clause->path = key.bytes;
    return filter_condition(c, clause);
}

/* A map of conditions, behind its header. */
static int filter_pairs(struct filter_compiler *c, const struct filter_clause *clause,
                        uint32_t count)
{
    if (count == 0)
        return filter_add(c, clause, FILTER_TRUE, false, BYTES_NONE);
    for (uint32_t i = 0; i < count; i++) {
        struct filter_clause inner = filter_inner(clause, i, count, true);
        unsigned first = c->filter->count;
        int err = filter_pair(c, &inner);
        if (err != 0)
            return err;
        filter_arrive(c->filter, first, filter_label(clause->depth));
    }
    return 0;
}

/* Is what comes next a map of operators, not a value to be equal to? */
static bool filter_operators_follow(struct mp_reader reader, const struct mp *map)
{
    struct mp key;
    return map->kind == MP_MAP && map->count > 0 && mp_read(&reader, &key) == 0 &&
           filter_is_operator(&key);
}

/* A condition: for the whole value a map, for a path a value or a map of operators. */
static int filter_condition(struct filter_compiler *c, const struct filter_clause *clause)
{
    struct mp_reader start = c->reader;
    struct mp mp;
    if (clause->depth > FILTER_DEPTH)
        return filter_limit(c, clause, "conditions are nested too deep", FILTER_DEPTH);
    int err = filter_read(c, &mp);
    if (err != 0)
        return err;
    if (!clause->has_path && mp.kind != MP_MAP)
        return filter_refuse(c, clause, ERR_BAD_ARGUMENT,
                             "must be a map of paths and conditions, {\"path\": value}");
    if (!clause->has_path || filter_operators_follow(c->reader, &mp))
        return filter_pairs(c, clause, mp.count);
    c->reader = start;
    return filter_compare(c, clause, FILTER_EQUAL, false, true);
}

int filter_compile(struct filter *filter, struct bytes map, struct problem *problem)
{
    struct mp_reader whole = mp_reader_of(map);
    struct filter_compiler c = {filter, problem, whole, 0};
    struct filter_clause all = {.yes = FILTER_YES, .no = FILTER_NO};
    filter->count = filter->n_sorted = 0;
    if (mp_skip(&whole, MP_DEPTH_MAX) != 0 || !mp_at_end(&whole))
        return problem_set(problem, ERR_BAD_ARGUMENT, "filter: not one MessagePack value");
    return filter_condition(&c, &all);
}
