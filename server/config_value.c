/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of options, and what depends on the type of one: reading, writing and describing a
 * value, and the message for a name that does not exist.
 *
 * How: options.def is expanded into rows; a row of limits.def gets its type from the unit its name
 * ends in. Numbers of all types are int64_t between min and max of the row.
 * Invariants: format and parse are inverse; every default is within its bounds (config_test).
 * Threads: constant table, any thread.
 * Failures: BAD_ARGUMENT with a sentence that says what would have been accepted.
 */
#include "server/config_impl.h"

#include "common/bytes.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/suggest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* default_text, words, default_number, min, max */
#define ROW_TEXT(value, low, high)     value, NULL, 0, low, high
#define ROW_ENUM(value, all, unused)   value, all, 0, 0, 0
#define ROW_INT(value, low, high)      NULL, NULL, value, low, high
#define ROW_BYTES(value, low, high)    NULL, NULL, value, low, high
#define ROW_DURATION(value, low, high) NULL, NULL, value, low, high
#define ROW_MODE(value, low, high)     NULL, NULL, value, low, high
#define ROW_BOOL(value, low, high)     NULL, NULL, value, low, high
#define ROW_BY_NAME(value, low, high)  NULL, NULL, value, low, high

static const struct config_option table[OPTION_COUNT] = {
#define OPTION(section, key, type, default_value, min, max, reloadable, text)                      \
    {#section "." #key,                                                                            \
     #section,                                                                                     \
     #key,                                                                                         \
     OPTION_TYPE_##type,                                                                           \
     reloadable,                                                                                   \
     ROW_##type(default_value, min, max),                                                          \
     text},
#include "server/options.def"
#undef OPTION
};

enum {
    SHOWN_BYTES_MAX = 64, /* of a wrong value or name, in a message */
};

int config_fail(struct err_detail *out_detail, int err, const char *format, ...)
{
    if (out_detail == NULL)
        return err;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out_detail->text, sizeof(out_detail->text), format, args);
    va_end(args);
    for (char *at = out_detail->text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
    return err;
}

static bool ends_in(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

struct config_option config_option(enum option_id id)
{
    REQUIRE((unsigned)id < OPTION_COUNT);
    struct config_option option = table[id];
    if (option.type == OPTION_TYPE_BY_NAME) {
        option.type = ends_in(option.key, "_bytes") ? OPTION_TYPE_BYTES
                      : ends_in(option.key, "_ms")  ? OPTION_TYPE_DURATION
                                                    : OPTION_TYPE_INT;
    }
    return option;
}

enum option_id config_find(const char *name)
{
    unsigned id = 0;
    while (id < OPTION_COUNT && strcmp(table[id].name, name) != 0)
        id++;
    return (enum option_id)id;
}

/* How far `name` is from meaning this option: misspelt, without its section, or in a wrong one. */
static unsigned option_distance(const char *name, const struct config_option *option)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL)
        return suggest_distance(name, strlen(name), option->key);
    return strcmp(dot + 1, option->key) == 0 ? 1
                                             : suggest_distance(name, strlen(name), option->name);
}

static unsigned section_distance(const char *name, const struct config_option *option)
{
    return suggest_distance(name, strlen(name), option->section);
}

/* The row nearest to a name, NULL if none is near. */
static const struct config_option *
closest(const char *name, unsigned (*distance)(const char *, const struct config_option *))
{
    size_t size = strlen(name);
    const struct config_option *found = NULL;
    unsigned best = size < 4 ? 2 : 3;
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        unsigned this = distance(name, &table[id]);
        if (this < best) {
            best = this;
            found = &table[id];
        }
    }
    return found;
}

int config_fail_unknown(struct err_detail *out_detail, const char *name)
{
    const struct config_option *near = closest(name, option_distance);
    if (near != NULL)
        return config_fail(out_detail, ERR_NOT_FOUND, "%.*s: unknown option; did you mean %s?",
                           SHOWN_BYTES_MAX, name, near->name);
    return config_fail(out_detail, ERR_NOT_FOUND,
                       "%.*s: unknown option; cairnd --print-config lists all", SHOWN_BYTES_MAX,
                       name);
}

int config_fail_unknown_section(struct err_detail *out_detail, const char *name)
{
    const struct config_option *near = closest(name, section_distance);
    if (near != NULL)
        return config_fail(out_detail, ERR_NOT_FOUND, "%.*s: unknown section; did you mean %s?",
                           SHOWN_BYTES_MAX, name, near->section);
    return config_fail(out_detail, ERR_NOT_FOUND,
                       "%.*s: unknown section; cairnd --print-config lists all", SHOWN_BYTES_MAX,
                       name);
}

static int parse_bool(const char *text, int64_t *out_number)
{
    bool value;
    int err = num_parse_bool(text, &value);
    if (err == 0)
        *out_number = value;
    return err;
}

/* The word number `index` of "all|the|words"; size 0 behind the last. */
static struct bytes word_at(const char *words, int64_t index)
{
    for (; index > 0; index--) {
        words = strchrnul(words, '|');
        if (*words == '\0')
            return BYTES_NONE;
        words++;
    }
    return (struct bytes){(const uint8_t *)words, strcspn(words, "|")};
}

static int parse_word(const char *words, const char *text, int64_t *out_index)
{
    struct bytes word = word_at(words, 0);
    for (int64_t i = 0; word.size > 0; word = word_at(words, ++i)) {
        if (bytes_equal(word, bytes_of(text))) {
            *out_index = i;
            return 0;
        }
    }
    return ERR_BAD_ARGUMENT;
}

static int parse_number(const struct config_option *option, const char *text, int64_t *out_number)
{
    switch (option->type) {
    case OPTION_TYPE_INT:
        return num_parse_int(text, out_number);
    case OPTION_TYPE_BYTES:
        return num_parse_bytes(text, out_number);
    case OPTION_TYPE_DURATION:
        return num_parse_duration_ms(text, out_number);
    case OPTION_TYPE_MODE:
        return num_parse_mode(text, out_number);
    case OPTION_TYPE_BOOL:
        return parse_bool(text, out_number);
    case OPTION_TYPE_ENUM:
        return parse_word(option->words, text, out_number);
    case OPTION_TYPE_TEXT:
    case OPTION_TYPE_BY_NAME:
        break;
    }
    return ERR_INTERNAL;
}

static void format_number(const struct config_option *option, int64_t number,
                          char out_text[static CONFIG_VALUE_SIZE])
{
    struct bytes word;
    switch (option->type) {
    case OPTION_TYPE_INT:
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%" PRId64, number);
        break;
    case OPTION_TYPE_BYTES:
        num_format_bytes(number, out_text);
        break;
    case OPTION_TYPE_DURATION:
        num_format_duration_ms(number, out_text);
        break;
    case OPTION_TYPE_MODE:
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "0%03" PRIo64, (uint64_t)number);
        break;
    case OPTION_TYPE_BOOL:
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%s", number != 0 ? "true" : "false");
        break;
    case OPTION_TYPE_ENUM:
        word = word_at(option->words, number);
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%.*s", (int)word.size,
                       (const char *)word.data);
        break;
    case OPTION_TYPE_TEXT:
    case OPTION_TYPE_BY_NAME:
        REQUIRE(false);
    }
}

void config_value_format(const struct config_option *option, const struct config_value *value,
                         char out_text[static CONFIG_VALUE_SIZE])
{
    if (option->type == OPTION_TYPE_TEXT)
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%s", value->text);
    else
        format_number(option, value->number, out_text);
}

static void describe_words(const char *words, char out_text[static CONFIG_VALUE_SIZE])
{
    size_t size = (size_t)snprintf(out_text, CONFIG_VALUE_SIZE, "one of ");
    for (; *words != '\0' && size + 3 < CONFIG_VALUE_SIZE; words++) {
        if (*words == '|')
            out_text[size++] = ',';
        out_text[size++] = *words == '|' ? ' ' : *words;
    }
    out_text[size] = '\0';
}

static void describe(const struct config_option *option, char out_text[static CONFIG_VALUE_SIZE])
{
    if (option->type == OPTION_TYPE_ENUM) {
        describe_words(option->words, out_text);
    } else if (option->type == OPTION_TYPE_BOOL) {
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "true or false");
    } else if (option->type == OPTION_TYPE_TEXT) {
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "a text of at most %" PRId64 " bytes",
                       option->max);
    } else {
        const char *noun = option->type == OPTION_TYPE_BYTES      ? "a size"
                           : option->type == OPTION_TYPE_DURATION ? "a duration"
                           : option->type == OPTION_TYPE_MODE     ? "an octal mode"
                                                                  : "a number";
        char low[CONFIG_VALUE_SIZE];
        char high[CONFIG_VALUE_SIZE];
        format_number(option, option->min, low);
        format_number(option, option->max, high);
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%s between %.*s and %.*s", noun, NUM_TEXT_SIZE,
                       low, NUM_TEXT_SIZE, high);
    }
}

/* Does this text fit a TEXT option? */
static bool is_text_for(const struct config_option *option, const char *text)
{
    int64_t size = (int64_t)strlen(text);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            return false;
    }
    return size >= option->min && size <= option->max;
}

static char *duplicate(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

static const char *hint(enum option_type type)
{
    return type == OPTION_TYPE_BYTES      ? " (units: B, KiB, MiB, GiB, TiB)"
           : type == OPTION_TYPE_DURATION ? " (units: ms, s, m, h, d)"
           : type == OPTION_TYPE_TEXT     ? ", all printable ASCII"
                                          : "";
}

static int fail_value(const struct config_option *option, const char *text,
                      struct err_detail *out_detail)
{
    char accepted[CONFIG_VALUE_SIZE];
    describe(option, accepted);
    return config_fail(out_detail, ERR_BAD_ARGUMENT, "%s: '%.*s' is not %s%s", option->name,
                       SHOWN_BYTES_MAX, text, accepted, hint(option->type));
}

int config_value_parse(const struct config_option *option, const char *text,
                       struct config_value *out_value, struct err_detail *out_detail)
{
    struct config_value value = {0, NULL};
    if (option->type == OPTION_TYPE_TEXT) {
        if (!is_text_for(option, text))
            return fail_value(option, text, out_detail);
        value.text = duplicate(text);
        if (value.text == NULL)
            return config_fail(out_detail, ERR_OUT_OF_MEMORY, "%s: out of memory", option->name);
    } else {
        if (parse_number(option, text, &value.number) != 0)
            return fail_value(option, text, out_detail);
        if (option->type != OPTION_TYPE_ENUM &&
            (value.number < option->min || value.number > option->max))
            return fail_value(option, text, out_detail);
    }
    *out_value = value;
    return 0;
}

int config_value_default(const struct config_option *option, struct config_value *out_value)
{
    if (option->default_text != NULL)
        return config_value_parse(option, option->default_text, out_value, NULL);
    *out_value = (struct config_value){option->default_number, NULL};
    return 0;
}

bool config_value_equal(const struct config_value *a, const struct config_value *b)
{
    return a->text != NULL ? strcmp(a->text, b->text) == 0 : a->number == b->number;
}

void config_describe(enum option_id id, char out_text[static CONFIG_VALUE_SIZE])
{
    struct config_option option = config_option(id);
    describe(&option, out_text);
}

void config_format_default(enum option_id id, char out_text[static CONFIG_VALUE_SIZE])
{
    struct config_option option = config_option(id);
    if (option.default_text != NULL)
        (void)snprintf(out_text, CONFIG_VALUE_SIZE, "%s", option.default_text);
    else
        format_number(&option, option.default_number, out_text);
}
