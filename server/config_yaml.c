/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads the configuration file. The only file that knows libyaml.
 *
 * How: the events of libyaml are walked by one function for each level:
 *
 *   read_stream    one document
 *   read_sections    server:            a mapping
 *   read_options       loops: 4         a mapping of scalars
 *
 * Whatever YAML offers beyond that (anchors, aliases, tags, sequences, deeper mappings, several
 * documents) is refused as soon as its event arrives, so that nothing is expanded or nested.
 * Invariants: the configuration changes only if the whole file is good.
 * Threads: none of its own.
 * Failures: every message begins with "FILE:LINE: ".
 */
#include "server/config.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/config_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the present one; type YAML_NO_EVENT before the first */
    struct config *config;
    const char *data;
    const char *name;
    struct err_detail *detail;
    bool seen_option[OPTION_COUNT];
    bool seen_section[OPTION_COUNT]; /* by the first option of the section */
};

static unsigned long event_line(const struct reader *reader)
{
    return (unsigned long)reader->event.start_mark.line + 1;
}

/* Fail at the present event. */
static int fail(const struct reader *reader, int err, const char *text)
{
    return config_fail(reader->detail, err, "%s:%lu: %s", reader->name, event_line(reader), text);
}

static int fail_option(const struct reader *reader, const char *name, const char *text)
{
    return config_fail(reader->detail, ERR_BAD_ARGUMENT, "%s:%lu: %.64s: %s", reader->name,
                       event_line(reader), name, text);
}

/* The line of a byte: libyaml does not tell one for bytes that are no characters. */
static unsigned long line_at(const char *data, size_t offset)
{
    unsigned long line = 1;
    for (size_t i = 0; i < offset; i++)
        line += data[i] == '\n';
    return line;
}

static int fail_syntax(const struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return config_fail(reader->detail, ERR_OUT_OF_MEMORY, "%s: out of memory", reader->name);
    unsigned long line = parser->error == YAML_READER_ERROR
                             ? line_at(reader->data, parser->problem_offset)
                             : (unsigned long)parser->problem_mark.line + 1;
    return config_fail(reader->detail, ERR_BAD_ARGUMENT, "%s:%lu: not valid YAML: %s", reader->name,
                       line, parser->problem != NULL ? parser->problem : "unknown problem");
}

/* What no event may have. */
static int check_event(const struct reader *reader)
{
    const yaml_event_t *event = &reader->event;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return fail(reader, ERR_BAD_ARGUMENT, "aliases are not allowed here");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
            return fail(reader, ERR_BAD_ARGUMENT, "a NUL character is not allowed here");
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL)
        return fail(reader, ERR_BAD_ARGUMENT, "anchors are not allowed here");
    if (tag != NULL)
        return fail(reader, ERR_BAD_ARGUMENT, "tags are not allowed here");
    return 0;
}

static int next_event(struct reader *reader)
{
    yaml_event_t event;
    if (!yaml_parser_parse(&reader->parser, &event))
        return fail_syntax(reader);
    yaml_event_delete(&reader->event);
    reader->event = event;
    return check_event(reader);
}

static const char *scalar_text(const struct reader *reader)
{
    return (const char *)reader->event.data.scalar.value;
}

/* Is the present scalar what YAML calls null? */
static bool is_null(const struct reader *reader)
{
    const char *text = scalar_text(reader);
    return reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/* The present event is the value of option `id`. */
static int read_value(struct reader *reader, enum option_id id)
{
    const char *name = config_option(id).name;
    if (reader->event.type != YAML_SCALAR_EVENT)
        return fail_option(reader, name, "must be a single value, not a list or a mapping");
    if (is_null(reader))
        return fail_option(reader, name, "has no value; an empty text is written \"\"");
    struct err_detail inner;
    int err;
    if (reader->config->overrides[id] == NULL) {
        err = config_assign(reader->config, id, scalar_text(reader), &inner);
    } else {
        struct config_option option = config_option(id);
        struct config_value unused = {0, NULL};
        err = config_value_parse(&option, scalar_text(reader), &unused, &inner);
        mem_free(unused.text);
    }
    return err == 0 ? 0 : fail(reader, err, inner.text);
}

/* The present event is a key in this section. */
static int read_option(struct reader *reader, const char *section)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return fail_option(reader, section, "the name of an option must be a text");
    char name[128];
    (void)snprintf(name, sizeof(name), "%s.%.*s", section, 80, scalar_text(reader));
    enum option_id id = config_find(name);
    if (id == OPTION_COUNT) {
        struct err_detail inner;
        return fail(reader, config_fail_unknown(&inner, name), inner.text);
    }
    if (reader->seen_option[id])
        return fail_option(reader, name, "is set twice");
    reader->seen_option[id] = true;
    int err = next_event(reader);
    return err == 0 ? read_value(reader, id) : err;
}

/* The first option of the section with this name. */
static enum option_id find_section(const char *name)
{
    unsigned id = 0;
    while (id < OPTION_COUNT && strcmp(config_option(id).section, name) != 0)
        id++;
    return id;
}

/* The present event is what a section holds. */
static int read_options(struct reader *reader, const char *section)
{
    if (reader->event.type == YAML_SCALAR_EVENT && is_null(reader))
        return 0; /* a section of which all is commented out */
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return fail_option(reader, section,
                           "must hold options, each on a line of its own, indented");
    int err = next_event(reader);
    while (err == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        err = read_option(reader, section);
        if (err == 0)
            err = next_event(reader);
    }
    return err;
}

/* The present event is the name of a section. */
static int read_section(struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return fail(reader, ERR_BAD_ARGUMENT, "the name of a section must be a text");
    enum option_id first = find_section(scalar_text(reader));
    if (first == OPTION_COUNT) {
        struct err_detail inner;
        return fail(reader, config_fail_unknown_section(&inner, scalar_text(reader)), inner.text);
    }
    const char *section = config_option(first).section;
    if (reader->seen_section[first])
        return fail_option(reader, section, "the section is there twice");
    reader->seen_section[first] = true;
    int err = next_event(reader);
    return err == 0 ? read_options(reader, section) : err;
}

/* The present event is the first in the document. */
static int read_sections(struct reader *reader)
{
    if (reader->event.type == YAML_SCALAR_EVENT && is_null(reader))
        return fail(reader, ERR_BAD_ARGUMENT, "the document is empty");
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return fail(reader, ERR_BAD_ARGUMENT,
                    "must be sections, as cairnd --print-config shows them");
    int err = next_event(reader);
    while (err == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        err = read_section(reader);
        if (err == 0)
            err = next_event(reader);
    }
    return err;
}

static int read_stream(struct reader *reader)
{
    int err = next_event(reader); /* the stream's start */
    if (err == 0)
        err = next_event(reader);
    if (err == 0 && reader->event.type == YAML_STREAM_END_EVENT)
        return fail(reader, ERR_BAD_ARGUMENT, "the file is empty");
    if (err == 0)
        err = next_event(reader);
    if (err == 0)
        err = read_sections(reader);
    if (err == 0)
        err = next_event(reader); /* the document's end */
    if (err == 0)
        err = next_event(reader);
    if (err == 0 && reader->event.type != YAML_STREAM_END_EVENT)
        return fail(reader, ERR_BAD_ARGUMENT, "a second document is not allowed");
    return err;
}

/* Read all bytes into `config`, which may be left half changed. */
static int read_into(struct config *config, const char *data, size_t size, const char *name,
                     struct err_detail *out_detail)
{
    struct reader reader = {.config = config, .data = data, .name = name, .detail = out_detail};
    if (!yaml_parser_initialize(&reader.parser))
        return config_fail(out_detail, ERR_OUT_OF_MEMORY, "%s: out of memory", name);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)data, size);
    int err = read_stream(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return err;
}

/* A %TAG directive, NULL if there is none. Tags are refused anyway, and libyaml compares each
 * directive with all before it: a file full of them would take half a minute. A directive begins a
 * line; whatever YAML takes for the end of one, or for a byte order mark, is not printable. */
static const char *find_tag_directive(const char *data, size_t size)
{
    const char *end = data + size;
    const char *at = data;
    while ((at = memmem(at, (size_t)(end - at), "%TAG", 4)) != NULL) {
        if (at == data || at[-1] < ' ' || at[-1] > '~')
            return at;
        at++;
    }
    return NULL;
}

/* Refuse what is not worth parsing. */
static int check_bytes(const char *data, size_t size, const char *name,
                       struct err_detail *out_detail)
{
    if (size > CONFIG_FILE_SIZE_MAX)
        return config_fail(out_detail, ERR_LIMIT_EXCEEDED, "%s:1: the file is larger than 1MiB",
                           name);
    const char *nul = memchr(data, '\0', size);
    if (nul != NULL)
        return config_fail(out_detail, ERR_BAD_ARGUMENT, "%s:%lu: a NUL byte is not allowed here",
                           name, line_at(data, (size_t)(nul - data)));
    const char *tag = find_tag_directive(data, size);
    if (tag != NULL)
        return config_fail(out_detail, ERR_BAD_ARGUMENT, "%s:%lu: %%TAG is not allowed here", name,
                           line_at(data, (size_t)(tag - data)));
    return 0;
}

int config_load_memory(struct config *config, const void *data, size_t size, const char *name,
                       struct err_detail *out_detail)
{
    const char *bytes = size == 0 ? "" : data;
    int err = check_bytes(bytes, size, name, out_detail);
    if (err != 0)
        return err;
    struct config *clone = config_clone(config);
    if (clone == NULL)
        return config_fail(out_detail, ERR_OUT_OF_MEMORY, "%s: out of memory", name);
    err = read_into(clone, bytes, size, name, out_detail);
    if (err == 0)
        config_swap(config, clone);
    config_destroy(clone);
    return err;
}

/* Read up to `size` bytes; the number, or -1 with errno set. */
static ssize_t read_fully(int fd, char *out_data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, out_data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int config_load_file(struct config *config, const char *path, struct err_detail *out_detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return config_fail(out_detail, ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    int err = ERR_OUT_OF_MEMORY;
    char *data = mem_alloc(CONFIG_FILE_SIZE_MAX + 1);
    if (data == NULL) {
        err = config_fail(out_detail, err, "%s: out of memory", path);
    } else {
        ssize_t size = read_fully(fd, data, CONFIG_FILE_SIZE_MAX + 1);
        if (size < 0)
            err = config_fail(out_detail, ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        else
            err = config_load_memory(config, data, (size_t)size, path, out_detail);
    }
    mem_free(data);
    (void)close(fd);
    return err;
}
