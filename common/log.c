/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes log lines to stderr.
 *
 * How: the message is formatted into a buffer on the stack, escaped into a second one behind its
 * prefix, and leaves in one write(2):
 *
 *   2026-07-29T12:00:00.123Z warn net: text      to a terminal or a file
 *   <4>net: text                                 to journald, which has a clock of its own
 *
 * Invariants: a line holds printable ASCII only, so that no client can forge a line or drive the
 * reader's terminal; it is at most PIPE_BUF bytes, so that lines of several threads do not mix.
 * The level and the form of the prefix are the only state.
 * Threads: any. The counters of a site may miss a line when its window changes under contention.
 * Failures: a line that cannot be written is lost; there is nobody left to tell.
 */
#include "common/log.h"

#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_SIZE = 900, /* before escaping, which makes up to four bytes of one */
    LINE_SIZE = 4096,   /* PIPE_BUF */
};

/* A line under construction. It always has room for what is left of MESSAGE_SIZE. */
struct line {
    size_t size;
    char text[LINE_SIZE];
};

static _Atomic int level_now = LOG_LEVEL_NOTICE;
static _Atomic bool to_journal = false;

static const struct {
    const char *word;
    int priority; /* of syslog */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},   [LOG_LEVEL_WARN] = {"warn", 4},
    [LOG_LEVEL_NOTICE] = {"notice", 5}, [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_init(void)
{
    /* systemd.exec(5): the variable is inherited by children whose stderr is somewhere else, so
     * compare the file as well. */
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    uintmax_t device = 0;
    uintmax_t inode = 0;
    bool is_journal = stream != NULL && fstat(STDERR_FILENO, &st) == 0 &&
                      sscanf(stream, "%ju:%ju", &device, &inode) == 2 && device == st.st_dev &&
                      inode == st.st_ino;
    atomic_store(&to_journal, is_journal);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

bool log_admit(struct log_site *site, uint64_t now_ms, uint64_t *out_suppressed)
{
    uint64_t suppressed = 0;
    uint64_t start = atomic_load(&site->window_start_ms);
    if (now_ms - start >= LOG_SITE_WINDOW_MS &&
        atomic_compare_exchange_strong(&site->window_start_ms, &start, now_ms)) {
        uint64_t lines = atomic_exchange(&site->lines, 0);
        suppressed = lines > LOG_SITE_LINES ? lines - LOG_SITE_LINES : 0;
    }
    if (atomic_fetch_add(&site->lines, 1) >= LOG_SITE_LINES)
        return false;
    *out_suppressed = suppressed;
    return true;
}

static void line_begin(struct line *line, enum log_level level)
{
    char *text = line->text;
    if (atomic_load_explicit(&to_journal, memory_order_relaxed)) {
        line->size = (size_t)snprintf(text, LINE_SIZE, "<%d>", levels[level].priority);
        return;
    }
    int64_t now_ms = clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm day;
    gmtime_r(&now_s, &day);
    line->size = strftime(text, LINE_SIZE, "%Y-%m-%dT%H:%M:%S", &day);
    line->size += (size_t)snprintf(text + line->size, LINE_SIZE - line->size, ".%03dZ %s ",
                                   (int)(now_ms % 1000), levels[level].word);
}

/* Backslashes are doubled so that an escape cannot be mistaken for text. */
static void line_add(struct line *line, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (line->size + 5 > LINE_SIZE)
            return; /* room for one escape and the line's end */
        if (byte == '\\') {
            line->text[line->size++] = '\\';
            line->text[line->size++] = '\\';
        } else if (byte >= ' ' && byte <= '~') {
            line->text[line->size++] = (char)byte;
        } else {
            line->text[line->size++] = '\\';
            line->text[line->size++] = 'x';
            line->text[line->size++] = hex[byte >> 4];
            line->text[line->size++] = hex[byte & 15];
        }
    }
}

static void line_end(struct line *line)
{
    line->text[line->size++] = '\n';
    ssize_t n;
    do {
        n = write(STDERR_FILENO, line->text, line->size);
    } while (n < 0 && errno == EINTR);
}

static void write_line(enum log_level level, const char *module, const char *message)
{
    struct line line;
    line_begin(&line, level);
    line_add(&line, module);
    line_add(&line, ": ");
    line_add(&line, message);
    line_end(&line);
}

void log_write(struct log_site *site, enum log_level level, const char *module, const char *format,
               ...)
{
    int saved_errno = errno;
    uint64_t suppressed;
    if (!log_admit(site, clock_mono_ns() / 1000000, &suppressed))
        return;
    char message[MESSAGE_SIZE];
    if (suppressed > 0) {
        (void)snprintf(message, sizeof(message), "%" PRIu64 " lines like the next one suppressed",
                       suppressed);
        write_line(level, module, message);
    }
    va_list args;
    va_start(args, format);
    errno = saved_errno; /* for %m */
    int size = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (size >= (int)sizeof(message))
        (void)snprintf(message + sizeof(message) - 4, 4, "...");
    if (size >= 0)
        write_line(level, module, message);
    errno = saved_errno;
}
