/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes tests from the command line.
 *
 * How: shapes of the table are referred to; a request that is written out becomes a shape that is
 * spelled the same for all protocols, unless the table has the same one. Whether reads find their
 * key is known by the name of the command.
 *
 * Invariants: names of kinds differ, as they are keys of --json; a shape that inserts comes first.
 * Threads: any; a mix is read only once made. Failures: ERR_BAD_ARGUMENT, ERR_IO,
 * ERR_OUT_OF_MEMORY, with a sentence.
 */
#include "client/loadgen/mix.h"

#include "client/loadgen/vector_words.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/num.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    MIX_WEIGHT_MAX = 1000000,     /* mix_mistake says so, too */
    MIX_SCRIPT_MAX = 1024 * 1024, /* bytes */
};

PRINTF_LIKE(2, 3)
static int mix_wrong(char *out_detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out_detail, MIX_DETAIL_SIZE, format, args);
    va_end(args);
    return ERR_BAD_ARGUMENT;
}

static void mix_begin(struct mix *mix)
{
    memset(mix, 0, sizeof *mix);
    mix->workload =
        (struct workload){.name = mix->title, .title = mix->title, .groups = "", .text = ""};
}

/* Text behind the title, as far as there is room. */
PRINTF_LIKE(2, 3)
static void mix_entitle(struct mix *mix, const char *format, ...)
{
    size_t at = strlen(mix->title);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(mix->title + at, sizeof mix->title - at, format, args);
    va_end(args);
}

static bool mix_weight(struct bytes text, uint32_t *out)
{
    int64_t weight;
    if (!num_read_int(text, &weight) || weight < 1 || weight > MIX_WEIGHT_MAX)
        return false;
    *out = (uint32_t)weight;
    return true;
}

/* One more kind. One that inserts goes before all others. */
static int mix_add(struct mix *mix, const struct shape *shape, uint32_t weight, char *out_detail)
{
    struct workload *workload = &mix->workload;
    unsigned n = workload->n_shapes;
    if (n == WORKLOAD_SHAPES)
        return mix_wrong(out_detail, "at most %d kinds of requests can be mixed", WORKLOAD_SHAPES);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(workload->shapes[i]->name, shape->name) == 0)
            return mix_wrong(out_detail, "'%.32s' stands there twice; give each another name",
                             shape->name);
    unsigned at = (shape->flags & SHAPE_INSERTS) != 0 ? 0 : n;
    workload->shapes[n] = workload->shapes[at];
    workload->weights[n] = workload->weights[at];
    workload->shapes[at] = shape;
    workload->weights[at] = weight;
    workload->n_shapes++;
    return 0;
}

/* What loadgen knows of a command by its name, in any protocol. */
static unsigned mix_flags(struct bytes command)
{
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        for (unsigned s = 0; s < SPELLING_COUNT; s++) {
            const struct shape *shape = workload_table[i].shapes[0];
            size_t size = strcspn(shape->spelling[s], " ");
            if (size == command.size && size > 0 &&
                strncasecmp(shape->spelling[s], (const char *)command.data, size) == 0)
                return shape->flags & (SHAPE_FINDS | SHAPE_REMOVES | SHAPE_SESSIONS |
                                       SHAPE_VECTORS | SHAPE_SEARCHES | SHAPE_MANY);
        }
    return 0;
}

/* ---- one request ---- */

void mix_of_words(struct mix *mix, char *const *words, int n_words)
{
    mix_begin(mix);
    for (int i = 0; i < n_words; i++)
        mix_entitle(mix, "%s%s", i > 0 ? " " : "", words[i]);
    unsigned flags = n_words > 0 ? mix_flags(bytes_of(words[0])) : 0;
    mix->shapes[0] = (struct shape){.name = mix->title,
                                    .spelling = {"", ""},
                                    .flags = flags & (SHAPE_VECTORS | SHAPE_SEARCHES | SHAPE_MANY),
                                    .words = words,
                                    .n_words = n_words};
    mix->workload.shapes[0] = &mix->shapes[0];
    mix->workload.n_shapes = 1;
}

/* ---- --mix ---- */

/* "get=70", or "get" of weight 1. */
static int mix_part(struct mix *mix, const char *part, size_t size, char *out_detail)
{
    size_t name = strcspn(part, "=,");
    uint32_t weight = 1;
    const struct shape *shape = workload_shape(part, name);
    if (name < size &&
        !mix_weight((struct bytes){(const uint8_t *)part + name + 1, size - name - 1}, &weight))
        return mix_wrong(out_detail,
                         "--mix %.*s: write a test and its weight, from 1 to %d, as get=70",
                         (int)(size < 64 ? size : 64), part, MIX_WEIGHT_MAX);
    if (shape == NULL)
        return workload_unknown(part, name, out_detail);
    mix_entitle(mix, "%s%s=%u", mix->title[0] != 0 ? "," : "", shape->name, weight);
    return mix_add(mix, shape, weight, out_detail);
}

int mix_of_list(struct mix *mix, const char *list, char out_detail[static MIX_DETAIL_SIZE])
{
    _Static_assert((int)MIX_DETAIL_SIZE >= (int)WORKLOAD_DETAIL_SIZE,
                   "workload_unknown writes as much");
    mix_begin(mix);
    for (;;) {
        size_t size = strcspn(list, ",");
        int err = mix_part(mix, list, size, out_detail);
        if (err != 0 || list[size] == 0)
            return err;
        list += size + 1;
    }
}

/* ---- requests that are written out ---- */

/* A name, as far as there is room for it and a number behind it. */
static void mix_put_name(struct bytes name, char out[static MIX_NAME_SIZE])
{
    (void)snprintf(out, MIX_NAME_SIZE, "%.*s", (int)(name.size < 24 ? name.size : 24),
                   (const char *)name.data);
}

/* The kind is called as written, or like its command, with a number if there are more of these. */
static void mix_name(struct mix *mix, unsigned at, struct bytes written, struct bytes command)
{
    char *name = mix->names[at];
    unsigned same = 0;
    mix_put_name(written.size > 0 ? written : command, name);
    size_t size = strlen(name);
    for (unsigned i = 0; i < at && written.size == 0; i++)
        same += strncmp(mix->names[i], name, size) == 0 &&
                (mix->names[i][size] == 0 || mix->names[i][size] == ' ');
    if (same > 0)
        (void)snprintf(name + size, MIX_NAME_SIZE - size, " %u", same + 1);
}

/* What stands before a request. */
struct mix_head {
    struct bytes name, step; /* "NAME/STEP=WEIGHT"; empty: not there */
    uint32_t weight;
    bool then; /* "then", "then=STEP" */
};

static bool mix_cut(struct bytes *word, char mark, struct bytes *out_before)
{
    const uint8_t *at = word->size == 0 ? NULL : memchr(word->data, mark, word->size);
    if (at == NULL)
        return false;
    *out_before = (struct bytes){word->data, (size_t)(at - word->data)};
    *word = (struct bytes){at + 1, word->size - out_before->size - 1};
    return true;
}

/* Is the word what stands before a request? */
static bool mix_read_head(struct bytes word, struct mix_head *out)
{
    struct mix_head head = {.name = BYTES_NONE, .step = BYTES_NONE, .weight = 1};
    struct bytes rest = word, step;
    bool named = mix_cut(&rest, '=', &head.name);
    head.then = bytes_equal(named ? head.name : word, bytes_of("then"));
    if (head.then && named)
        head.step = rest;
    if (!head.then && !mix_weight(rest, &head.weight))
        return false;
    step = head.name;
    bool stepped = !head.then && named && mix_cut(&step, '/', &head.name);
    if (stepped)
        head.step = step;
    *out = head;
    return !named || (head.name.size > 0 && (head.step.size > 0 || !(stepped || head.then)));
}

/* What is wrong with a word that looks like a placeholder; NULL: nothing. */
static const char *mix_placeholder(struct bytes word)
{
    uint64_t low, high;
    struct bytes field;
    enum vector_word vector;
    if (bytes_start_with(word, bytes_of("__number")) && !command_is_number(word, &low, &high))
        return "a number is __number__ or, from 1 to 100, __number:1-100__";
    if (bytes_start_with(word, bytes_of("__repeat")) && !command_is_repeat(word, &low))
        return "__repeat:10__ repeats what follows ten times, at most 10000";
    if (bytes_start_with(word, bytes_of("__reply")) && !command_is_reply(word, &field))
        return "what a request was answered is __reply__ or, of a map, __reply:KEY__";
    if (command_is_misplaced(word))
        return "__key__ and __data__ are words of their own; inside of a word there is "
               "__rand_int__, the digits of a key: user:__rand_int__";
    bool known = command_is_key(word) || command_is_data(word) || command_is_reply(word, &field) ||
                 command_is_number(word, &low, &high) || command_is_repeat(word, &low) ||
                 command_find_key(word) != SIZE_MAX || vector_word_find(word, &vector);
    return !known && command_is_placeholder(word)
               ? "there is no such placeholder; there are __key__, __data__, __rand_int__, "
                 "__number:1-100__, and what docs/loadgen.md names besides"
               : NULL;
}

/* The first word that is wrong, and what is; NULL: none is. */
static const char *mix_placeholders(const struct command *command, struct bytes *out_word)
{
    const char *mistake = NULL;
    for (unsigned i = 0; i < command->count && mistake == NULL; i++) {
        *out_word = command->words[i];
        mistake = mix_placeholder(*out_word);
    }
    return mistake;
}

static bool mix_copies(const struct command *command)
{
    struct bytes field;
    for (unsigned i = 0; i < command->count; i++)
        if (command_is_reply(command->words[i], &field))
            return true;
    return false;
}

static bool mix_has_vectors(const struct command *command)
{
    enum vector_word word;
    for (unsigned i = 0; i < command->count; i++)
        if (vector_word_find(command->words[i], &word))
            return true;
    return false;
}

enum { MIX_PLACE_SIZE = 32 };

/* A request as it is written. */
struct mix_line {
    char place[MIX_PLACE_SIZE]; /* where, for sentences */
    struct mix_head head;
    char *const *words; /* of the request itself */
    struct command command;
};

PRINTF_LIKE(3, 4)
static int mix_wrong_at(char *out_detail, const struct mix_line *line, const char *format, ...)
{
    char text[MIX_DETAIL_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mix_wrong(out_detail, "%s: %.200s", line->place, text);
}

/* The same request in the table of tests, which knows how it is spelled in all protocols; NULL:
 * there is none. */
static const struct shape *mix_known(const struct command *command)
{
    struct command words;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        for (unsigned s = 0; s < SPELLING_COUNT; s++) {
            const struct shape *shape = workload_table[i].shapes[0];
            command_split(shape->spelling[s], &words);
            if (shape_speaks_all(shape) && command_equal(&words, command))
                return shape;
        }
    return NULL;
}

static struct shape mix_shape(const struct mix_line *line, const char *name)
{
    const struct command *command = &line->command;
    const struct shape *known = mix_known(command);
    struct shape shape = {
        .name = name,
        .spelling = {"", ""},
        .flags = mix_flags(command->words[0]) | (mix_copies(command) ? SHAPE_COPIES : 0) |
                 (mix_has_vectors(command) ? SHAPE_VECTORS : 0),
        .words = line->words,
        .n_words = (int)command->count,
    };
    if (known == NULL)
        return shape;
    memcpy(shape.spelling, known->spelling, sizeof shape.spelling);
    shape.words = NULL;
    shape.n_words = 0;
    return shape;
}

/* One more step. */
static void mix_step(struct mix *mix, const struct shape *shape, const char *name)
{
    unsigned n = mix->n_steps++;
    (void)snprintf(mix->step_names[n], MIX_NAME_SIZE, "%s", name);
    mix->steps[n] = *shape;
    mix->steps[n].name = mix->step_names[n];
    mix->step_list[n] = &mix->steps[n];
}

/* What a step is called: as written, or like its command. */
static void mix_step_name(const struct mix_line *line, char out[static MIX_NAME_SIZE])
{
    struct bytes written = line->head.step;
    mix_put_name(written.size > 0 ? written : line->command.words[0], out);
}

/* A step behind those that the last request has; what was one request becomes a sequence. */
static int mix_then(struct mix *mix, const struct mix_line *line, char *out_detail)
{
    char name[MIX_NAME_SIZE];
    if (mix->workload.n_shapes == 0)
        return mix_wrong_at(out_detail, line,
                            "\"then\" goes on with a request, and there is none before it");
    unsigned at = mix->workload.n_shapes - 1, n = mix->n_steps;
    struct shape *sequence = &mix->shapes[at];
    unsigned needed = sequence->n_steps == 0 ? 2 : 1;
    if (n + needed > MIX_STEPS)
        return mix_wrong_at(out_detail, line, "at most %d steps of sequences", MIX_STEPS);
    if (needed == 2) {
        mix_step(mix, sequence, mix->first_step);
        *sequence = (struct shape){.name = mix->names[at],
                                   .spelling = {"", ""},
                                   .steps = &mix->step_list[n],
                                   .n_steps = 1};
    }
    mix_step_name(line, name);
    const struct shape step = mix_shape(line, name);
    mix_step(mix, &step, name);
    sequence->n_steps++;
    return 0;
}

static int mix_request(struct mix *mix, const struct mix_line *line, char *out_detail)
{
    unsigned at = mix->workload.n_shapes;
    if (at == WORKLOAD_SHAPES)
        return mix_wrong_at(out_detail, line, "at most %d kinds can be mixed", WORKLOAD_SHAPES);
    mix_name(mix, at, line->head.name, line->command.words[0]);
    mix_step_name(line, mix->first_step);
    mix->shapes[at] = mix_shape(line, mix->names[at]);
    return mix_add(mix, &mix->shapes[at], line->head.weight, out_detail);
}

/* Look at the words behind the head. */
static int mix_check(const struct mix_line *line, char *out_detail)
{
    const struct command *command = &line->command;
    struct bytes word = BYTES_NONE;
    const char *mistake = mix_placeholders(command, &word);
    if (mistake != NULL)
        return mix_wrong_at(out_detail, line, "%.*s: %s", (int)(word.size < 40 ? word.size : 40),
                            (const char *)word.data, mistake);
    if (!line->head.then && mix_copies(command))
        return mix_wrong_at(out_detail, line,
                            "__reply__ is what the request before was answered: it stands behind "
                            "\"then\"");
    return 0;
}

/* The words of a text, which are the last of mix->lines then. */
static int mix_split(struct mix *mix, const char *text, const struct mix_line *line,
                     char *out_detail)
{
    if (mix->n_lines == LENGTH_OF(mix->lines))
        return mix_wrong_at(out_detail, line, "that is more than can be mixed");
    struct words *words = &mix->lines[mix->n_lines];
    if (words_split(bytes_of(text), words) != 0) {
        (void)mix_wrong_at(out_detail, line, "out of memory");
        return ERR_OUT_OF_MEMORY;
    }
    mix->n_lines++;
    if (words->open != 0)
        return mix_wrong_at(out_detail, line,
                            "the quote %c is not closed; write \\%c if it is one of the word",
                            words->open, words->open);
    return 0;
}

static const struct words *mix_last_line(const struct mix *mix)
{
    return &mix->lines[mix->n_lines - 1];
}

/* A request, of which the head is known, is these words. */
static int mix_add_line(struct mix *mix, struct mix_line *line, char *const *words, int n_words,
                        char *out_detail)
{
    line->words = words;
    if (n_words == 0 || n_words >= COMMAND_WORDS_MAX - 1 ||
        !command_of_words(words, n_words, &line->command))
        return mix_wrong_at(out_detail, line, "a request has 1 to 254 words");
    int err = mix_check(line, out_detail);
    if (err != 0)
        return err;
    return line->head.then ? mix_then(mix, line, out_detail) : mix_request(mix, line, out_detail);
}

/* ---- --script ---- */

static int mix_script_line(struct mix *mix, const char *text, unsigned number, char *out_detail)
{
    struct mix_line line = {.head = {.weight = 1}};
    (void)snprintf(line.place, sizeof line.place, "line %u of the script", number);
    int err = mix_split(mix, text, &line, out_detail);
    if (err != 0)
        return err;
    const struct words *words = mix_last_line(mix);
    if (words->argc == 0) { /* empty, or a comment */
        words_deinit(&mix->lines[--mix->n_lines]);
        return 0;
    }
    bool headed = mix_read_head(bytes_of(words->argv[0]), &line.head);
    if (!headed && strchr(words->argv[0], '=') != NULL)
        return mix_wrong_at(out_detail, &line,
                            "write NAME=WEIGHT, the weight from 1 to %d, or then=NAME",
                            MIX_WEIGHT_MAX);
    return mix_add_line(mix, &line, words->argv + headed, words->argc - headed, out_detail);
}

static int mix_lines(struct mix *mix, char *text, char *out_detail)
{
    char *line = text;
    int err = 0;
    for (unsigned number = 1; line != NULL && err == 0; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = 0;
        err = mix_script_line(mix, line, number, out_detail);
        line = end == NULL ? NULL : end + 1;
    }
    if (err == 0 && mix->workload.n_shapes == 0)
        return mix_wrong(out_detail, "there is no request in the script; write one on each line");
    return err;
}

static int mix_read(FILE *file, char **out_text)
{
    char *text = mem_alloc(MIX_SCRIPT_MAX + 1);
    if (text == NULL)
        return ERR_OUT_OF_MEMORY;
    size_t size = fread(text, 1, MIX_SCRIPT_MAX, file);
    text[size] = 0;
    *out_text = text;
    return ferror(file) != 0 ? ERR_IO : 0;
}

int mix_of_script(struct mix *mix, const char *path, char out_detail[static MIX_DETAIL_SIZE])
{
    const char *base = strrchr(path, '/');
    char *text = NULL;
    mix_begin(mix);
    mix_entitle(mix, "script %s", base != NULL ? base + 1 : path);
    FILE *file = fopen(path, "re");
    int err = file == NULL ? ERR_IO : mix_read(file, &text);
    int error = errno;
    bool cut = err == 0 && fgetc(file) != EOF;
    if (file != NULL)
        (void)fclose(file);
    if (err != 0)
        (void)mix_wrong(out_detail, "--script %.120s: %s", path,
                        err == ERR_IO ? strerror(error) : "out of memory");
    else if (cut)
        err = mix_wrong(out_detail, "--script %.120s: it has more than 1 MiB", path);
    else
        err = mix_lines(mix, text, out_detail);
    mem_free(text);
    return err;
}

/* ---- --command ---- */

/* The weight of the --command that is number `at` of what was said: the last --command-ratio behind
 * it, before the next. */
static int mix_ratio(const struct options *options, unsigned at, struct mix_line *line,
                     char *out_detail)
{
    for (unsigned i = at + 1; i < options->n_said; i++) {
        const struct options_said *said = &options->said[i];
        if (said->id == OPTIONS_command)
            break;
        if (!mix_weight(bytes_of(said->text), &line->head.weight))
            return mix_wrong(out_detail,
                             "--command-ratio %.32s: must be a whole number from 1 to "
                             "%d; leave out a --command that is not to be sent",
                             said->text, MIX_WEIGHT_MAX);
    }
    return 0;
}

/* Called like the request, or, if there are several, by their names and weights. */
static void mix_entitle_all(struct mix *mix, const struct options *options)
{
    const struct workload *workload = &mix->workload;
    if (workload->n_shapes == 1)
        mix_entitle(mix, "%s", options->said[0].text);
    for (unsigned i = 0; i < workload->n_shapes && workload->n_shapes > 1; i++)
        mix_entitle(mix, "%s%s=%u", i > 0 ? "," : "", workload->shapes[i]->name,
                    workload->weights[i]);
}

int mix_of_commands(struct mix *mix, const struct options *options,
                    char out_detail[static MIX_DETAIL_SIZE])
{
    unsigned number = 0;
    int err = 0;
    mix_begin(mix);
    for (unsigned i = 0; i < options->n_said && err == 0; i++) {
        struct mix_line line = {.head = {.weight = 1}};
        if (options->said[i].id != OPTIONS_command)
            continue;
        (void)snprintf(line.place, sizeof line.place, "--command number %u", ++number);
        err = mix_ratio(options, i, &line, out_detail);
        if (err == 0)
            err = mix_split(mix, options->said[i].text, &line, out_detail);
        if (err == 0)
            err = mix_add_line(mix, &line, mix_last_line(mix)->argv, mix_last_line(mix)->argc,
                               out_detail);
    }
    if (err == 0)
        mix_entitle_all(mix, options);
    return err;
}

void mix_deinit(struct mix *mix)
{
    while (mix->n_lines > 0)
        words_deinit(&mix->lines[--mix->n_lines]);
}
