/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/log: the form of a line, escaping, cutting, levels, the rate limit, journald. Each test
 * reads back what arrived on a stderr that it has put a pipe behind.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct capture {
    int pipe[2];
    int saved_stderr;
    char text[65536];
};

static struct capture capture;

static void capture_begin(void)
{
    assert_int_equal(pipe2(capture.pipe, O_NONBLOCK), 0);
    capture.saved_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(capture.pipe[1], STDERR_FILENO), STDERR_FILENO);
}

static const char *capture_end(void)
{
    dup2(capture.saved_stderr, STDERR_FILENO);
    close(capture.saved_stderr);
    close(capture.pipe[1]);
    ssize_t n = read(capture.pipe[0], capture.text, sizeof(capture.text) - 1);
    close(capture.pipe[0]);
    capture.text[n < 0 ? 0 : n] = '\0';
    return capture.text;
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* In a process of its own environment: the pipe is the journal, or is not. */
static void set_journal(unsigned long inode_difference)
{
    struct stat st;
    char text[64];
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(text, sizeof(text), "%lu:%lu", (unsigned long)st.st_dev,
                   (unsigned long)st.st_ino + inode_difference);
    setenv("JOURNAL_STREAM", text, 1);
    log_init();
}

static int reset(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    log_init();
    log_set_level(LOG_LEVEL_NOTICE);
    return 0;
}

static void line_has_time_level_and_module(void **state)
{
    (void)state;
    capture_begin();
    log_warn("net", "accept failed: %s", "EMFILE");
    const char *text = capture_end();
    int year, month, day, hour, minute, second, ms, end = 0;
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &end),
                     7);
    assert_int_equal(end, strlen("2026-07-29T12:00:00.123Z"));
    assert_string_equal(text + end, " warn net: accept failed: EMFILE\n");
}

static void journal_gets_priorities(void **state)
{
    (void)state;
    capture_begin();
    set_journal(0);
    log_error("net", "text");
    log_notice("net", "text");
    assert_string_equal(capture_end(), "<3>net: text\n<5>net: text\n");
}

static void inherited_journal_variable_is_not_believed(void **state)
{
    (void)state;
    capture_begin();
    set_journal(1);
    log_error("net", "text");
    assert_non_null(strstr(capture_end(), "Z error net: text\n"));
}

static void nothing_forges_a_line(void **state)
{
    (void)state;
    capture_begin();
    log_error("net", "name %s", "a\nb\r\t\x1b[2J\x7f\xc2\x9b\\n%s");
    const char *text = capture_end();
    assert_int_equal(count_lines(text), 1);
    assert_non_null(strstr(text, ": name a\\x0ab\\x0d\\x09\\x1b[2J\\x7f\\xc2\\x9b\\\\n%s\n"));
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    static char longest[10000];
    memset(longest, '\n', sizeof(longest) - 1);
    capture_begin();
    log_error("net", "%s", longest);
    const char *text = capture_end();
    size_t size = strlen(text);
    assert_true(size > 3000 && size <= 4096);
    assert_string_equal(text + size - 8, "\\x0a...\n");
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void level_decides(void **state)
{
    (void)state;
    capture_begin();
    log_info("net", "hidden %d", evaluate());
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("net", "shown %d", evaluate());
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("net", "hidden %d", evaluate());
    const char *text = capture_end();
    assert_int_equal(count_lines(text), 1);
    assert_non_null(strstr(text, "debug net: shown 1\n"));
}

static void errno_survives(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOENT;
    log_error("net", "nobody reads this");
    int after = errno;
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(after, ENOENT);
}

static void one_place_cannot_flood(void **state)
{
    (void)state;
    capture_begin();
    for (int i = 0; i < 500; i++)
        log_error("net", "flood %d", i);
    log_error("net", "another place");
    const char *text = capture_end();
    assert_int_equal(count_lines(text), LOG_SITE_LINES + 1);
    assert_non_null(strstr(text, "another place\n"));
}

static void suppressed_lines_are_reported(void **state)
{
    (void)state;
    struct log_site site = {0};
    uint64_t suppressed = 99;
    unsigned admitted = 0;
    for (int i = 0; i < 120; i++)
        admitted += log_admit(&site, 50000 + (uint64_t)i, &suppressed);
    assert_int_equal(admitted, LOG_SITE_LINES);
    assert_int_equal(suppressed, 0);
    assert_false(log_admit(&site, 50000 + LOG_SITE_WINDOW_MS - 1, &suppressed));
    assert_true(log_admit(&site, 50000 + LOG_SITE_WINDOW_MS, &suppressed));
    assert_int_equal(suppressed, 101);
    assert_true(log_admit(&site, 50001 + LOG_SITE_WINDOW_MS, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void suppressed_lines_are_written_about(void **state)
{
    (void)state;
    struct log_site site = {0};
    capture_begin();
    atomic_store(&site.lines, LOG_SITE_LINES + 7);
    log_write(&site, LOG_LEVEL_WARN, "net", "the next window");
    const char *text = capture_end();
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "warn net: 7 lines like the next one suppressed\n"));
    assert_non_null(strstr(text, "warn net: the next window\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line_has_time_level_and_module, reset),
        cmocka_unit_test_setup(journal_gets_priorities, reset),
        cmocka_unit_test_setup(inherited_journal_variable_is_not_believed, reset),
        cmocka_unit_test_setup(nothing_forges_a_line, reset),
        cmocka_unit_test_setup(long_lines_are_cut, reset),
        cmocka_unit_test_setup(level_decides, reset),
        cmocka_unit_test_setup(errno_survives, reset),
        cmocka_unit_test_setup(one_place_cannot_flood, reset),
        cmocka_unit_test_setup(suppressed_lines_are_reported, reset),
        cmocka_unit_test_setup(suppressed_lines_are_written_about, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
