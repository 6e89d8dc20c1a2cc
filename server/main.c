/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairnd: command line, then server_run; or a command that looks at a data directory
 * (server/offline.h).
 *
 * Exit statuses are those of sysexits.h: 0 after a clean stop, 64 (usage), 65 (--hash-token: too
 * short; damaged data), 66 (data cannot be read; no data there), 69 (cannot listen), 71 (system),
 * 73 (data.dir cannot be made or is in use), 74 (cannot print; the log or its disk failed), 75 (a
 * second signal ended the stop), 77 (data.dir may not be opened), 78 (configuration, inherited
 * sockets).
 */
#include "build_version.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "proto/resp_command.h"
#include "server/auth.h"
#include "server/offline.h"
#include "server/print.h"
#include "server/server.h"

#include <getopt.h>
#include <sysexits.h>

/* Read by jemalloc, where that is the allocator (docs/decisions/): give memory back to the system a
 * second after it was freed, even if nothing else happens. */
extern const char *malloc_conf;
__attribute__((used, visibility("default"))) const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";

static const char main_usage[] =
    "usage: cairnd [--config FILE] [--set OPTION=VALUE]...\n"
    "       cairnd check [--json] DIR\n"
    "       cairnd waldump [--from LSN] [--to LSN] [--limit N] [--keys] [--json] DIR\n"
    "\n"
    "Serve Cairn until SIGTERM or SIGINT. SIGHUP reads FILE again.\n"
    "\n"
    "  -c, --config FILE      configuration (YAML); without it, all defaults\n"
    "  -s, --set OPTION=VALUE set an option, over the file; may be repeated\n"
    "      --accept-loss      start with what can be proved of damaged data, for this time\n"
    "      --check-config     check the configuration and exit\n"
    "      --hash-token       read a token from standard input, print its line for auth.file\n"
    "      --print-config     print the configuration in force, with comments\n"
    "      --print-commands   print all operations (docs/commands.md)\n"
    "      --print-commands-man\n"
    "                         the same as a man page (docs/man/cairn-commands.7)\n"
    "      --print-resp       print all commands of the RESP port (docs/resp.md)\n"
    "      --print-config-doc print all options (docs/config.md)\n"
    "      --print-config-man print all options as a man page (docs/man/cairn.yaml.5)\n"
    "      --print-errors     print all errors (docs/errors.md)\n"
    "      --print-metrics    print all metrics (docs/metrics.md)\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "Of a data directory that no server uses, without changing it:\n"
    "\n"
    "  check DIR              prove that it is whole, or say what is damaged\n"
    "  waldump DIR            print the entries of its log\n"
    "      --from LSN         the first of them\n"
    "      --to LSN           the last\n"
    "      --limit N          at most so many (1000)\n"
    "      --keys             with their keys\n"
    "      --json             for programs\n";

enum { MAIN_SETS_MAX = 256 };

enum main_action {
    ACTION_RUN,
    ACTION_CHECK = 256,
    ACTION_ACCEPT_LOSS,
    ACTION_HASH_TOKEN,
    ACTION_PRINT_CONFIG,
    ACTION_PRINT_CONFIG_DOC,
    ACTION_PRINT_CONFIG_MAN,
    ACTION_PRINT_COMMANDS,
    ACTION_PRINT_COMMANDS_MAN,
    ACTION_PRINT_RESP,
    ACTION_PRINT_ERRORS,
    ACTION_PRINT_METRICS,
};

static const struct option main_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, 's'},
    {"accept-loss", no_argument, NULL, ACTION_ACCEPT_LOSS},
    {"check-config", no_argument, NULL, ACTION_CHECK},
    {"hash-token", no_argument, NULL, ACTION_HASH_TOKEN},
    {"print-config", no_argument, NULL, ACTION_PRINT_CONFIG},
    {"print-config-doc", no_argument, NULL, ACTION_PRINT_CONFIG_DOC},
    {"print-config-man", no_argument, NULL, ACTION_PRINT_CONFIG_MAN},
    {"print-commands", no_argument, NULL, ACTION_PRINT_COMMANDS},
    {"print-commands-man", no_argument, NULL, ACTION_PRINT_COMMANDS_MAN},
    {"print-resp", no_argument, NULL, ACTION_PRINT_RESP},
    {"print-errors", no_argument, NULL, ACTION_PRINT_ERRORS},
    {"print-metrics", no_argument, NULL, ACTION_PRINT_METRICS},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int main_fail(int status, const struct err_detail *detail)
{
    fprintf(stderr, "cairnd: %s\n", detail->text);
    return status;
}

static int main_hash_token(void)
{
    char line[1024], hash[AUTH_HASH_TEXT];
    if (fgets(line, sizeof line, stdin) == NULL)
        line[0] = 0;
    line[strcspn(line, "\r\n")] = 0;
    if (auth_hash(bytes_of(line), hash) != 0) {
        fprintf(stderr,
                "cairnd: a token must have at least %d characters, and be random, for example\n"
                "        head -c 24 /dev/urandom | base64\n",
                AUTH_TOKEN_MIN);
        return EX_DATAERR;
    }
    printf("token %s\n", hash);
    return 0;
}

/* Actions that print a table. */
static int main_print(enum main_action action, const struct config *config)
{
    int err = 0;
    if (action == ACTION_PRINT_CONFIG)
        err = print_config(stdout, config);
    else if (action == ACTION_PRINT_CONFIG_DOC)
        err = print_config_markdown(stdout);
    else if (action == ACTION_PRINT_CONFIG_MAN)
        err = print_config_man(stdout);
    else if (action == ACTION_PRINT_COMMANDS)
        err = print_commands(stdout);
    else if (action == ACTION_PRINT_COMMANDS_MAN)
        err = print_commands_man(stdout);
    else if (action == ACTION_PRINT_RESP)
        err = print_resp(stdout);
    else if (action == ACTION_PRINT_ERRORS)
        err = print_errors(stdout);
    else
        err = print_metrics(stdout);
    return err == 0 ? 0 : EX_IOERR;
}

/* File, then overrides, then the rules between options. */
static int main_load(struct config *config, const char *path, char **sets, int n_sets)
{
    struct err_detail detail;
    int err = path == NULL ? 0 : config_load_file(config, path, &detail);
    for (int i = 0; i < n_sets && err == 0; i++)
        err = config_override(config, sets[i], &detail);
    if (err == 0)
        err = config_check(config, &detail);
    return err == 0 ? 0 : main_fail(EX_CONFIG, &detail);
}

int main(int argc, char **argv)
{
    enum main_action action = ACTION_RUN;
    const char *path = NULL;
    bool accept_loss = false;
    char *sets[MAIN_SETS_MAX];
    int n_sets = 0, c;
    clock_init();
    op_init();
    resp_init();
    log_init();
    if (argc > 1 && offline_knows(argv[1]))
        return offline_main(argc - 1, argv + 1);
    while ((c = getopt_long(argc, argv, "c:s:Vh", main_options, NULL)) != -1) {
        if (c == 'c')
            path = optarg;
        else if (c == 's') {
            if (n_sets == MAIN_SETS_MAX)
                return fprintf(stderr, "cairnd: more than %d times --set; use a file\n", n_sets),
                       EX_USAGE;
            sets[n_sets++] = optarg;
        } else if (c == 'V')
            return printf("cairnd %s\n", CAIRN_VERSION) < 0;
        else if (c == 'h')
            return fputs(main_usage, stdout) < 0;
        else if (c == ACTION_ACCEPT_LOSS)
            accept_loss = true;
        else if (c == '?')
            return fprintf(stderr, "Try 'cairnd --help'.\n"), EX_USAGE;
        else
            action = (enum main_action)c;
    }
    if (optind < argc)
        return fprintf(stderr, "cairnd: unexpected '%s'. Try 'cairnd --help'.\n", argv[optind]),
               EX_USAGE;
    if (action == ACTION_HASH_TOKEN)
        return main_hash_token();
    struct config *config = config_create();
    if (config == NULL)
        return EX_OSERR;
    int status = main_load(config, path, sets, n_sets);
    if (status == 0 && action == ACTION_RUN)
        return server_run(config, path, accept_loss);
    if (status == 0 && action == ACTION_CHECK)
        printf("cairnd: the configuration is good\n");
    else if (status == 0)
        status = main_print(action, config);
    config_destroy(config);
    return status;
}
