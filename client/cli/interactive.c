/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The interactive mode, over libedit.
 *
 *   prompt -> el_gets -> script_line -> history -> prompt ...
 *                |
 *                +- interactive_getc: waits for a byte or a signal
 *                +- Tab: interactive_complete
 *
 * How: libedit edits, we read: our own function for a character sees signals, too. Ctrl-C (SIGINT)
 * becomes a character that is bound to clearing the line; a changed size of the terminal redraws;
 * SIGTERM and SIGHUP are the end of input, so that the terminal is left as it was found.
 *
 * Invariants: what is typed is UTF-8 or dropped; the prompt shows no control character; commands
 * run with the terminal in its normal mode.
 * Threads: one. Failures: an error of a command is told and the next one is asked for.
 */
#include "client/cli/interactive.h"

#include "build_version.h"
#include "client/cli/complete.h"
#include "client/cli/history.h"
#include "client/cli/script.h"
#include "client/cli/signals.h"
#include "client/common/words.h"
#include "common/err.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum {
    INTERACTIVE_CLEAR = 3, /* Ctrl-C */
    INTERACTIVE_PROMPT_BYTES = 400,
};

struct interactive {
    struct session *session;
    EditLine *editor;
    History *history;
    mbstate_t partial; /* of a character whose bytes are coming */
    bool cleared;      /* by Ctrl-C */
    bool has_path;
    char path[HISTORY_PATH_BYTES];
    char prompt[INTERACTIVE_PROMPT_BYTES];
};

static struct interactive *interactive_of(EditLine *editor)
{
    void *data = NULL;
    el_get(editor, EL_CLIENTDATA, &data);
    return data;
}

/* ---- Prompt --------------------------------------------------------------------------------- */

/* cairn 127.0.0.1:7420/run>, asked for by libedit whenever it draws the line. */
static char *interactive_prompt(EditLine *editor)
{
    struct interactive *self = interactive_of(editor);
    const struct session *s = self->session;
    const char *run = s->run[0] != 0 ? s->run : s->place_run;
    snprintf(self->prompt, sizeof self->prompt, "cairn %s%s%.64s%s> ", s->place,
             run[0] != 0 ? "/" : "", run, s->c == NULL ? " (not connected)" : "");
    for (char *p = self->prompt; *p != 0; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return self->prompt;
}

/* ---- Characters ----------------------------------------------------------------------------- */

/* Back from Ctrl-Z: the shell has changed the mode of the terminal, which libedit does not know. */
static void interactive_resume(EditLine *editor)
{
    el_set(editor, EL_PREP_TERM, 0);
    el_set(editor, EL_PREP_TERM, 1);
    el_set(editor, EL_REFRESH);
}

/* Wait for a byte. 1: read; 0: the end; -1: *out is Ctrl-C instead. */
static int interactive_byte(EditLine *editor, char *out)
{
    for (;;) {
        if (signals_take(SIGWINCH))
            el_resize(editor);
        if (signals_take(SIGCONT))
            interactive_resume(editor);
        if (signals_take(SIGINT))
            return -1;
        if (signals_take(SIGTERM) || signals_take(SIGHUP))
            return 0;
        signals_wait(STDIN_FILENO, -1);
        struct pollfd entry = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&entry, 1, 0) <= 0)
            continue;
        ssize_t n = read(STDIN_FILENO, out, 1);
        if (n >= 0)
            return (int)n;
        if (errno != EINTR && errno != EAGAIN)
            return 0;
    }
}

/* The next character, as EL_GETCFN wants it: 1, or 0 at the end. */
static int interactive_getc(EditLine *editor, wchar_t *out)
{
    struct interactive *self = interactive_of(editor);
    for (;;) {
        char byte;
        int got = interactive_byte(editor, &byte);
        if (got <= 0) {
            self->partial = (mbstate_t){0};
            *out = INTERACTIVE_CLEAR;
            return got < 0;
        }
        size_t n = mbrtowc(out, &byte, 1, &self->partial);
        if (n == (size_t)-1)
            self->partial = (mbstate_t){0}; /* no UTF-8: dropped */
        else if (n != (size_t)-2)
            return 1;
    }
}

/* Bound to Ctrl-C: leave the line as it is on the screen, and begin another. */
static unsigned char interactive_clear(EditLine *editor, int character)
{
    (void)character;
    interactive_of(editor)->cleared = true;
    el_cursor(editor, INT_MAX); /* it stops at the end */
    (void)el_insertstr(editor, "^C");
    el_push(editor, "\n"); /* the next thing typed: it moves below the last line of ours */
    return CC_REFRESH;
}

/* ---- Completion ----------------------------------------------------------------------------- */

/* Show the names below the line, in columns. */
static void interactive_list(const struct complete *found)
{
    const char *at = (const char *)found->names.data;
    struct winsize size = {.ws_col = 0};
    size_t widest = 0, used = 0;
    for (unsigned i = 0; i < found->count; i++, at += strlen(at) + 1)
        widest = strlen(at) > widest ? strlen(at) : widest;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t columns = size.ws_col > 0 ? size.ws_col : 80;
    fputc('\n', stdout);
    at = (const char *)found->names.data;
    for (unsigned i = 0; i < found->count; i++, at += strlen(at) + 1) {
        if (used > 0 && used + widest > columns) {
            fputc('\n', stdout);
            used = 0;
        }
        printf("%-*s", (int)widest + 2, at);
        used += widest + 2;
    }
    fputc('\n', stdout);
    fflush(stdout);
}

/* Type what is missing of the word: all of it with a blank behind, or what all names share. */
static int interactive_insert(EditLine *editor, const struct complete *found, const char *partial,
                              char open)
{
    size_t common = complete_common(found), typed = strlen(partial);
    char word[128];
    struct buf text;
    if (common >= sizeof word)
        return 0;
    snprintf(word, sizeof word, "%.*s", (int)common, (const char *)found->names.data);
    buf_init(&text);
    int err = words_quote(word + typed, open, &text);
    if (err == 0 && found->count == 1 && open != 0)
        err = buf_append(&text, &open, 1);
    if (err == 0 && found->count == 1)
        err = buf_append(&text, " ", 1);
    if (err == 0 && text.size > 0)
        err = buf_append(&text, "", 1);
    if (err == 0 && text.size > 0)
        (void)el_insertstr(editor, (const char *)text.data); /* a full line takes no more */
    buf_deinit(&text);
    return err;
}

/* Bound to Tab. */
static unsigned char interactive_complete(EditLine *editor, int character)
{
    const LineInfo *line = el_line(editor);
    struct bytes before = {(const uint8_t *)line->buffer, (size_t)(line->cursor - line->buffer)};
    struct words words;
    struct complete found;
    unsigned char action = CC_REFRESH_BEEP;
    (void)character;
    if (words_split(before, &words) != 0)
        return CC_ERROR;
    int done = words.argc - (words.inside ? 1 : 0);
    const char *partial = words.inside ? words.argv[done] : "";
    if (complete_find(COMPLETE_LINE, done, words.argv, partial, &found) == 0) {
        bool grows = found.count == 1 || complete_common(&found) > strlen(partial);
        if (grows && interactive_insert(editor, &found, partial, words.open) == 0)
            action = CC_REFRESH;
        else if (found.count > 1) {
            interactive_list(&found);
            action = CC_REDISPLAY;
        }
        complete_deinit(&found);
    }
    words_deinit(&words);
    return action;
}

/* ---- History -------------------------------------------------------------------------------- */

static void interactive_remember(struct interactive *self, const char *line)
{
    HistEvent event;
    history(self->history, &event, H_ENTER, line);
}

static void interactive_load_history(struct interactive *self)
{
    struct buf text;
    buf_init(&text);
    self->has_path = history_path(self->path);
    if (self->has_path && history_load(self->path, &text) == 0)
        for (size_t at = 0; at < text.size;) {
            uint8_t *end = memchr(text.data + at, '\n', text.size - at);
            if (end == NULL)
                break;
            *end = 0;
            interactive_remember(self, (const char *)text.data + at);
            at = (size_t)(end - text.data) + 1;
        }
    buf_deinit(&text);
}

/* ---- The editor ----------------------------------------------------------------------------- */

static void interactive_bind(struct interactive *self)
{
    EditLine *e = self->editor;
    el_set(e, EL_CLIENTDATA, self);
    el_set(e, EL_PROMPT, interactive_prompt);
    el_set(e, EL_EDITOR, "emacs");
    el_set(e, EL_SIGNAL, 0);
    el_set(e, EL_HIST, history, self->history);
    el_set(e, EL_GETCFN, interactive_getc);
    /* Wide, because libedit would make copies of narrow ones that it never frees. */
    el_wset(e, EL_ADDFN, L"cairn-complete", L"Complete a command or option", interactive_complete);
    el_wset(e, EL_ADDFN, L"cairn-clear", L"Begin another line", interactive_clear);
    el_set(e, EL_BIND, "^I", "cairn-complete", NULL);
    el_set(e, EL_BIND, "^R", "em-inc-search-prev", NULL);
    (void)el_source(e, NULL); /* ~/.editrc: what the person likes; there need not be one */
    el_set(e, EL_BIND, "^C", "cairn-clear", NULL);
}

static bool interactive_open(struct interactive *self)
{
    HistEvent event;
    self->history = history_init();
    self->editor = self->history != NULL ? el_init("cairn", stdin, stdout, stderr) : NULL;
    if (self->editor == NULL)
        return false;
    history(self->history, &event, H_SETSIZE, HISTORY_LINES_MAX);
    history(self->history, &event, H_SETUNIQUE, 1);
    interactive_bind(self);
    interactive_load_history(self);
    return true;
}

static void interactive_close(struct interactive *self)
{
    if (self->editor != NULL)
        el_end(self->editor);
    if (self->history != NULL)
        history_end(self->history);
}

/* Do a line, and keep it: in the file only if it was a command: a mistyped one may be a token. */
static bool interactive_line(struct interactive *self, struct bytes line)
{
    struct buf text;
    bool quit = false;
    buf_init(&text);
    while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == ' '))
        line.size--;
    /* The line is libedit's, which may change it. */
    if (line.size > 0 && buf_append(&text, line.data, line.size) == 0 &&
        buf_append(&text, "", 1) == 0) {
        struct bytes own = {text.data, line.size};
        int code = script_line(self->session, own, &quit);
        interactive_remember(self, (const char *)text.data);
        if (code != EXIT_USAGE && !quit && self->has_path)
            self->has_path = history_save(self->path, own);
    }
    buf_deinit(&text);
    fflush(stdout);
    return !quit;
}

static void interactive_loop(struct interactive *self)
{
    bool more = true;
    while (more) {
        int size = 0;
        self->cleared = false;
        el_set(self->editor, EL_PREP_TERM, 1); /* before the prompt shows: no key is echoed twice */
        const char *line = el_gets(self->editor, &size);
        if (line == NULL || size < 0) {
            fputc('\n', stdout); /* the shell's prompt stands on a line of its own */
            break;
        }
        if (!self->cleared)
            more = interactive_line(self, (struct bytes){(const uint8_t *)line, (size_t)size});
    }
}

int interactive_run(struct session *session)
{
    struct interactive self = {.session = session};
    int code = session_ready(session, &session->options->timeout, false);
    if (code != EXIT_DONE)
        return code;
    static const int caught[] = {SIGINT, SIGWINCH, SIGCONT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < LENGTH_OF(caught); i++)
        signals_catch(caught[i]);
    session->has_lines = session->catches_interrupt = true;
    printf("cairn %s: help lists the commands, Tab completes, quit or Ctrl-D ends.\n",
           CAIRN_VERSION);
    bool opened = interactive_open(&self);
    if (opened)
        interactive_loop(&self);
    else
        fputs("cairn: the line editor does not start; is TERM right?\n", stderr);
    interactive_close(&self);
    return opened ? EXIT_DONE : EXIT_UNREACHABLE;
}
