/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads the command line by the table in options.def.
 *
 *   defaults <- workload of the file <- --config <- --workload <- command line
 *
 * Each goes before those to its left.
 *
 * How: all are read by the same parsers: a word is matched with a row, its value is parsed by the
 * row's type and checked against the row's bounds. The command line is read twice, first to learn
 * which workload and file it names. What is said in terms of other options is worked out last.
 *
 * Invariants: adding an option takes a row and no code.
 * Threads: none.
 * Failures: ERR_BAD_ARGUMENT and a sentence; a default that does not parse ends the program.
 */
#include "client/loadgen/options.h"

#include "client/loadgen/options_value.h"
#include "common/suggest.h"
#include "common/err.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct options_row options_table[OPTIONS_COUNT] = {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text)                              \
    {name, letter, OPTIONS_TYPE_##type,         arg, fallback, min,                                \
     max,  text,   offsetof(struct options, id)},
#define ALIAS(name, id)
#define MEANS(name, id, value)
#define EITHER(...)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
};

#define WORDS(...) ((const char *const[]){__VA_ARGS__})
const struct options_preset options_presets[] = {
#define PRESET(name, text, ...)                                                                    \
    {name, text, WORDS(__VA_ARGS__), sizeof WORDS(__VA_ARGS__) / sizeof(char *)},
#define ALIAS(other, name)
#include "client/loadgen/presets.def"
#undef PRESET
#undef ALIAS
    {NULL, NULL, NULL, 0},
};

static const struct {
    const char *other, *name;
} options_preset_aliases[] = {
#define PRESET(name, text, ...)
#define ALIAS(other, name) {other, name},
#include "client/loadgen/presets.def"
#undef PRESET
#undef ALIAS
};

/* Another spelling. */
struct options_alias {
    const char *name;
    enum options_id id;
    const char *value; /* NULL: it takes one, as the option does */
};

static const struct options_alias options_aliases[] = {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text)
#define ALIAS(name, id)        {name, OPTIONS_##id, NULL},
#define MEANS(name, id, value) {name, OPTIONS_##id, value},
#define EITHER(...)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
};

enum { OPTIONS_EITHER_MAX = 4 };

/* Different ways to say the same; those that are not there are OPTIONS_COUNT. */
struct options_either {
    enum options_id ids[OPTIONS_EITHER_MAX];
};

#define OPTIONS_IDS(a, b, c, d, ...)                                                               \
    {                                                                                              \
        {                                                                                          \
            OPTIONS_##a, OPTIONS_##b, OPTIONS_##c, OPTIONS_##d                                     \
        }                                                                                          \
    }
static const struct options_either options_either[] = {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text)
#define ALIAS(name, id)
#define MEANS(name, id, value)
#define EITHER(...) OPTIONS_IDS(__VA_ARGS__, COUNT, COUNT, 0),
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
};

/* An option of other tools. */
struct options_foreign {
    const char *name, *text;
    bool ignored; /* it changes nothing */
};

static const struct options_foreign options_foreign[] = {
#define FOREIGN(name, text) {name, text, false},
#define IGNORED(name, text) {name, text, true},
#define VALUE(id, pattern, text)
#include "client/loadgen/foreign.def"
#undef FOREIGN
#undef IGNORED
#undef VALUE
};

/* A value that is right for another tool. */
static const struct {
    enum options_id id;
    const char *pattern, *text;
} options_values[] = {
#define FOREIGN(name, text)
#define IGNORED(name, text)
#define VALUE(id, pattern, text) {OPTIONS_##id, pattern, text},
#include "client/loadgen/foreign.def"
#undef FOREIGN
#undef IGNORED
#undef VALUE
};

/* The command line and where the parser is in it. */
struct options_reader {
    const char *const *argv;
    int argc, at;
    const char *hyphens; /* what people write before a long name */
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

static void options_defaults(struct options *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        options_value_reset(&options_table[i], out);
}

/* A word behind an option that takes no value, which is no request but what another tool takes
 * there. */
static int options_check_behind(const struct options_reader *r, const struct options_row *row)
{
    const char *word = r->at + 1 < r->argc ? r->argv[r->at + 1] : "";
    for (size_t i = 0; i < LENGTH_OF(options_values); i++)
        if (&options_table[options_values[i].id] == row &&
            strcmp(options_values[i].pattern, word) == 0)
            return options_wrong(r, "%s%s %s: %s", r->hyphens, row->name, word,
                                 options_values[i].text);
    return 0;
}

/* A value that would be right for another tool. */
static int options_check_value(const struct options_reader *r, const struct options_row *row,
                               const char *text)
{
    for (size_t i = 0; i < LENGTH_OF(options_values); i++)
        if (&options_table[options_values[i].id] == row &&
            fnmatch(options_values[i].pattern, text, 0) == 0)
            return options_wrong(r, "%s%s %.32s: %s", r->hyphens, row->name, text,
                                 options_values[i].text);
    return 0;
}

/* What is given again and again is kept as a whole: the first of it in a layer takes the place of
 * all that is below. */
static int options_check_said(const struct options_reader *r, const struct options_row *row,
                              struct options *out)
{
    bool first = true;
    if (row->type != OPTIONS_TYPE_EACH)
        return 0;
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        first = first && !(options_table[i].type == OPTIONS_TYPE_EACH && out->given[i]);
    if (first)
        out->n_said = 0;
    if (out->n_said == 0 && row != &options_table[OPTIONS_command])
        return options_wrong(r, "%s%s is of the %s before it, and there is none", r->hyphens,
                             row->name, options_table[OPTIONS_command].name);
    if (out->n_said == OPTIONS_SAID_MAX)
        return options_wrong(r, "%s%s: at most %d of these in all", r->hyphens, row->name,
                             OPTIONS_SAID_MAX);
    return 0;
}

/* Give a row its value: what is attached to the option, or the next word. */
static int options_take(struct options_reader *r, const struct options_row *row,
                        const char *attached, struct options *out)
{
    bool bare = options_value_is_bare(row) && attached == NULL;
    if (!bare && attached == NULL) {
        if (++r->at >= r->argc)
            return options_wrong(r, "%s needs a value: %s%s", r->argv[r->at - 1], row->arg,
                                 row->letter == 'h' ? "; for help there is --help" : "");
        attached = r->argv[r->at];
    }
    int err = bare ? options_check_behind(r, row) : options_check_value(r, row, attached);
    if (err == 0 && row->type == OPTIONS_TYPE_FLAG && attached != NULL)
        err = options_wrong(r, "%s%s takes no value", r->hyphens, row->name);
    if (err == 0)
        err = options_check_said(r, row, out);
    if (err == 0 && options_value_set(row, attached == NULL ? "" : attached, out) != 0) {
        options_value_complain(row, r->hyphens, attached == NULL ? "" : attached, r->detail);
        err = ERR_BAD_ARGUMENT;
    }
    if (err != 0)
        return err;
    out->given[row - options_table] = true;
    return 0;
}

/* The alias of this name, or NULL. */
static const struct options_alias *options_find_alias(const char *word, size_t size)
{
    for (size_t i = 0; i < LENGTH_OF(options_aliases); i++)
        if (strlen(options_aliases[i].name) == size &&
            memcmp(options_aliases[i].name, word, size) == 0)
            return &options_aliases[i];
    return NULL;
}

bool options_is(enum options_id id, const char *name, size_t size)
{
    const struct options_row *row = &options_table[id];
    const struct options_alias *alias = options_find_alias(name, size);
    bool same = strlen(row->name) == size && memcmp(row->name, name, size) == 0;
    return same || (alias != NULL && alias->id == id && alias->value == NULL);
}

static const struct options_foreign *options_find_foreign(const char *word, size_t size)
{
    for (size_t i = 0; i < LENGTH_OF(options_foreign); i++)
        if (strlen(options_foreign[i].name) == size &&
            memcmp(options_foreign[i].name, word, size) == 0)
            return &options_foreign[i];
    return NULL;
}

/* An option that is none of ours: one of another tool, or one that is mistyped. */
static int options_unknown(const struct options_reader *r, const char *hyphens, const char *word,
                           size_t size, const char *best)
{
    const struct options_foreign *foreign = options_find_foreign(word, size);
    if (foreign != NULL && foreign->ignored)
        return 0;
    if (foreign != NULL)
        return options_wrong(r, "there is no %s%.*s here: %s", hyphens, (int)size, word,
                             foreign->text);
    if (best != NULL)
        return options_wrong(r, "unknown option %s%.*s; did you mean %s%s?", hyphens, (int)size,
                             word, r->hyphens, best);
    return options_wrong(r, "unknown option %s%.*s; --help lists all", hyphens, (int)size, word);
}

/* What an alias stands for. */
static int options_take_alias(struct options_reader *r, const struct options_alias *alias,
                              const char *attached, struct options *out)
{
    if (alias->value != NULL && attached != NULL)
        return options_wrong(r, "%s%s takes no value", r->hyphens, alias->name);
    return options_take(r, &options_table[alias->id],
                        alias->value != NULL ? alias->value : attached, out);
}

/* A long name, with what is attached to it, or NULL. */
static int options_named(struct options_reader *r, const char *name, size_t size,
                         const char *attached, struct options *out)
{
    struct suggest suggest;
    suggest_init(&suggest, name, size);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++) {
        if (strlen(options_table[i].name) == size && memcmp(options_table[i].name, name, size) == 0)
            return options_take(r, &options_table[i], attached, out);
        suggest_offer(&suggest, options_table[i].name);
    }
    const struct options_alias *alias = size > 1 ? options_find_alias(name, size) : NULL;
    return alias != NULL ? options_take_alias(r, alias, attached, out)
                         : options_unknown(r, r->hyphens, name, size, suggest.best);
}

static int options_long(struct options_reader *r, const char *word, struct options *out)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    return options_named(r, word, size, equals != NULL ? equals + 1 : NULL, out);
}

static int options_short(struct options_reader *r, const char *word, struct options *out)
{
    const char *attached = word[1] != 0 ? word + 1 : NULL;
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        if (options_table[i].letter == word[0])
            return options_take(r, &options_table[i], attached, out);
    const struct options_alias *alias = options_find_alias(word, 1);
    return alias != NULL ? options_take_alias(r, alias, attached, out)
                         : options_unknown(r, "-", word, 1, NULL);
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

static int options_words(struct options_reader *r, struct options *out)
{
    int err = 0;
    while (r->at < r->argc && err == 0 && options_word(r, out, &err))
        r->at++;
    return err;
}

/* kv_read is kv-read. */
static bool options_same_name(const char *a, const char *b)
{
    for (; *a != 0 && (*a == *b || (*a == '_' && *b == '-') || (*a == '-' && *b == '_')); a++)
        b++;
    return *a == *b;
}

/* The workload of this name; of none the empty row. Offers the others. */
static const struct options_preset *options_find_preset(const char *name, struct suggest *suggest)
{
    const struct options_preset *preset = options_presets;
    for (size_t i = 0; i < LENGTH_OF(options_preset_aliases); i++)
        if (options_same_name(name, options_preset_aliases[i].other))
            name = options_preset_aliases[i].name;
    suggest_init(suggest, name, strlen(name));
    for (; preset->name != NULL && !options_same_name(name, preset->name); preset++)
        suggest_offer(suggest, preset->name);
    return preset;
}

/* Set what a workload stands for, as if these were the defaults. */
static int options_preset(const struct options_reader *r, const char *name, struct options *out)
{
    struct suggest suggest;
    if (name[0] == 0 || strcmp(name, OPTIONS_LIST) == 0)
        return 0;
    const struct options_preset *preset = options_find_preset(name, &suggest);
    if (preset->name == NULL)
        return options_wrong(r, "unknown workload '%.32s'; %s%s", name,
                             suggest.best != NULL ? "did you mean "
                                                  : "--workload " OPTIONS_LIST " lists all",
                             suggest.best != NULL ? suggest.best : "");
    struct options_reader words = {preset->words, preset->n_words, 0, r->hyphens, r->detail};
    return options_words(&words, out);
}

/* ---- --config ---- */

/* "yes" or "no" of an option that takes no value. False: neither. */
static bool options_yes_or_no(const char *text, bool *out_yes)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < LENGTH_OF(words); i++)
        if (strcmp(words[i], text) == 0) {
            *out_yes = i % 2 == 1;
            return true;
        }
    return false;
}

/* The option that a name in a file sets; *out_bare: without a value, so that it may say yes or no.
 * NULL: there is none. */
static const struct options_row *options_find_named(const char *name, bool *out_bare)
{
    const struct options_alias *alias = options_find_alias(name, strlen(name));
    const struct options_row *row = alias == NULL ? NULL : &options_table[alias->id];
    for (unsigned i = 0; i < OPTIONS_COUNT && row == NULL; i++)
        if (strcmp(options_table[i].name, name) == 0)
            row = &options_table[i];
    *out_bare =
        row != NULL && (options_value_is_bare(row) || (alias != NULL && alias->value != NULL));
    return row;
}

/* What a file cannot say. */
static bool options_is_outside(const struct options_row *row)
{
    static const enum options_id outside[] = {OPTIONS_config, OPTIONS_help, OPTIONS_version,
                                              OPTIONS_env};
    for (size_t i = 0; i < LENGTH_OF(outside); i++)
        if (row == &options_table[outside[i]])
            return true;
    return false;
}

/* A line: a name as on the command line. */
static int options_line(struct options_reader *r, const struct option_line *line,
                        struct options *out)
{
    const char *value = line->value;
    bool bare, yes = true;
    const struct options_row *row = options_find_named(line->name, &bare);
    if (row != NULL && options_is_outside(row))
        return options_wrong(r, "%s belongs on the command line", line->name);
    if (row != NULL && !bare && value == NULL)
        return options_wrong(r, "%s needs a value: %s = %s", line->name, line->name, row->arg);
    bool number = row != NULL && row->type == OPTIONS_TYPE_MAYBE;
    if (bare && value != NULL && !(number && strcmp(value, "1") == 0)) {
        if (options_yes_or_no(value, &yes))
            value = NULL;
        else if (!number)
            return options_wrong(r, "%s is yes or no", line->name);
    }
    return yes ? options_named(r, line->name, strlen(line->name), value, out) : 0;
}

/* The lines of the file; what is wrong is said with the number of its line. */
static int options_lines(const struct options_reader *r, const char *path,
                         const struct option_file *file, struct options *out)
{
    char detail[OPTIONS_DETAIL_SIZE];
    struct options_reader reader = {.hyphens = "", .detail = detail};
    for (size_t i = 0; i < file->n; i++)
        if (options_line(&reader, &file->lines[i], out) != 0)
            return options_wrong(r, "--config %.60s, line %u: %.160s", path, file->lines[i].number,
                                 detail);
    return 0;
}

/* ---- all of it ---- */

/* The words of a request are as good as a script. */
static bool options_says(const struct options *options, enum options_id id)
{
    return options->given[id] || (id == OPTIONS_script && options->n_words > 0);
}

/* What was given now takes the place of what says the same otherwise. */
static void options_displace(bool before[static OPTIONS_COUNT], struct options *out)
{
    for (size_t i = 0; i < LENGTH_OF(options_either); i++) {
        const enum options_id *ids = options_either[i].ids;
        bool any = false;
        for (size_t j = 0; j < OPTIONS_EITHER_MAX && ids[j] < OPTIONS_COUNT; j++)
            any = any || options_says(out, ids[j]);
        for (size_t j = 0; any && j < OPTIONS_EITHER_MAX && ids[j] < OPTIONS_COUNT; j++)
            if (!out->given[ids[j]]) {
                options_value_reset(&options_table[ids[j]], out);
                before[ids[j]] = false;
            }
    }
}

bool options_clash(const struct options *options, const struct options_row **out_a,
                   const struct options_row **out_b)
{
    for (size_t i = 0; i < LENGTH_OF(options_either); i++) {
        const enum options_id *ids = options_either[i].ids;
        *out_a = NULL;
        for (size_t j = 0; j < OPTIONS_EITHER_MAX && ids[j] < OPTIONS_COUNT; j++) {
            if (!options->given[ids[j]])
                continue;
            *out_b = &options_table[ids[j]];
            if (*out_a != NULL)
                return true;
            *out_a = *out_b;
        }
    }
    return false;
}

/* Work out what is said in terms of other options. */
static void options_settle(struct options *o)
{
    bool asked = o->given[OPTIONS_tests] || o->mix[0] != 0 || o->script[0] != 0 || o->command ||
                 o->n_words > 0;
    if (o->clients_per_thread > 0)
        o->connections = o->clients_per_thread * o->threads;
    if (o->rate_limiting > 0)
        o->rate = o->rate_limiting * (double)o->connections;
    if (o->given[OPTIONS_key_maximum] && o->key_maximum >= o->key_minimum)
        o->keyspace = o->key_maximum - o->key_minimum + 1;
    if (o->given[OPTIONS_ratio] && !asked &&
        strcmp(o->tests, options_table[OPTIONS_tests].fallback) == 0)
        o->tests = "mixed";
}

int options_set(struct options *options, enum options_id id, const char *text,
                char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct options_reader r = {.hyphens = "--", .detail = out_detail};
    int err = options_take(&r, &options_table[id], text, options);
    options_settle(options);
    return err;
}

/* A layer of options begins: `before` becomes what is given below it. */
static void options_begin(bool before[static OPTIONS_COUNT], struct options *out)
{
    memcpy(before, out->given, OPTIONS_COUNT * sizeof *before);
    memset(out->given, 0, OPTIONS_COUNT * sizeof *before);
}

/* A layer ends. What a workload stands for counts as if it were the defaults. */
static void options_end(bool before[static OPTIONS_COUNT], bool workload, struct options *out)
{
    options_displace(before, out);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        out->given[i] = workload ? before[i] && !out->given[i] : before[i] || out->given[i];
}

static int options_add_preset(const struct options_reader *r, const char *name, struct options *out)
{
    bool before[OPTIONS_COUNT];
    options_begin(before, out);
    int err = options_preset(r, name, out);
    options_end(before, true, out);
    return err;
}

static int options_add_file(const struct options_reader *r, const char *path, bool workload,
                            struct options *out)
{
    bool before[OPTIONS_COUNT];
    const struct option_file *file = &out->file;
    int err = 0;
    for (size_t i = 0; i < file->n && workload && err == 0; i++)
        if (strcmp(file->lines[i].name, "workload") == 0 && file->lines[i].value != NULL)
            err = options_add_preset(r, file->lines[i].value, out);
    options_begin(before, out);
    if (err == 0)
        err = options_lines(r, path, file, out);
    options_end(before, false, out);
    return err;
}

static int options_add_line(struct options_reader *r, char *const *argv, struct options *out)
{
    bool before[OPTIONS_COUNT];
    options_begin(before, out);
    int err = options_words(r, out);
    if (err == 0 && r->at < r->argc) {
        out->words = argv + r->at;
        out->n_words = r->argc - r->at;
    }
    options_end(before, false, out);
    return err;
}

int options_parse(int argc, char *const *argv, struct options *out,
                  char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct options_reader r = {(const char *const *)argv, argc, 1, "--", out_detail};
    struct options line, options;
    options_defaults(&line);
    options_defaults(&options);
    options.help = options_ask_help(argc, argv);
    int err = options.help ? 0 : options_words(&r, &line);
    if (err == 0 && line.config[0] != 0 &&
        option_file_read(&options.file, line.config, out_detail) != 0)
        err = ERR_BAD_ARGUMENT;
    if (err == 0)
        err = options_add_file(&r, line.config, !line.given[OPTIONS_workload], &options);
    if (err == 0)
        err = options_add_preset(&r, line.workload, &options);
    r.at = 1;
    if (err == 0 && !options.help)
        err = options_add_line(&r, argv, &options);
    options_settle(&options);
    if (err == 0)
        *out = options;
    else
        option_file_deinit(&options.file);
    return err;
}

void options_deinit(struct options *options)
{
    option_file_deinit(&options->file);
}
