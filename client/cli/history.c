/* SPDX-License-Identifier: BSD-3-Clause
 *
 * History as a file of lines.
 *
 * How: every line is appended as soon as it was done, so sessions side by side do not overwrite
 * each other; the file is cut when one begins, by writing another one that replaces it.
 *
 * Invariants: mode 0600, its folder 0700; at most HISTORY_LINES_MAX lines and HISTORY_BYTES_MAX
 * bytes are kept; a line that names a token is never written.
 * Threads: one. Failures: a session goes on without.
 */
#include "client/cli/history.h"

#include "client/cli/command.h"
#include "client/common/words.h"
#include "common/err.h"

#include <fcntl.h>
#include <limits.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_BYTES_MAX = 1 << 20, HISTORY_LINE_MAX = 64 * 1024 };

bool history_path(char out[HISTORY_PATH_BYTES])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state != NULL && state[0] == '/') /* the standard asks to ignore relative ones */
        n = snprintf(out, HISTORY_PATH_BYTES, "%s/cairn/history", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, HISTORY_PATH_BYTES, "%s/.local/state/cairn/history", home);
    return n > 0 && n < HISTORY_PATH_BYTES;
}

/* Does the operation take a token? */
static bool history_op_has_token(const struct op *op)
{
    return op_arg_find(op, bytes_of("token")) >= 0 || op_arg_find(op, bytes_of("auth")) >= 0;
}

bool history_is_public(struct bytes line)
{
    struct words words;
    bool named = false;
    int used;
    if (words_split(line, &words) != 0)
        return false;
    int skip = words.argc > 1 && strcmp(words.argv[0], "cairn") == 0;
    const struct op *op = command_find(words.argc - skip, words.argv + skip, &used);
    bool known = op != NULL && op->id != OP_batch;
    for (int i = 0; i < words.argc; i++)
        named = named || strcasestr(words.argv[i], "auth") != NULL ||
                strcasestr(words.argv[i], "token") != NULL || strstr(words.argv[i], "cairn://");
    bool is_public = words.open == 0 && (known ? !history_op_has_token(op) : !named);
    words_deinit(&words);
    return is_public;
}

/* Where the last HISTORY_LINES_MAX lines begin. */
static size_t history_start(const struct buf *text)
{
    size_t at = text->size, lines = 0;
    while (at > 0) {
        if (text->data[at - 1] == '\n' && lines++ == HISTORY_LINES_MAX)
            break;
        at--;
    }
    return at;
}

static bool history_write_all(int fd, const void *data, size_t size)
{
    return fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size;
}

/* Put another file in the place of a too large one. */
static void history_replace(const char *path, const struct buf *text)
{
    char other[HISTORY_PATH_BYTES + 16];
    snprintf(other, sizeof other, "%s.%ld", path, (long)getpid());
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool written = history_write_all(fd, text->data, text->size);
    close(fd);
    if (!written || rename(other, path) != 0)
        (void)unlink(other);
}

/* The end of the file, from the beginning of a line on. */
static int history_read(int fd, struct buf *out, bool *out_cut)
{
    off_t size = lseek(fd, 0, SEEK_END);
    *out_cut = size > HISTORY_BYTES_MAX;
    if (size <= 0 || lseek(fd, *out_cut ? size - HISTORY_BYTES_MAX : 0, SEEK_SET) < 0)
        return 0;
    int err = buf_reserve(out, HISTORY_BYTES_MAX);
    ssize_t n = err == 0 ? read(fd, out->data, HISTORY_BYTES_MAX) : 0;
    out->size = n > 0 ? (size_t)n : 0;
    const uint8_t *end = *out_cut && out->size > 0 ? memchr(out->data, '\n', out->size) : NULL;
    if (end != NULL)
        buf_consume(out, (size_t)(end - out->data) + 1);
    return err;
}

int history_load(const char *path, struct buf *out)
{
    struct stat info;
    bool cut = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return 0;
    int err = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? history_read(fd, out, &cut) : 0;
    close(fd);
    size_t start = history_start(out);
    buf_consume(out, start);
    if (err == 0 && (start > 0 || cut))
        history_replace(path, out);
    return err;
}

/* Make the folders that the path goes through. */
static void history_make_folders(const char *path)
{
    char folder[HISTORY_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(folder, 0700); /* that it failed is seen when the file is opened */
        *slash = '/';
    }
}

bool history_save(const char *path, struct bytes line)
{
    struct buf text;
    if (line.size == 0 || line.size > HISTORY_LINE_MAX || !history_is_public(line))
        return true;
    history_make_folders(path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0)
        return false;
    buf_init(&text);
    bool written = buf_append(&text, line.data, line.size) == 0 &&
                   buf_append(&text, "\n", 1) == 0 && history_write_all(fd, text.data, text.size);
    buf_deinit(&text);
    close(fd);
    return written;
}
