/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inputs that are read more than once: see input_file.h.
 *
 * Invariants: memory for one block, however large the input is; a copy of a pipe has no name, so
 * that nothing of it is left behind.
 * Threads: one. Failures: told with the name of the file and the reason.
 */
#include "client/cli/input_file.h"

#include "client/cli/input.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_FILE_BLOCK = 256 * 1024, INPUT_FILE_PATH = 4096 };

/* ---- what is no file ---- */

static int input_file_temporary(int *out_fd, struct usage *usage)
{
    char path[INPUT_FILE_PATH];
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == 0)
        folder = "/tmp";
    int size = snprintf(path, sizeof path, "%s/cairn-XXXXXX", folder);
    *out_fd = size < (int)sizeof path ? mkostemp(path, O_CLOEXEC) : -1;
    if (*out_fd < 0)
        return usage_set(usage, "cannot make a temporary file in %s ($TMPDIR): %s", folder,
                         strerror(errno));
    unlink(path);
    return 0;
}

static int input_file_spill(int fd, const uint8_t *data, size_t size, struct usage *usage)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return usage_set(usage, "cannot write a temporary file ($TMPDIR says where): %s",
                             strerror(errno));
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int input_file_drain(int from, int to, const char *name, struct usage *usage)
{
    uint8_t *block = mem_alloc(INPUT_FILE_BLOCK);
    int err = block == NULL ? ERR_OUT_OF_MEMORY : 0;
    while (err == 0) {
        ssize_t n = read(from, block, INPUT_FILE_BLOCK);
        if (n == 0)
            break;
        if (n > 0)
            err = input_file_spill(to, block, (size_t)n, usage);
        else if (errno != EINTR)
            err = usage_set(usage, "cannot read %s: %s", name, strerror(errno));
    }
    mem_free(block);
    return err;
}

/* Put a copy of what comes from input->fd in its place. */
static int input_file_spool(struct input_file *input, const char *name, struct usage *usage)
{
    int to;
    int err = input_file_temporary(&to, usage);
    if (err != 0)
        return err;
    err = input_file_drain(input->fd, to, name, usage);
    close(input->fd);
    input->fd = to;
    input->begin = 0;
    return err;
}

/* ---- files ---- */

static bool input_file_stat(int fd, struct stat *out, uint64_t out_changed[static 4])
{
    if (fstat(fd, out) != 0)
        return false;
    out_changed[0] = (uint64_t)out->st_mtim.tv_sec;
    out_changed[1] = (uint64_t)out->st_mtim.tv_nsec;
    out_changed[2] = (uint64_t)out->st_size;
    out_changed[3] = (uint64_t)out->st_ino;
    return true;
}

/* Where it begins and how much it is. *out_regular: false if it must be copied first. */
static int input_file_measure(struct input_file *input, const char *name, bool *out_regular,
                              struct usage *usage)
{
    struct stat stat;
    if (!input_file_stat(input->fd, &stat, input->changed))
        return usage_set(usage, "cannot read %s: %s", name, strerror(errno));
    off_t begin = S_ISREG(stat.st_mode) ? lseek(input->fd, 0, SEEK_CUR) : -1;
    *out_regular = begin >= 0;
    if (begin < 0)
        return 0;
    input->begin = (uint64_t)begin;
    input->size = stat.st_size > begin ? (uint64_t)(stat.st_size - begin) : 0;
    return 0;
}

int input_file_open(struct input_file *input, const char *text, bool has_lines, struct usage *usage)
{
    bool is_stdin = strcmp(text, "-") == 0, regular;
    const char *name = is_stdin ? "stdin" : text + 1;
    *input = (struct input_file){.fd = -1};
    if (is_stdin && has_lines)
        return usage_set(usage, "'-' cannot be read here, because commands come from standard "
                                "input; give @FILE, or --string for the text itself");
    input->fd =
        is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(name, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return usage_set(usage, "cannot open %s: %s", name, strerror(errno));
    int err = input_file_measure(input, name, &regular, usage);
    if (err != 0 || regular)
        return err;
    err = input_file_spool(input, name, usage);
    if (err == 0 && lseek(input->fd, 0, SEEK_SET) < 0)
        err = usage_set(usage, "cannot read %s: %s", name, strerror(errno));
    return err != 0 ? err : input_file_measure(input, name, &regular, usage);
}

struct input_file input_file_of(struct bytes bytes)
{
    return (struct input_file){.fd = -1, .memory = bytes, .size = bytes.size};
}

int input_file_read(const struct input_file *input, uint64_t at, void *out, size_t size,
                    struct usage *usage)
{
    uint8_t *to = out;
    if (input->fd < 0) {
        if (size > 0)
            memcpy(to, input->memory.data + at, size);
        return 0;
    }
    while (size > 0) {
        ssize_t n = pread(input->fd, to, size, (off_t)(input->begin + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return usage_set(usage, "byte %llu: cannot be read: %s", (unsigned long long)at,
                             n == 0 ? "the file became shorter" : strerror(errno));
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

bool input_file_changed(const struct input_file *input)
{
    struct stat stat;
    uint64_t now[4];
    return input->fd >= 0 && (!input_file_stat(input->fd, &stat, now) ||
                              memcmp(now, input->changed, sizeof now) != 0);
}

void input_file_close(struct input_file *input)
{
    if (input->fd >= 0)
        close(input->fd);
    input->fd = -1;
}
