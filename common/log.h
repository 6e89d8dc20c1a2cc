/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log: one line on stderr per event, for people and for journald.
 *
 *   log_warn("net", "accept failed: %s", err_name(err));
 *
 * Never put stored values, keys, tokens or passwords into a line: logs are kept longer and read by
 * more people than the data. Name the connection, the operation, the limit and the error instead.
 *
 * Any thread. errno is left as it was. A line that cannot be written is lost, silently.
 */
#pragma once

#include "common/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In the order of the words of the option log.level. */
enum log_level {
    LOG_LEVEL_ERROR,  /* something is lost or does not work; a person must act */
    LOG_LEVEL_WARN,   /* something is wrong and was worked around */
    LOG_LEVEL_NOTICE, /* the life of the process: started, reloaded, stopped */
    LOG_LEVEL_INFO,   /* the life of a connection or a job */
    LOG_LEVEL_DEBUG,  /* for the developer */
};

enum {
    LOG_SITE_LINES = 20,        /* lines one place in the code may write ... */
    LOG_SITE_WINDOW_MS = 10000, /* ... in so much time; the rest is counted and reported */
};

/* One place in the code that logs; lives as long as the process. Zero is a fresh one. */
struct log_site {
    _Atomic uint64_t window_start_ms;
    _Atomic uint64_t lines; /* asked for in this window */
};

#define log_error(...)  LOG_AT_(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)   LOG_AT_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_notice(...) LOG_AT_(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)   LOG_AT_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)  LOG_AT_(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* (level, module, format, arguments...): the arguments are evaluated only if the level is on. */
#define LOG_AT_(level, ...)                                                                        \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        if (log_enabled(level))                                                                    \
            log_write(&log_site_, level, __VA_ARGS__);                                             \
    } while (0)

/* Find out who reads stderr ($JOURNAL_STREAM names it, or does not). Once, before threads; without
 * it lines carry a time stamp. */
void log_init(void);

/* Write lines up to this level; LOG_LEVEL_NOTICE until somebody calls it. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Behind the macros: formats, escapes what is not printable ASCII, cuts what is too long. */
void log_write(struct log_site *site, enum log_level level, const char *module, const char *format,
               ...) PRINTF_LIKE(4, 5);

/* The rate limit by itself: may `site` write a line at this time? If so, *out_suppressed is the
 * number of lines not written in the window that has just ended (0 in most cases). */
bool log_admit(struct log_site *site, uint64_t now_ms, uint64_t *out_suppressed);
