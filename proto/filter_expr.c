/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filter expressions of Redis to filters: see filter_expr.h.
 *
 *   or          and ("or" and)...                              also ||
 *   and         not ("and" not)...                             also &&
 *   not         "not" not | "(" or ")" | comparison            also !
 *   comparison  .field                                         it is not 0, false, "", null
 *             | .field == value                                also != < <= > >=, and turned round
 *             | .field in [value, ...] | value in .field
 *   value       number | 'text' | "text" | null
 *
 * How: a recursive descent that writes as it reads; what turns out to be the first part of more is
 * wrapped then. Where fields could be missing and the expression true nevertheless, those named
 * are asked for first.
 *
 * Invariants: the recursion is at most FILTER_EXPR_DEPTH deep; what is written is a filter, but
 * perhaps a larger one than filter_compile takes.
 *
 * Threads: pure functions.
 * Failures: told with the byte where reading stopped.
 */
#include "proto/filter_expr.h"

#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <math.h>

struct expr {
    const uint8_t *start, *at, *end;
    unsigned depth; /* levels left */
    struct bytes fields[FILTER_EXPR_FIELDS];
    unsigned n_fields;
    bool loose; /* a missing field may match: fields are asked for */
    struct buf *out;
    struct problem *problem;
};

static int expr_or(struct expr *e);

static int expr_wrong(struct expr *e, const char *what)
{
    return problem_set(e->problem, ERR_BAD_ARGUMENT,
                       "syntax error in FILTER expression: byte %zu: %s",
                       (size_t)(e->at - e->start) + 1, what);
}

/* ---- words ---- */

static void expr_space(struct expr *e)
{
    while (e->at < e->end && (*e->at == ' ' || (*e->at >= '\t' && *e->at <= '\r')))
        e->at++;
}

static bool expr_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool expr_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool expr_field_char(uint8_t c)
{
    return expr_letter(c) || expr_digit(c) || c == '_' || c == '-';
}

/* Is this next, behind spaces? A word does not go on behind it. */
static bool expr_next_is(struct expr *e, const char *word)
{
    expr_space(e);
    size_t n = strlen(word);
    struct bytes rest = {e->at, (size_t)(e->end - e->at)};
    return bytes_start_with(rest, bytes_of(word)) &&
           (!expr_letter((uint8_t)word[0]) || rest.size == n || !expr_field_char(rest.data[n]));
}

/* The same, and step over it. */
static bool expr_take(struct expr *e, const char *word)
{
    if (!expr_next_is(e, word))
        return false;
    e->at += strlen(word);
    return true;
}

/* ---- values ---- */

static int expr_number(struct expr *e)
{
    const uint8_t *start = e->at;
    long double real;
    int64_t number;
    e->at += *e->at == '-';
    while (e->at < e->end &&
           (expr_digit(*e->at) || *e->at == '.' || *e->at == 'e' || *e->at == 'E' ||
            ((*e->at == '-' || *e->at == '+') && (e->at[-1] == 'e' || e->at[-1] == 'E'))))
        e->at++;
    struct bytes text = {start, (size_t)(e->at - start)};
    if (num_read_int(text, &number))
        return pack_int(e->out, number);
    if (num_read_real(text, &real) && isfinite((double)real))
        return pack_real(e->out, (double)real);
    e->at = start;
    return expr_wrong(e, "not a number");
}

/* A backslash takes the character behind it as it is, but for these. */
static uint8_t expr_escaped(uint8_t c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

static int expr_string(struct expr *e)
{
    const uint8_t *first = e->at;
    uint8_t quote = *e->at++;
    size_t start = e->out->size;
    for (int err = 0; e->at < e->end && err == 0;) {
        uint8_t c = *e->at++;
        if (c == quote)
            return pack_wrap_str(e->out, start);
        if (c == '\\' && e->at < e->end)
            c = expr_escaped(*e->at++);
        err = buf_append(e->out, &c, 1);
        if (err != 0)
            return err;
    }
    e->at = first;
    return expr_wrong(e, "a string without end");
}

static bool expr_value_is_next(struct expr *e)
{
    expr_space(e);
    uint8_t c = e->at < e->end ? *e->at : 0;
    bool negative = c == '-' && e->at + 1 < e->end && expr_digit(e->at[1]);
    return expr_digit(c) || negative || c == '"' || c == '\'' || expr_next_is(e, "null");
}

static int expr_value(struct expr *e)
{
    if (!expr_value_is_next(e))
        return expr_wrong(e, "a number, a string in quotes or null is expected");
    if (*e->at == '"' || *e->at == '\'')
        return expr_string(e);
    return expr_take(e, "null") ? pack_nil(e->out) : expr_number(e);
}

/* The value that was written from `start` on, and the bool that equals it for Redis, as an array's
 * elements. */
static int expr_add_bool(struct expr *e, size_t start, size_t *count)
{
    struct mp_reader reader = {e->out->data + start, e->out->data + e->out->size};
    struct mp mp;
    ++*count;
    if (mp_read(&reader, &mp) != 0)
        return 0;
    bool zero = (mp.kind == MP_UINT && mp.uint == 0) || (mp.kind == MP_FLOAT && mp.real == 0);
    bool one = (mp.kind == MP_UINT && mp.uint == 1) || (mp.kind == MP_FLOAT && mp.real == 1);
    if (!zero && !one)
        return 0;
    ++*count;
    return pack_bool(e->out, one);
}

/* Behind the bracket: [value, ...] */
static int expr_list(struct expr *e)
{
    size_t start = e->out->size, count = 0;
    int err = 0;
    bool more = !expr_take(e, "]");
    while (more && err == 0) {
        size_t at = e->out->size;
        err = expr_value(e);
        if (err == 0)
            err = expr_add_bool(e, at, &count);
        more = err == 0 && expr_take(e, ",");
        if (err == 0 && !more && !expr_take(e, "]"))
            err = expr_wrong(e, "',' or ']' is expected");
    }
    return err != 0 ? err : pack_wrap_array(e->out, start, count);
}

/* ---- comparisons ---- */

static int expr_field(struct expr *e, struct bytes *out)
{
    const uint8_t *start = e->at + 1;
    do {
        e->at++; /* the dot */
        if (e->at == e->end || !expr_field_char(*e->at))
            return expr_wrong(e, "the name of a field is expected");
        while (e->at < e->end && expr_field_char(*e->at))
            e->at++;
    } while (e->at < e->end && *e->at == '.');
    *out = (struct bytes){start, (size_t)(e->at - start)};
    for (unsigned i = 0; i < e->n_fields; i++)
        if (bytes_equal(e->fields[i], *out))
            return 0;
    if (e->n_fields == FILTER_EXPR_FIELDS)
        return problem_set(e->problem, ERR_LIMIT_EXCEEDED,
                           "the FILTER expression names more than %d fields", FILTER_EXPR_FIELDS);
    e->fields[e->n_fields++] = *out;
    return 0;
}

/* Operators, what they are, and what they are if the field stands behind them. */
static const struct expr_op {
    const char *text, *name, *turned;
} expr_ops[] = {{"==", "$in", "$in"},   {"!=", "$nin", "$nin"}, {">=", "$gte", "$lte"},
                {"<=", "$lte", "$gte"}, {">", "$gt", "$lt"},    {"<", "$lt", "$gt"},
                {"in", "$in", NULL}};

/* The operator that is next, or NULL. */
static const struct expr_op *expr_take_op(struct expr *e)
{
    for (size_t i = 0; i < LENGTH_OF(expr_ops); i++)
        if (expr_take(e, expr_ops[i].text))
            return &expr_ops[i];
    return NULL;
}

static const char *expr_arithmetic(struct expr *e)
{
    static const char *const ops[] = {"**", "*", "/", "%", "+", "-"};
    for (size_t i = 0; i < LENGTH_OF(ops); i++)
        if (expr_next_is(e, ops[i]))
            return ops[i];
    return NULL;
}

/* What may not stand behind a comparison, or a part of one. */
static int expr_check_end(struct expr *e)
{
    if (expr_arithmetic(e) != NULL)
        return problem_set(e->problem, ERR_BAD_ARGUMENT,
                           "FILTER expression: byte %zu: arithmetic (%s) is not supported",
                           (size_t)(e->at - e->start) + 1, expr_arithmetic(e));
    for (size_t i = 0; i < LENGTH_OF(expr_ops); i++)
        if (expr_next_is(e, expr_ops[i].text))
            return expr_wrong(e, "what is compared is a field with a value; combine comparisons "
                                 "with and, or, not (...)");
    return 0;
}

/* The value written from `start` on becomes {key: value}. */
static int expr_wrap(struct expr *e, size_t start, struct bytes key)
{
    struct buf front = {0};
    size_t end = e->out->size;
    int err = pack_map(&front, 1);
    (void)(err == 0 && (err = pack_str(&front, key)) == 0 &&
           (err = buf_reserve(e->out, front.size)) == 0);
    if (err == 0) {
        memmove(e->out->data + start + front.size, e->out->data + start, end - start);
        memcpy(e->out->data + start, front.data, front.size);
        e->out->size += front.size;
    }
    buf_deinit(&front);
    return err;
}

/* The same becomes {field: {name: value}}. */
static int expr_wrap_field(struct expr *e, size_t start, struct bytes field, const char *name)
{
    int err = expr_wrap(e, start, bytes_of(name));
    return err != 0 ? err : expr_wrap(e, start, field);
}

/* Of == and !=: the value as the list it is sought in. */
static int expr_make_list(struct expr *e, size_t start)
{
    size_t count = 0;
    int err = expr_add_bool(e, start, &count);
    return err != 0 ? err : pack_wrap_array(e->out, start, count);
}

static int expr_finish(struct expr *e, size_t start, struct bytes field, const struct expr_op *op,
                       bool turned)
{
    const char *name = turned ? op->turned : op->name;
    int err = op->text[1] == '=' && (op->text[0] == '=' || op->text[0] == '!')
                  ? expr_make_list(e, start)
                  : 0;
    e->loose = e->loose || op->text[0] == '!';
    if (err == 0)
        err = expr_wrap_field(e, start, field, name);
    return err != 0 ? err : expr_check_end(e);
}

/* A field alone. */
static int expr_truth(struct expr *e, struct bytes field)
{
    size_t start = e->out->size;
    int err = pack_array(e->out, 4);
    (void)(err == 0 && (err = pack_uint(e->out, 0)) == 0 && (err = pack_bool(e->out, false)) == 0 &&
           (err = pack_str(e->out, BYTES_NONE)) == 0 && (err = pack_nil(e->out)) == 0 &&
           (err = expr_wrap_field(e, start, field, "$nin")) == 0);
    e->loose = true;
    return err;
}

/* .field, and what it is compared with */
static int expr_from_field(struct expr *e)
{
    size_t start = e->out->size;
    struct bytes field;
    int err = expr_field(e, &field);
    if (err != 0)
        return err;
    const struct expr_op *op = expr_take_op(e);
    if (op == NULL)
        return (err = expr_check_end(e)) != 0 ? err : expr_truth(e, field);
    expr_space(e);
    if (op->turned == NULL)
        err = expr_take(e, "[") ? expr_list(e) : expr_wrong(e, "'[' is expected");
    else
        err = expr_value(e);
    return err != 0 ? err : expr_finish(e, start, field, op, false);
}

/* value, and the field it is compared with */
static int expr_from_value(struct expr *e)
{
    static const struct expr_op contains = {"in", "$contains", "$contains"};
    size_t start = e->out->size;
    struct bytes field;
    int err = expr_value(e);
    const struct expr_op *op = err == 0 ? expr_take_op(e) : NULL;
    if (err == 0 && op == NULL)
        err = expr_check_end(e);
    if (err != 0)
        return err;
    expr_space(e);
    if (op == NULL || e->at == e->end || *e->at != '.')
        return expr_wrong(e, "a value is compared with a field, like 5 < .field");
    err = expr_field(e, &field);
    return err != 0 ? err : expr_finish(e, start, field, op->turned == NULL ? &contains : op, true);
}

/* ---- combinations ---- */

/* Is "not" or its sign next? "!=" is another. */
static bool expr_take_not(struct expr *e)
{
    return expr_take(e, "not") || (!expr_next_is(e, "!=") && expr_take(e, "!"));
}

static int expr_parenthesis(struct expr *e)
{
    int err = expr_or(e);
    if (err == 0 && !expr_take(e, ")"))
        err = expr_wrong(e, "')' is expected");
    return err != 0 ? err : expr_check_end(e);
}

static int expr_not(struct expr *e);

/* Behind "not", which for Redis binds closer than a comparison: so none may stand there. */
static int expr_negated(struct expr *e)
{
    size_t start = e->out->size;
    struct bytes field;
    int err;
    expr_space(e);
    e->loose = true;
    if (e->at < e->end && *e->at == '.') {
        err = expr_field(e, &field);
        if (err == 0)
            err = expr_check_end(e);
        if (err == 0)
            err = expr_truth(e, field);
    } else if (e->at < e->end && (*e->at == '(' || *e->at == '!' || *e->at == 'n')) {
        err = expr_not(e);
    } else {
        err = expr_wrong(e, "a field or '(' is expected");
    }
    return err != 0 ? err : expr_wrap(e, start, bytes_of("$not"));
}

static int expr_not(struct expr *e)
{
    int err;
    expr_space(e);
    if (e->depth == 0)
        return expr_wrong(e, "nested too deeply");
    e->depth--;
    if (expr_take_not(e))
        err = expr_negated(e);
    else if (expr_take(e, "("))
        err = expr_parenthesis(e);
    else if (e->at < e->end && *e->at == '.')
        err = expr_from_field(e);
    else
        err = expr_from_value(e);
    e->depth++;
    return err;
}

/* One part, or several with a word or its sign in between: {name: [part, ...]}. */
static int expr_chain(struct expr *e, int (*part)(struct expr *e), const char *word,
                      const char *sign, const char *name)
{
    size_t start = e->out->size, count = 1;
    int err = part(e);
    for (; err == 0 && (expr_take(e, word) || expr_take(e, sign)); count++)
        err = part(e);
    if (err == 0 && count > 1)
        err = pack_wrap_array(e->out, start, count);
    return err != 0 || count == 1 ? err : expr_wrap(e, start, bytes_of(name));
}

static int expr_and(struct expr *e)
{
    return expr_chain(e, expr_not, "and", "&&", "$and");
}

static int expr_or(struct expr *e)
{
    size_t start = e->out->size;
    int err = expr_chain(e, expr_and, "or", "||", "$or");
    if (err != 0)
        return err;
    struct bytes written = {e->out->data + start, e->out->size - start};
    e->loose = e->loose || bytes_start_with(written, bytes_of("\x81\xa3$or"));
    return 0;
}

/* All fields that were named must be there. */
static int expr_tighten(struct expr *e, size_t start)
{
    int err = 0;
    for (unsigned i = 0; i < e->n_fields && err == 0; i++) {
        size_t at = e->out->size;
        (void)((err = pack_bool(e->out, true)) == 0 &&
               (err = expr_wrap(e, at, bytes_of("$exists"))) == 0 &&
               (err = expr_wrap(e, at, e->fields[i])) == 0);
    }
    if (err == 0)
        err = pack_wrap_array(e->out, start, e->n_fields + 1);
    return err != 0 ? err : expr_wrap(e, start, bytes_of("$and"));
}

int filter_expr_read(struct bytes text, struct buf *out, struct problem *problem)
{
    struct expr e = {.start = text.data,
                     .at = text.data,
                     .end = mp_reader_of(text).end,
                     .depth = FILTER_EXPR_DEPTH,
                     .out = out,
                     .problem = problem};
    size_t start = out->size;
    int err = expr_or(&e);
    expr_space(&e);
    if (err == 0 && e.at != e.end)
        err = expr_wrong(&e, "'and', 'or' or the end is expected");
    if (err == 0 && e.loose)
        err = expr_tighten(&e, start);
    if (err == ERR_OUT_OF_MEMORY)
        (void)problem_set(problem, err, NULL);
    if (err != 0)
        out->size = start;
    return err;
}
