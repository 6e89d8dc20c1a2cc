/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scripts of commands.
 *
 *   cairn < file        kv put a 1
 *                       # a comment
 *                       kv get a
 *
 * How: lines are split as a shell does (words.c) and done as if they stood behind `cairn`, all on
 * one connection.
 *
 * Invariants: a line is done only when all of it is there; one larger than INPUT_BYTES_MAX is an
 * error, not memory without end.
 * Threads: one. Failures: told with the number of the line.
 */
#include "client/cli/script.h"

#include "client/cli/command.h"
#include "client/cli/input.h"
#include "client/cli/run.h"
#include "client/common/words.h"
#include "common/err.h"

#include <errno.h>
#include <unistd.h>

enum { SCRIPT_READ_BYTES = 64 * 1024 };

struct script {
    struct session *session;
    struct buf input;
    size_t number; /* of the line */
    int code;      /* of the first failure */
    bool quit;
};

int script_line(struct session *session, struct bytes line, bool *out_quit)
{
    struct words words;
    int err = words_split(line, &words);
    int code = EXIT_DONE;
    *out_quit = false;
    if (err == ERR_BAD_ARGUMENT) {
        fputs("cairn: the line holds a byte 0\n", stderr);
        return EXIT_USAGE;
    }
    if (err != 0)
        return run_internal(err);
    bool one = words.argc == 1;
    if (words.open != 0) {
        fprintf(stderr, "cairn: the quote %c is not closed\n", words.open);
        code = EXIT_USAGE;
    } else if (one && (strcmp(words.argv[0], "quit") == 0 || strcmp(words.argv[0], "exit") == 0)) {
        *out_quit = true;
    } else if (words.argc > 0) {
        code = command_run(session, words.argc, words.argv);
    }
    words_deinit(&words);
    return code;
}

static void script_do(struct script *script, struct bytes line)
{
    bool keep_going = script->session->options->keep_going;
    script->number++;
    int code = script_line(script->session, line, &script->quit);
    if (code == EXIT_DONE || code == EXIT_ABSENT)
        return;
    fprintf(stderr, "cairn: line %zu failed%s\n", script->number,
            keep_going ? "" : "; stopped there (--keep-going goes on)");
    script->code = script->code == EXIT_DONE ? code : script->code;
    script->quit = script->quit || !keep_going;
}

/* Do all whole lines; at the end, also one without a line end. */
static void script_take(struct script *script, bool at_end)
{
    size_t at = 0;
    while (!script->quit && at < script->input.size) {
        const uint8_t *begin = script->input.data + at;
        const uint8_t *end = memchr(begin, '\n', script->input.size - at);
        if (end == NULL && !at_end)
            break;
        size_t n = end != NULL ? (size_t)(end - begin) : script->input.size - at;
        script_do(script, (struct bytes){begin, n});
        at += n + (end != NULL);
    }
    buf_consume(&script->input, at);
}

/* Read some more. 1: there is more; 0: that was all; or a negative enum err, told. */
static int script_read(struct script *script, int fd)
{
    int err = script->input.size > INPUT_BYTES_MAX ? ERR_LIMIT_EXCEEDED
                                                   : buf_reserve(&script->input, SCRIPT_READ_BYTES);
    if (err != 0) {
        (void)run_internal(err);
        return err;
    }
    ssize_t n = read(fd, script->input.data + script->input.size, SCRIPT_READ_BYTES);
    if (n < 0 && errno == EINTR)
        return 1;
    if (n < 0) {
        fprintf(stderr, "cairn: cannot read standard input: %s\n", strerror(errno));
        return ERR_IO;
    }
    script->input.size += (size_t)n;
    return n > 0;
}

int script_run(struct session *session, int fd)
{
    struct script script = {.session = session};
    int more = 1;
    buf_init(&script.input);
    session->has_lines = true;
    while (more > 0 && !script.quit) {
        more = script_read(&script, fd);
        if (more >= 0)
            script_take(&script, more == 0);
    }
    buf_deinit(&script.input);
    return more < 0 && script.code == EXIT_DONE ? EXIT_UNREACHABLE : script.code;
}
