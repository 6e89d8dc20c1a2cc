/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads the command line by the table in options.def.
 *
 * How: all defaults are set first, by the same parsers as what is given. Then each word is matched
 * with a row, its value is parsed by the row's type and checked against the row's bounds.
 *
 * Invariants: adding an option takes a row and no code.
 * Threads: none.
 * Failures: ERR_BAD_ARGUMENT and a sentence; a default that does not parse ends the program.
 */
#include "client/loadgen/options.h"

#include "common/suggest.h"
#include "common/err.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct options_row options_table[OPTIONS_COUNT] = {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text)                              \
    {name, letter, OPTIONS_TYPE_##type,         arg, fallback, min,                                \
     max,  text,   offsetof(struct options, id)},
#define ALIAS(name, id)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
};

#define WORDS(...) ((const char *const[]){__VA_ARGS__})
const struct options_preset options_presets[] = {
#define PRESET(name, text, ...)                                                                    \
    {name, text, WORDS(__VA_ARGS__), sizeof WORDS(__VA_ARGS__) / sizeof(char *)},
#include "client/loadgen/presets.def"
#undef PRESET
    {NULL, NULL, NULL, 0},
};

struct options_alias {
    const char *name;
    enum options_id id;
};

static const struct options_alias options_aliases[] = {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text)
#define ALIAS(name, id) {name, OPTIONS_##id},
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
};

static const struct {
    const char *name, *text;
} options_foreign[] = {
#define FOREIGN(name, text) {name, text},
#include "client/loadgen/foreign.def"
#undef FOREIGN
};

/* The command line and where the parser is in it. */
struct options_reader {
    const char *const *argv;
    int argc, at;
    char *detail;
};

PRINTF_LIKE(2, 3)
static int options_wrong(const struct options_reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->detail, OPTIONS_DETAIL_SIZE, format, args);
    va_end(args);
    return ERR_BAD_ARGUMENT;
}

/* "10" is seconds here, as people write --duration 10; anything with a unit is as elsewhere. */
static int options_parse_time(const char *text, int64_t *out_ms)
{
    int64_t seconds;
    if (num_parse_int(text, &seconds) != 0)
        return num_parse_duration_ms(text, out_ms);
    if (seconds < 0 || seconds > INT64_MAX / 1000)
        return ERR_BAD_ARGUMENT;
    *out_ms = seconds * 1000;
    return 0;
}

static int options_parse_auto(const char *text, int64_t *out_ms)
{
    if (strcmp(text, "auto") != 0)
        return options_parse_time(text, out_ms);
    *out_ms = OPTIONS_AUTO;
    return 0;
}

static int options_parse_part(const char *text, size_t size, uint32_t *out_part)
{
    char digits[16];
    int64_t value;
    if (size == 0 || size >= sizeof digits)
        return ERR_BAD_ARGUMENT;
    memcpy(digits, text, size);
    digits[size] = 0;
    if (num_parse_int(digits, &value) != 0 || value < 0 || value > INT32_MAX)
        return ERR_BAD_ARGUMENT;
    *out_part = (uint32_t)value;
    return 0;
}

static int options_parse_ratio(const struct options_row *row, const char *text,
                               struct ratio *out_ratio)
{
    struct ratio ratio = {0, 0};
    const char *colon = strchr(text, ':');
    if (colon == NULL || options_parse_part(text, (size_t)(colon - text), &ratio.write) != 0 ||
        options_parse_part(colon + 1, strlen(colon + 1), &ratio.read) != 0 ||
        ratio.write > row->max || ratio.read > row->max || ratio.write + ratio.read == 0)
        return ERR_BAD_ARGUMENT;
    *out_ratio = ratio;
    return 0;
}

static int options_parse_number(const struct options_row *row, const char *text, int64_t *out_value)
{
    int64_t value = 0;
    int err = row->type == OPTIONS_TYPE_BYTES  ? num_parse_bytes(text, &value)
              : row->type == OPTIONS_TYPE_TIME ? options_parse_time(text, &value)
              : row->type == OPTIONS_TYPE_AUTO ? options_parse_auto(text, &value)
                                               : num_parse_int(text, &value);
    bool automatic = row->type == OPTIONS_TYPE_AUTO && value == OPTIONS_AUTO;
    if (err != 0 || (value < row->min && !automatic) || value > row->max)
        return ERR_BAD_ARGUMENT;
    *out_value = value;
    return 0;
}

static int options_parse_real(const struct options_row *row, const char *text, double *out_value)
{
    long double value;
    struct bytes digits = bytes_of(text);
    if (digits.size > 0 && text[digits.size - 1] == '%' && strcmp(row->arg, "PERCENT") == 0)
        digits.size--;
    if (digits.size >= NUM_REAL_SIZE || !num_read_real(digits, &value) || value < row->min ||
        value > row->max)
        return ERR_BAD_ARGUMENT;
    *out_value = (double)value;
    return 0;
}

/* Put the value of a row into its field. 0 or ERR_BAD_ARGUMENT. */
static int options_store(const struct options_row *row, const char *text, struct options *out)
{
    char *field = (char *)out + row->field;
    size_t size = strlen(text);
    switch (row->type) {
    case OPTIONS_TYPE_TEXT:
        if ((int64_t)size < row->min || (int64_t)size > row->max)
            return ERR_BAD_ARGUMENT;
        memcpy(field, &text, sizeof text);
        return 0;
    case OPTIONS_TYPE_COUNT:
    case OPTIONS_TYPE_BYTES:
    case OPTIONS_TYPE_TIME:
    case OPTIONS_TYPE_AUTO:
        return options_parse_number(row, text, (int64_t *)(void *)field);
    case OPTIONS_TYPE_RATIO:
        return options_parse_ratio(row, text, (struct ratio *)(void *)field);
    case OPTIONS_TYPE_SIZES:
        return sizes_parse(text, row->min, row->max, (struct sizes *)(void *)field);
    case OPTIONS_TYPE_SPAN:
        return sizes_parse_span(text, row->min, row->max, (struct sizes *)(void *)field);
    case OPTIONS_TYPE_REAL:
        return options_parse_real(row, text, (double *)(void *)field);
    case OPTIONS_TYPE_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTIONS_TYPE_MAYBE:
        if (size > 0)
            return options_parse_number(row, text, (int64_t *)(void *)field);
        *(int64_t *)(void *)field = OPTIONS_AUTO;
        return 0;
    }
    return ERR_BAD_ARGUMENT;
}

/* Is it an option without a value, if none is attached to it? */
static bool options_is_bare(const struct options_row *row)
{
    return row->type == OPTIONS_TYPE_FLAG || row->type == OPTIONS_TYPE_MAYBE;
}

static void options_defaults(struct options *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        if (!options_is_bare(&options_table[i]))
            REQUIRE(options_store(&options_table[i], options_table[i].fallback, out) == 0);
}

static int options_bad_value(const struct options_reader *r, const struct options_row *row,
                             const char *text)
{
    char min[NUM_TEXT_SIZE], max[NUM_TEXT_SIZE];
    switch (row->type) {
    case OPTIONS_TYPE_RATIO:
        return options_wrong(r, "--%s %s: write two numbers, as 1:10", row->name, text);
    case OPTIONS_TYPE_BYTES:
        num_format_bytes(row->min, min);
        num_format_bytes(row->max, max);
        return options_wrong(r, "--%s %s: must be a size from %s to %s, as 64 or 4KiB", row->name,
                             text, min, max);
    case OPTIONS_TYPE_SIZES:
        num_format_bytes(row->min, min);
        num_format_bytes(row->max, max);
        return options_wrong(r,
                             "--%s %s: must be a size from %s to %s, as 64, 64-4KiB, "
                             "64:90,4KiB:10 or lognormal:200,1.2",
                             row->name, text, min, max);
    case OPTIONS_TYPE_SPAN:
        return options_wrong(r,
                             "--%s %s: must be a size from %" PRId64 " to %" PRId64
                             ", as 32, or from one to another, as 16:40",
                             row->name, text, row->min, row->max);
    case OPTIONS_TYPE_REAL:
        return options_wrong(r, "--%s %s: must be a number from %" PRId64 " to %" PRId64, row->name,
                             text, row->min, row->max);
    case OPTIONS_TYPE_TIME:
    case OPTIONS_TYPE_AUTO:
        num_format_duration_ms(row->min, min);
        num_format_duration_ms(row->max, max);
        return options_wrong(r, "--%s %s: must be a time from %s to %s, as 10 (seconds) or 250ms%s",
                             row->name, text, min, max,
                             row->type == OPTIONS_TYPE_AUTO ? ", or auto" : "");
    case OPTIONS_TYPE_TEXT:
    case OPTIONS_TYPE_COUNT:
    case OPTIONS_TYPE_FLAG:
    case OPTIONS_TYPE_MAYBE:
        break;
    }
    return options_wrong(r, "--%s %s: must be %s from %" PRId64 " to %" PRId64, row->name, text,
                         row->type == OPTIONS_TYPE_TEXT ? "a text of a length" : "a whole number",
                         row->min, row->max);
}

/* Give a row its value: what is attached to the option, or the next word. */
static int options_take(struct options_reader *r, const struct options_row *row,
                        const char *attached, struct options *out)
{
    if (row->type == OPTIONS_TYPE_FLAG && attached != NULL)
        return options_wrong(r, "--%s takes no value", row->name);
    if (!options_is_bare(row) && attached == NULL) {
        if (++r->at >= r->argc)
            return options_wrong(r, "%s needs a value: %s%s", r->argv[r->at - 1], row->arg,
                                 row->letter == 'h' ? "; for help there is --help" : "");
        attached = r->argv[r->at];
    }
    if (options_store(row, attached == NULL ? "" : attached, out) != 0)
        return options_bad_value(r, row, attached == NULL ? "" : attached);
    out->given[row - options_table] = true;
    return 0;
}

/* The row of an alias, or NULL. */
static const struct options_row *options_find_alias(const char *word, size_t size)
{
    for (size_t i = 0; i < LENGTH_OF(options_aliases); i++)
        if (strlen(options_aliases[i].name) == size &&
            memcmp(options_aliases[i].name, word, size) == 0)
            return &options_table[options_aliases[i].id];
    return NULL;
}

bool options_is(enum options_id id, const char *name, size_t size)
{
    const struct options_row *row = &options_table[id];
    bool same = strlen(row->name) == size && memcmp(row->name, name, size) == 0;
    return same || options_find_alias(name, size) == row;
}

int options_set(struct options *options, enum options_id id, const char *text,
                char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct options_reader r = {.detail = out_detail};
    return options_take(&r, &options_table[id], text, options);
}

/* What is said of an option that is none: one of another tool, or one that is mistyped. */
static int options_unknown(const struct options_reader *r, const char *hyphens, const char *word,
                           size_t size, const char *best)
{
    for (size_t i = 0; i < LENGTH_OF(options_foreign); i++)
        if (strlen(options_foreign[i].name) == size &&
            memcmp(options_foreign[i].name, word, size) == 0)
            return options_wrong(r, "there is no %s%.*s here: %s", hyphens, (int)size, word,
                                 options_foreign[i].text);
    if (best != NULL)
        return options_wrong(r, "unknown option %s%.*s; did you mean --%s?", hyphens, (int)size,
                             word, best);
    return options_wrong(r, "unknown option %s%.*s; --help lists all", hyphens, (int)size, word);
}

static int options_long(struct options_reader *r, const char *word, struct options *out)
{
    struct suggest suggest;
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    suggest_init(&suggest, word, size);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++) {
        const char *name = options_table[i].name;
        if (strlen(name) == size && memcmp(name, word, size) == 0)
            return options_take(r, &options_table[i], equals != NULL ? equals + 1 : NULL, out);
        suggest_offer(&suggest, name);
    }
    const struct options_row *row = options_find_alias(word, size);
    if (row != NULL)
        return options_take(r, row, equals != NULL ? equals + 1 : NULL, out);
    return options_unknown(r, "--", word, size, suggest.best);
}

static int options_short(struct options_reader *r, const char *word, struct options *out)
{
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        if (options_table[i].letter == word[0])
            return options_take(r, &options_table[i], word[1] != 0 ? word + 1 : NULL, out);
    return options_unknown(r, "-", word, 1, NULL);
}

static bool options_ask_help(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

/* One word of the command line, with its value. False: the words of a request begin here. */
static bool options_word(struct options_reader *r, struct options *out, int *err)
{
    const char *word = r->argv[r->at];
    if (word[0] != '-' || word[1] == 0)
        return false;
    if (strcmp(word, "--") == 0) {
        r->at++;
        return false;
    }
    *err = word[1] == '-' ? options_long(r, word + 2, out) : options_short(r, word + 1, out);
    return true;
}

/* The workload the command line names, or NULL. */
static const char *options_find_workload(const struct options_reader *r)
{
    static const char name[] = "--workload";
    for (int i = 1; i < r->argc; i++) {
        const char *word = r->argv[i];
        if (strncmp(word, name, sizeof name - 1) != 0)
            continue;
        word += sizeof name - 1;
        if (word[0] == '=')
            return word + 1;
        if (word[0] == 0 && i + 1 < r->argc)
            return r->argv[i + 1];
    }
    return NULL;
}

/* Set what the workload stands for, as if these were the defaults. */
static int options_preset(const struct options_reader *r, struct options *out)
{
    const char *name = options_find_workload(r);
    const struct options_preset *preset = options_presets;
    struct suggest suggest;
    int err = 0;
    if (name == NULL)
        return 0;
    suggest_init(&suggest, name, strlen(name));
    for (; preset->name != NULL && strcmp(preset->name, name) != 0; preset++)
        suggest_offer(&suggest, preset->name);
    if (preset->name == NULL)
        return options_wrong(r, "unknown workload '%.32s'; %s%s", name,
                             suggest.best != NULL ? "did you mean " : "--help lists all",
                             suggest.best != NULL ? suggest.best : "");
    struct options_reader words = {preset->words, preset->n_words, 0, r->detail};
    for (; words.at < words.argc && err == 0; words.at++)
        err = options_long(&words, words.argv[words.at] + 2, out);
    memset(out->given, 0, sizeof out->given);
    return err;
}

int options_parse(int argc, char *const *argv, struct options *out,
                  char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct options_reader r = {(const char *const *)argv, argc, 1, out_detail};
    struct options options;
    int err = 0;
    options_defaults(&options);
    options.help = options_ask_help(argc, argv);
    if (!options.help)
        err = options_preset(&r, &options);
    while (r.at < argc && err == 0 && !options.help && options_word(&r, &options, &err))
        r.at++;
    if (err == 0 && r.at < argc) {
        options.words = argv + r.at;
        options.n_words = argc - r.at;
    }
    /* What is given goes before what a workload stands for. */
    if (!options.given[OPTIONS_mix] &&
        (options.n_words > 0 || options.given[OPTIONS_tests] || options.given[OPTIONS_script]))
        options.mix = "";
    if (options.given[OPTIONS_requests] && !options.given[OPTIONS_duration])
        options.duration = 0;
    if (err == 0)
        *out = options;
    return err;
}
