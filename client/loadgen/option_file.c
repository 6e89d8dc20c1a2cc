/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads files of options.
 *
 * How: the text is read whole and cut up where it is: a name ends where its value is told apart, a
 * value at the end of its line.
 *
 * Invariants: no name is empty; lines without an option have no entry.
 * Threads: none. Failures: as in option_file.h; nothing is kept of a file that is wrong.
 */
#include "client/loadgen/option_file.h"

#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OPTION_FILE_MAX = 256 * 1024 };

#define OPTION_FILE_BLANK " \t\r"

static int option_file_wrong(const char *path, unsigned line, const char *why, char *out_detail)
{
    if (line > 0)
        (void)snprintf(out_detail, OPTION_FILE_DETAIL_SIZE, "--config %.100s, line %u: %s", path,
                       line, why);
    else
        (void)snprintf(out_detail, OPTION_FILE_DETAIL_SIZE, "--config %.100s: %s", path, why);
    return ERR_BAD_ARGUMENT;
}

/* The text without blanks at its ends. */
static char *option_file_trim(char *text)
{
    text += strspn(text, OPTION_FILE_BLANK);
    size_t size = strlen(text);
    while (size > 0 && strchr(OPTION_FILE_BLANK, text[size - 1]) != NULL)
        size--;
    text[size] = 0;
    return text;
}

/* End the text where a comment begins: at a # with a blank before it. */
static void option_file_cut(char *text)
{
    for (char *at = strchr(text, '#'); at != NULL; at = strchr(at + 1, '#'))
        if (at == text || strchr(OPTION_FILE_BLANK, at[-1]) != NULL) {
            *at = 0;
            return;
        }
}

/* What is between quotes, or up to a comment. NULL: the quotes do not end, or more follows. */
static char *option_file_value(char *text)
{
    text += strspn(text, OPTION_FILE_BLANK);
    if (text[0] != '"') {
        option_file_cut(text);
        return option_file_trim(text);
    }
    char *end = strchr(text + 1, '"');
    if (end == NULL)
        return NULL;
    option_file_cut(end + 1);
    *end = 0;
    return *option_file_trim(end + 1) == 0 ? text + 1 : NULL;
}

/* Take a line apart. NULL, or what is wrong with it; an empty one has no name. */
static const char *option_file_line(char *text, struct option_line *out)
{
    char *equals = text + strcspn(text, "=#");
    bool has_value = *equals == '=';
    *out = (struct option_line){.name = ""};
    if (has_value) {
        *equals = 0;
        out->value = option_file_value(equals + 1);
        if (out->value == NULL)
            return "a value in quotes ends with one, and nothing follows but a comment";
    } else
        option_file_cut(text);
    char *name = option_file_trim(text);
    name += strspn(name, "-");
    out->name = name;
    if (name[0] == 0)
        return has_value ? "write NAME = VALUE" : NULL;
    return name[strcspn(name, OPTION_FILE_BLANK "[]")] == 0 ? NULL : "write NAME = VALUE";
}

static int option_file_lines(struct option_file *file, const char *path, char *out_detail)
{
    size_t most = 1;
    for (const char *at = strchr(file->text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
        most++;
    file->lines = mem_calloc(most, sizeof *file->lines);
    if (file->lines == NULL) {
        (void)option_file_wrong(path, 0, "out of memory", out_detail);
        return ERR_OUT_OF_MEMORY;
    }
    char *line = file->text;
    for (unsigned number = 1; line != NULL; number++) {
        char *end = strchr(line, '\n');
        struct option_line *out = &file->lines[file->n];
        if (end != NULL)
            *end = 0;
        const char *wrong = option_file_line(line, out);
        if (wrong != NULL)
            return option_file_wrong(path, number, wrong, out_detail);
        out->number = number;
        file->n += out->name[0] != 0;
        line = end == NULL ? NULL : end + 1;
    }
    return 0;
}

int option_file_read(struct option_file *file, const char *path,
                     char out_detail[static OPTION_FILE_DETAIL_SIZE])
{
    *file = (struct option_file){.text = mem_alloc(OPTION_FILE_MAX + 1)};
    if (file->text == NULL) {
        (void)option_file_wrong(path, 0, "out of memory", out_detail);
        return ERR_OUT_OF_MEMORY;
    }
    FILE *in = fopen(path, "re");
    size_t size = in == NULL ? 0 : fread(file->text, 1, OPTION_FILE_MAX + 1, in);
    int error = in == NULL || ferror(in) != 0 ? errno : 0;
    if (in != NULL)
        (void)fclose(in);
    if (error != 0) {
        (void)option_file_wrong(path, 0, strerror(error), out_detail);
        return ERR_IO;
    }
    if (size > OPTION_FILE_MAX)
        return option_file_wrong(path, 0, "it has more than 256 KiB", out_detail);
    file->text[size] = 0;
    if (memchr(file->text, 0, size) != NULL)
        return option_file_wrong(path, 0, "it is no text", out_detail);
    return option_file_lines(file, path, out_detail);
}

void option_file_deinit(struct option_file *file)
{
    mem_free(file->text);
    mem_free(file->lines);
    *file = (struct option_file){.n = 0};
}
