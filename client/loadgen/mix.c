/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes tests from the command line.
 *
 * How: shapes of the table are referred to; a line of a script becomes a shape that is spelled the
 * same for all protocols. Whether reads find their key is known by the name of the command.
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

/* ---- --script ---- */

/* The kind is called as written, or like its command, with a number if there are more of these. */
static void mix_name(struct mix *mix, unsigned at, struct bytes written, struct bytes command)
{
    char *name = mix->names[at];
    struct bytes from = written.size > 0 ? written : command;
    unsigned same = 0;
    for (unsigned i = 0; i < at && written.size == 0; i++)
        same += bytes_start_with(bytes_of(mix->names[i]), from);
    (void)snprintf(name, MIX_NAME_SIZE, "%.*s", (int)(from.size < 24 ? from.size : 24),
                   (const char *)from.data);
    if (same > 0)
        (void)snprintf(name + strlen(name), MIX_NAME_SIZE - strlen(name), " %u", same + 1);
}

/* Split "[[NAME=]WEIGHT]" off a line. False: it is neither. */
static bool mix_head(struct bytes word, struct bytes *out_name, uint32_t *out_weight)
{
    const uint8_t *equals = memchr(word.data, '=', word.size);
    size_t name = equals == NULL ? 0 : (size_t)(equals - word.data);
    size_t at = equals == NULL ? 0 : name + 1;
    *out_name = (struct bytes){word.data, name};
    return mix_weight((struct bytes){word.data + at, word.size - at}, out_weight) &&
           (equals == NULL || name > 0);
}

/* What is wrong with a word that looks like a placeholder; NULL: nothing. */
static const char *mix_placeholder(struct bytes word)
{
    uint64_t low, high;
    struct bytes field;
    if (bytes_start_with(word, bytes_of("__number")) && !command_is_number(word, &low, &high))
        return "a number is __number__ or, from 1 to 100, __number:1-100__";
    if (bytes_start_with(word, bytes_of("__repeat")) && !command_is_repeat(word, &low))
        return "__repeat:10__ repeats what follows ten times, at most 10000";
    if (bytes_start_with(word, bytes_of("__reply")) && !command_is_reply(word, &field))
        return "what a request was answered is __reply__ or, of a map, __reply:KEY__";
    return NULL;
}

static const char *mix_placeholders(const struct command *command)
{
    const char *mistake = NULL;
    for (unsigned i = 0; i < command->count && mistake == NULL; i++)
        mistake = mix_placeholder(command->words[i]);
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

/* A line of a script. */
struct mix_line {
    unsigned number; /* from 1 on */
    struct command command;
    unsigned first; /* word of the request itself */
    struct bytes name;
    uint32_t weight;
};

static struct shape mix_shape(const struct mix_line *line, const char *name)
{
    struct bytes first = line->command.words[line->first];
    const char *words = (const char *)first.data; /* up to the end of the line */
    return (struct shape){
        .name = name,
        .spelling = {words, words},
        .flags = mix_flags(first) | (mix_copies(&line->command) ? SHAPE_COPIES : 0) |
                 (mix_has_vectors(&line->command) ? SHAPE_VECTORS : 0),
    };
}

/* A step behind those that the last request has; what was one request becomes a sequence. */
static int mix_then(struct mix *mix, const struct mix_line *line, char *out_detail)
{
    if (mix->workload.n_shapes == 0)
        return mix_wrong(
            out_detail,
            "line %u of the script: \"then\" goes on with a request, and there is none "
            "before it",
            line->number);
    unsigned at = mix->workload.n_shapes - 1, n = mix->n_steps;
    struct shape *sequence = &mix->shapes[at];
    unsigned needed = sequence->n_steps == 0 ? 2 : 1;
    if (n + needed > MIX_STEPS)
        return mix_wrong(out_detail, "line %u of the script: at most %d steps of sequences",
                         line->number, MIX_STEPS);
    if (needed == 2) {
        size_t size = strcspn(sequence->spelling[0], " ");
        (void)snprintf(mix->step_names[n], MIX_NAME_SIZE, "%.*s", (int)(size < 24 ? size : 24),
                       sequence->spelling[0]);
        mix->steps[n] = *sequence;
        mix->steps[n].name = mix->step_names[n];
        mix->step_list[n] = &mix->steps[n];
        *sequence = (struct shape){.name = mix->names[at],
                                   .spelling = {"", ""},
                                   .steps = &mix->step_list[n],
                                   .n_steps = 1};
        n++;
    }
    struct bytes command = line->command.words[line->first];
    (void)snprintf(mix->step_names[n], MIX_NAME_SIZE, "%.*s",
                   (int)(command.size < 24 ? command.size : 24), (const char *)command.data);
    mix->steps[n] = mix_shape(line, mix->step_names[n]);
    mix->step_list[n] = &mix->steps[n];
    sequence->n_steps++;
    mix->n_steps = n + 1;
    return 0;
}

static int mix_request(struct mix *mix, const struct mix_line *line, char *out_detail)
{
    unsigned at = mix->workload.n_shapes;
    if (at == WORKLOAD_SHAPES)
        return mix_wrong(out_detail, "line %u of the script: at most %d kinds can be mixed",
                         line->number, WORKLOAD_SHAPES);
    mix_name(mix, at, line->name, line->command.words[line->first]);
    mix->shapes[at] = mix_shape(line, mix->names[at]);
    return mix_add(mix, &mix->shapes[at], line->weight, out_detail);
}

/* What is wrong with a line; NULL: nothing. */
static const char *mix_mistake(const struct mix_line *line, bool then)
{
    const struct command *command = &line->command;
    if (line->first == 0 && memchr(command->words[0].data, '=', command->words[0].size) != NULL)
        return "write NAME=WEIGHT, the weight from 1 to 1000000";
    if (command->count == COMMAND_WORDS_MAX || command->count == line->first)
        return "a request has 1 to 254 words";
    const char *mistake = mix_placeholders(command);
    if (mistake != NULL)
        return mistake;
    if (!then && mix_copies(command))
        return "__reply__ is what the request before was answered: it stands behind \"then\"";
    return NULL;
}

/* A line of the text, which ends in NUL. */
static int mix_line(struct mix *mix, const char *text, unsigned number, char *out_detail)
{
    struct mix_line line = {.number = number, .weight = 1, .name = BYTES_NONE};
    command_split(text, &line.command);
    if (line.command.count == 0 || line.command.words[0].data[0] == '#')
        return 0;
    bool then = bytes_equal(line.command.words[0], bytes_of("then"));
    if (then || mix_head(line.command.words[0], &line.name, &line.weight))
        line.first = 1;
    else
        line.name = BYTES_NONE;
    const char *mistake = mix_mistake(&line, then);
    if (mistake != NULL)
        return mix_wrong(out_detail, "line %u of the script: %s", number, mistake);
    return then ? mix_then(mix, &line, out_detail) : mix_request(mix, &line, out_detail);
}

static int mix_lines(struct mix *mix, char *out_detail)
{
    char *line = mix->text;
    int err = 0;
    for (unsigned number = 1; line != NULL && err == 0; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = 0;
        for (char *c = line; *c != 0; c++)
            *c = *c == '\t' || *c == '\r' ? ' ' : *c;
        err = mix_line(mix, line, number, out_detail);
        line = end == NULL ? NULL : end + 1;
    }
    if (err == 0 && mix->workload.n_shapes == 0)
        return mix_wrong(out_detail, "there is no request in the script; write one on each line");
    return err;
}

static int mix_read(struct mix *mix, FILE *file)
{
    mix->text = mem_alloc(MIX_SCRIPT_MAX + 1);
    if (mix->text == NULL)
        return ERR_OUT_OF_MEMORY;
    size_t size = fread(mix->text, 1, MIX_SCRIPT_MAX, file);
    mix->text[size] = 0;
    return ferror(file) != 0 ? ERR_IO : 0;
}

int mix_of_script(struct mix *mix, const char *path, char out_detail[static MIX_DETAIL_SIZE])
{
    const char *base = strrchr(path, '/');
    mix_begin(mix);
    mix_entitle(mix, "script %s", base != NULL ? base + 1 : path);
    FILE *file = fopen(path, "re");
    int err = file == NULL ? ERR_IO : mix_read(mix, file);
    int error = errno;
    bool cut = err == 0 && fgetc(file) != EOF;
    if (file != NULL)
        (void)fclose(file);
    if (err != 0) {
        (void)mix_wrong(out_detail, "--script %.120s: %s", path,
                        err == ERR_IO ? strerror(error) : "out of memory");
        return err;
    }
    if (cut)
        return mix_wrong(out_detail, "--script %.120s: it has more than 1 MiB", path);
    return mix_lines(mix, out_detail);
}

void mix_deinit(struct mix *mix)
{
    mem_free(mix->text);
    mix->text = NULL;
}
