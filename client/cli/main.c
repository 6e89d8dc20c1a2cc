/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn: the command line.
 *
 *   a command                          command.c
 *   no command, lines from a pipe      script.c
 *   no command, a terminal             interactive.c
 *   --stat, --latency                  stat.c, latency.c
 *
 * How: this file reads the options before the command and decides which of these it is.
 *
 * Invariants: results go to stdout, everything else to stderr; exit codes as `cairn --help` says.
 * Threads: one. Failures: one sentence on stderr.
 */
#include "build_version.h"
#include "client/cli/command.h"
#include "client/cli/complete.h"
#include "client/cli/help.h"
#include "client/cli/interactive.h"
#include "client/cli/latency.h"
#include "client/cli/print.h"
#include "client/cli/script.h"
#include "client/cli/stat.h"

#include <locale.h>
#include <unistd.h>

static int main_usage(const struct usage *usage)
{
    fprintf(stderr, "cairn: %s\n", usage->text);
    return EXIT_USAGE;
}

static int main_unknown(const char *word, struct usage *usage)
{
    struct suggest suggest;
    suggest_init(&suggest, word, strlen(word));
    options_offer(&suggest, OPTIONS_FRONT);
    if (suggest.best != NULL)
        return usage_set(usage, "unknown option %s; did you mean %s?", word, suggest.best);
    return usage_set(usage, "unknown option %s; cairn --help lists them", word);
}

/* Read the options before the command. Returns the index of its first word, or a negative enum
 * err. */
static int main_parse(int argc, char **argv, struct options *out, struct usage *usage)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && !out->complete_words) {
        int taken = options_take(argc, argv, i, OPTIONS_FRONT, out, usage);
        if (taken == 0)
            taken = main_unknown(argv[i], usage);
        if (taken < 0)
            return taken;
        i += taken;
    }
    return i;
}

/* For shells: the words that may stand where the last one stands, each on a line. */
static int main_complete(int argc, char **argv)
{
    struct complete found;
    int before = argc > 0 ? argc - 1 : 0;
    if (complete_find(COMPLETE_SHELL, before, argv, argc > 0 ? argv[before] : "", &found) != 0)
        return EXIT_UNREACHABLE;
    const char *at = (const char *)found.names.data;
    for (unsigned i = 0; i < found.count; i++, at += strlen(at) + 1)
        puts(at);
    complete_deinit(&found);
    return print_flush(EXIT_DONE);
}

/* No command: lines, if there is where they could come from. */
static int main_lines(struct session *session)
{
    if (isatty(STDIN_FILENO) == 0)
        return script_run(session, STDIN_FILENO);
    if (isatty(STDOUT_FILENO) != 0)
        return interactive_run(session);
    help_main(stderr);
    return EXIT_USAGE;
}

static int main_session(struct session *session, int argc, char **argv)
{
    const struct options *options = session->options;
    if (options->stat.given)
        return stat_run(session);
    if (options->latency.given)
        return latency_run(session);
    return argc > 0 || options->help ? command_run(session, argc, argv) : main_lines(session);
}

/* What does not go together. */
static int main_check(const struct options *options, int argc, struct usage *usage)
{
    bool watches = options->stat.given || options->latency.given;
    if (options->stat.given && options->latency.given)
        return usage_set(usage, "give --stat or --latency, not both");
    if (watches && argc > 0)
        return usage_set(usage, "--stat and --latency stand instead of a command");
    if (options->count != 0 && !watches)
        return usage_set(usage, "--count is for --stat and --latency");
    return 0;
}

static int main_run(const struct options *options, int argc, char **argv)
{
    struct session session;
    struct usage usage;
    if (options->complete_words)
        return main_complete(argc, argv);
    if (options->version) {
        printf("cairn %s\n", CAIRN_VERSION);
        return print_flush(EXIT_DONE);
    }
    int err = options->help ? 0 : main_check(options, argc, &usage);
    if (err == 0)
        err = session_init(&session, options, &usage);
    if (err != 0)
        return main_usage(&usage);
    int code = main_session(&session, argc, argv);
    session_deinit(&session);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {.json = false};
    struct usage usage;
    /* Widths of characters, on any terminal: everything here is UTF-8. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        (void)setlocale(LC_CTYPE, "");
    op_init();
    int first = main_parse(argc, argv, &options, &usage);
    return first < 0 ? main_usage(&usage) : main_run(&options, argc - first, argv + first);
}
