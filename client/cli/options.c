/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads the options of cairn itself by the table in options.def.
 *
 *   --name  --name value  --name=value  -l  -l value
 *
 * How: a word is matched with a row, and its value is parsed by the row's type into the field of
 * the row.
 *
 * Invariants: adding an option takes a row and no code here; an option that is given twice has its
 * last value.
 * Threads: pure functions. Failures: one sentence in *usage.
 */
#include "client/cli/options.h"

#include "common/err.h"
#include "common/num.h"

#include <string.h>

enum { OPTIONS_PERIOD_MIN_MS = 100, OPTIONS_PERIOD_MS = 1000 };

/* As the rows of options.def, the titles between them. */
static const struct options_row options_rows[] = {
#define GROUP(title) {.group = title},
#define OPTION(id, name, letter, type, place, arg, text)                                           \
    {NULL,                                                                                         \
     "--" name,                                                                                    \
     letter,                                                                                       \
     OPTIONS_##type,                                                                               \
     OPTIONS_##place,                                                                              \
     arg,                                                                                          \
     text,                                                                                         \
     offsetof(struct options, id)},
#include "client/cli/options.def"
#undef GROUP
#undef OPTION
};

const struct options_row *options_row(unsigned i)
{
    return i < LENGTH_OF(options_rows) ? &options_rows[i] : NULL;
}

/* Does `word` name this row? *out_value: what follows "=", else NULL. */
static bool options_match(const struct options_row *row, enum options_place place, const char *word,
                          const char **out_value)
{
    *out_value = NULL;
    if (row->name == NULL || row->place < place)
        return false;
    if (row->letter != 0 && word[0] == '-' && word[1] == row->letter && word[2] == 0)
        return true;
    size_t n = strlen(row->name);
    if (strncmp(word, row->name, n) != 0 || (word[n] != 0 && word[n] != '='))
        return false;
    *out_value = word[n] == '=' ? word + n + 1 : NULL;
    return true;
}

static const struct options_row *options_find(const char *word, enum options_place place,
                                              const char **out_value)
{
    for (size_t i = 0; i < LENGTH_OF(options_rows); i++)
        if (options_match(&options_rows[i], place, word, out_value))
            return &options_rows[i];
    return NULL;
}

static bool options_needs_value(const struct options_row *row)
{
    return row->type == OPTIONS_TEXT || row->type == OPTIONS_TIMEOUT || row->type == OPTIONS_COUNT;
}

bool options_wants_value(const char *word, enum options_place place)
{
    const char *value;
    const struct options_row *row = options_find(word, place, &value);
    return row != NULL && value == NULL && options_needs_value(row);
}

static int options_timeout(const struct options_row *row, const char *text, struct options_ms *out,
                           struct usage *usage)
{
    int64_t ms;
    if (num_parse_duration_ms(text, &ms) != 0 || ms >= UINT32_MAX)
        return usage_set(usage, "%s: '%s' is not a duration such as 500ms, 5s, 2m", row->name,
                         text);
    *out = (struct options_ms){true, ms};
    return 0;
}

/* A bare number is seconds here, as people write --stat 5; anything with a unit is as elsewhere. */
static int options_period(const struct options_row *row, const char *text, struct options_ms *out,
                          struct usage *usage)
{
    int64_t ms = OPTIONS_PERIOD_MS, seconds;
    int err = 0;
    if (text != NULL && num_parse_int(text, &seconds) == 0)
        ms = seconds < 0 || seconds > INT32_MAX ? -1 : seconds * 1000;
    else if (text != NULL)
        err = num_parse_duration_ms(text, &ms);
    if (err != 0 || ms < OPTIONS_PERIOD_MIN_MS || ms > INT32_MAX)
        return usage_set(usage, "%s: '%s' is not an interval such as 1s, 500ms, 1m, at least 100ms",
                         row->name, text);
    *out = (struct options_ms){true, ms};
    return 0;
}

static int options_count(const struct options_row *row, const char *text, int64_t *out,
                         struct usage *usage)
{
    int64_t count;
    if (num_parse_int(text, &count) != 0 || count < 1)
        return usage_set(usage, "%s: '%s' is not a number above 0", row->name, text);
    *out = count;
    return 0;
}

/* Put a value (NULL: none was given) into the field of the row. */
static int options_store(const struct options_row *row, const char *text, struct options *out,
                         struct usage *usage)
{
    void *field = (char *)out + row->field;
    switch (row->type) {
    case OPTIONS_TEXT:
        *(const char **)field = text;
        return 0;
    case OPTIONS_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTIONS_TIMEOUT:
        return options_timeout(row, text, field, usage);
    case OPTIONS_PERIOD:
        return options_period(row, text, field, usage);
    case OPTIONS_COUNT:
        return options_count(row, text, field, usage);
    }
    return ERR_INTERNAL;
}

int options_take(int argc, char **argv, int i, enum options_place place, struct options *out,
                 struct usage *usage)
{
    const char *value, *next = i + 1 < argc ? argv[i + 1] : NULL;
    const struct options_row *row = options_find(argv[i], place, &value);
    int taken = 1;
    if (row == NULL)
        return 0;
    if (next == NULL && strcmp(argv[i], "-h") == 0) {
        out->help = true; /* what most people mean by it */
        return 1;
    }
    if (row->type == OPTIONS_FLAG && value != NULL)
        return usage_set(usage, "%s takes no value", row->name);
    if (value == NULL && options_needs_value(row)) {
        if (next == NULL)
            return usage_set(usage, "%s needs a value", argv[i]);
        value = next;
        taken = 2;
    }
    if (value == NULL && row->type == OPTIONS_PERIOD && next != NULL && next[0] >= '0' &&
        next[0] <= '9') {
        value = next;
        taken = 2;
    }
    int err = options_store(row, value, out, usage);
    return err != 0 ? err : taken;
}

void options_offer(struct suggest *suggest, enum options_place place)
{
    for (size_t i = 0; i < LENGTH_OF(options_rows); i++)
        if (options_rows[i].name != NULL && options_rows[i].place >= place &&
            options_rows[i].text[0] != 0)
            suggest_offer(suggest, options_rows[i].name);
}
