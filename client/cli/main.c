/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn: the command line.
 *
 *   flags before the command -> which server
 *   words of the command     -> row of ops.def -> args.c -> packed params
 *   cairn_call               -> print.c, exit code
 *
 * How: this file decides what to do; it connects only once the whole command line is understood, so
 * that a typing error is told even where no server is.
 *
 * Invariants: results go to stdout, everything else to stderr; exit codes as `cairn --help` says.
 * Threads: one. Failures: "cairn: CODE message" on stderr.
 */
#include "build_version.h"
#include "client/cli/args.h"
#include "client/cli/help.h"
#include "client/cli/input.h"
#include "client/cli/json.h"
#include "client/cli/run.h"
#include "common/suggest.h"
#include "common/err.h"

enum { MAIN_TIMEOUT_MS = 30000 };

/* What the command line says besides the command. */
struct cli {
    const char *uri, *host, *port, *socket, *run;
    char address[512];
    struct args args;
    struct usage usage;
    bool version;
};

static int main_usage(const struct cli *cli)
{
    fprintf(stderr, "cairn: %s\n", cli->usage.text);
    return EXIT_USAGE;
}

/* ---- Flags -------------------------------------------------------------------------------- */

struct cli_flag {
    const char *short_name, *long_name;
    size_t offset; /* of the field in struct cli */
};

static const struct cli_flag cli_flags[] = {
    {"-u", "--uri", offsetof(struct cli, uri)},   {"-h", "--host", offsetof(struct cli, host)},
    {"-p", "--port", offsetof(struct cli, port)}, {"-s", "--socket", offsetof(struct cli, socket)},
    {"", "--run", offsetof(struct cli, run)},
};

/* Is argv[i] one of cli_flags? As args_common. */
static int cli_flag(struct cli *cli, int argc, char **argv, int i)
{
    for (size_t k = 0; k < LENGTH_OF(cli_flags); k++) {
        const struct cli_flag *flag = &cli_flags[k];
        const char **field = (const char **)(void *)((char *)cli + flag->offset);
        size_t n = strlen(flag->long_name);
        if (strncmp(argv[i], flag->long_name, n) == 0 && argv[i][n] == '=') {
            *field = argv[i] + n + 1;
            return 1;
        }
        if (strcmp(argv[i], flag->short_name) != 0 && strcmp(argv[i], flag->long_name) != 0)
            continue;
        if (i + 1 >= argc && strcmp(argv[i], "-h") == 0) {
            cli->args.help = true; /* what most people mean by it */
            return 1;
        }
        if (i + 1 >= argc)
            return usage_set(&cli->usage, "%s needs a value", argv[i]);
        *field = argv[i + 1];
        return 2;
    }
    return 0;
}

static int cli_unknown_flag(struct cli *cli, const char *word)
{
    static const char *const own[] = {"--json", "--raw",     "--timeout", "--help",
                                      "--all",  "--version", "--string",  "--json-in"};
    struct suggest suggest;
    suggest_init(&suggest, word, strlen(word));
    for (size_t k = 0; k < LENGTH_OF(cli_flags); k++)
        suggest_offer(&suggest, cli_flags[k].long_name);
    for (size_t k = 0; k < LENGTH_OF(own); k++)
        suggest_offer(&suggest, own[k]);
    if (suggest.best != NULL)
        return usage_set(&cli->usage, "unknown option %s; did you mean %s?", word, suggest.best);
    return usage_set(&cli->usage, "unknown option %s; cairn --help lists them", word);
}

/* Read the flags before the command. Returns the index of its first word, or a negative enum
 * err. */
static int cli_parse(struct cli *cli, int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-') {
        int taken = cli_flag(cli, argc, argv, i);
        if (taken == 0)
            taken = args_common(argc, argv, i, &cli->args, &cli->usage);
        if (taken == 0 && strcmp(argv[i], "--version") == 0) {
            cli->version = true;
            taken = 1;
        }
        if (taken == 0)
            taken = cli_unknown_flag(cli, argv[i]);
        if (taken < 0)
            return taken;
        i += taken;
    }
    return i;
}

/* The address for cairn_connect; NULL, told in usage, if the flags contradict each other. */
static const char *cli_address(struct cli *cli)
{
    int ways = (cli->uri != NULL) + (cli->socket != NULL) + (cli->host || cli->port);
    const char *host = cli->host != NULL ? cli->host : "127.0.0.1";
    bool v6 = strchr(host, ':') != NULL && host[0] != '[';
    if (ways > 1) {
        (void)usage_set(&cli->usage, "give one of --uri, --socket, or --host with --port");
        return NULL;
    }
    if (ways == 0)
        return getenv("CAIRN_URI"); /* NULL is the library's default */
    if (cli->uri != NULL)
        return cli->uri;
    int n = cli->socket != NULL
                ? snprintf(cli->address, sizeof cli->address, "unix:%s%s",
                           cli->socket[0] == '/' ? "" : "./", cli->socket)
                : snprintf(cli->address, sizeof cli->address, v6 ? "[%s]:%s" : "%s:%s", host,
                           cli->port != NULL ? cli->port : "7420");
    if ((size_t)n < sizeof cli->address)
        return cli->address;
    (void)usage_set(&cli->usage, "the address is too long");
    return NULL;
}

/* Connect; NULL: *out_exit is the exit code, and the reason was told. */
static struct cairn *cli_connect(struct cli *cli, bool slow, int *out_exit)
{
    int64_t ms = cli->args.has_timeout ? cli->args.timeout_ms : slow ? 0 : MAIN_TIMEOUT_MS;
    bool given = cli->args.has_timeout && ms > 0;
    struct cairn_options options = {
        .timeout_ms = ms == 0 ? UINT32_MAX : (uint32_t)ms,
        .connect_timeout_ms = given ? (uint32_t)ms : 0,
        .max_reply_bytes = (uint64_t)1 << 30,
        .token = getenv("CAIRN_TOKEN"),
        .run = cli->run,
        .client = "cairn",
    };
    struct cairn_error error;
    cli->usage.text[0] = 0;
    const char *address = cli_address(cli);
    if (cli->usage.text[0] != 0) {
        *out_exit = main_usage(cli);
        return NULL;
    }
    struct cairn *c = cairn_connect(address, &options, &error);
    if (c != NULL)
        return c;
    *out_exit = run_error(&error);
    if (error.status == CAIRN_CANNOT_CONNECT)
        fprintf(stderr, "cairn: is cairnd running at %s?\n",
                address != NULL && strchr(address, '@') == NULL ? address : "the address given");
    return NULL;
}

/* ---- Running a command ---------------------------------------------------------------------- */

static int main_finish(struct printer *printer, int code)
{
    bool written = print_finish(printer);
    print_deinit(printer);
    if (written)
        return code;
    fputs("cairn: the output could not be written\n", stderr);
    return EXIT_UNREACHABLE;
}

/* Connect and do it: `op` by its row, or `method` with these params. */
static int main_run(struct cli *cli, const char *method, const struct op *op, struct bytes params)
{
    struct printer printer;
    int code = EXIT_DONE;
    struct cairn *c = cli_connect(cli, op != NULL && (op->flags & OP_SLOW) != 0, &code);
    if (c == NULL)
        return code;
    print_init(&printer, stdout);
    printer.json = cli->args.json;
    printer.raw = cli->args.raw;
    if (op != NULL && cli->args.all)
        code = run_all(c, &cli->args, &printer, &cli->usage);
    else
        code = run_call(c, method, op, params, &printer);
    cairn_close(c);
    return main_finish(&printer, code);
}

static int main_op(struct cli *cli, const struct op *op, int argc, char **argv)
{
    struct buf params;
    int err = args_parse(op, argc, argv, &cli->args, &cli->usage);
    if (cli->args.help) {
        if (err == 0)
            args_deinit(&cli->args);
        help_op(stdout, op);
        return EXIT_DONE;
    }
    buf_init(&params);
    if (err == 0 && cli->args.all && op_arg_find(op, bytes_of("cursor")) < 0)
        err = usage_set(&cli->usage, "--all is for lists, which have a cursor");
    if (err == 0)
        err = args_pack(&cli->args, BYTES_NONE, &params, &cli->usage);
    int code = EXIT_USAGE;
    if (err == 0)
        code = main_run(cli, op->name, op, buf_bytes(&params));
    else if (err == ERR_BAD_ARGUMENT || err == ERR_BAD_REQUEST) {
        (void)main_usage(cli);
        help_usage(stderr, op);
    } else
        code = run_internal(err);
    buf_deinit(&params);
    args_deinit(&cli->args);
    return code;
}

/* cairn call METHOD [PARAMS] */
static int main_generic(struct cli *cli, int argc, char **argv)
{
    char *words[2] = {NULL, NULL};
    int n = 0, err = 0;
    struct buf params;
    for (int i = 0; i < argc && err >= 0;) {
        err = args_common(argc, argv, i, &cli->args, &cli->usage);
        if (err == 0 && n == 2)
            err = usage_set(&cli->usage, "unexpected argument '%s'", argv[i]);
        else if (err == 0)
            words[n++] = argv[i];
        i += err > 0 ? err : 1;
    }
    if (cli->args.help) {
        help_call(stdout);
        return EXIT_DONE;
    }
    if (err >= 0 && n == 0)
        err = usage_set(&cli->usage, "cairn call METHOD [PARAMS]: the method is missing");
    buf_init(&params);
    if (err >= 0 && n == 2 && input_is_named(words[1])) {
        struct buf text;
        buf_init(&text);
        err = input_read(words[1], &text, &cli->usage);
        if (err == 0)
            err = json_in(buf_bytes(&text), &params, &cli->usage);
        buf_deinit(&text);
    } else if (err >= 0 && n == 2) {
        err = json_in(bytes_of(words[1]), &params, &cli->usage);
    }
    int code = err < 0 ? main_usage(cli) : main_run(cli, words[0], NULL, buf_bytes(&params));
    buf_deinit(&params);
    return code;
}

/* ---- Finding the command -------------------------------------------------------------------- */

/* The operation of "group.verb", where dashes stand for underscores; NULL if there is none. */
static const struct op *main_find(const char *group, const char *verb)
{
    char name[2 * OP_NAME_MAX];
    int n = group[0] != 0 ? snprintf(name, sizeof name, "%s.%s", group, verb)
                          : snprintf(name, sizeof name, "%s", verb);
    for (char *p = name; *p != 0; p++)
        if (*p == '-')
            *p = '_';
    return (size_t)n < sizeof name ? op_find(bytes_of(name)) : NULL;
}

static bool main_is_group(const char *word)
{
    for (unsigned i = 0; i < OP_COUNT; i++)
        if (word[0] != 0 && strcmp(help_split(op_table[i].name).group, word) == 0)
            return true;
    return false;
}

static int main_unknown_verb(struct cli *cli, const char *group, const char *verb)
{
    struct help_name names[OP_COUNT];
    struct suggest suggest;
    suggest_init(&suggest, verb, strlen(verb));
    for (unsigned i = 0; i < OP_COUNT; i++) {
        names[i] = help_split(op_table[i].name);
        if (strcmp(names[i].group, group) == 0)
            suggest_offer(&suggest, names[i].verb);
    }
    if (suggest.best != NULL)
        (void)usage_set(&cli->usage, "unknown verb '%s'; did you mean 'cairn %s %s'?", verb, group,
                        suggest.best);
    else
        (void)usage_set(&cli->usage, "unknown verb '%s'; cairn %s --help lists them", verb, group);
    return main_usage(cli);
}

static int main_unknown(struct cli *cli, const char *word)
{
    struct help_name names[OP_COUNT];
    struct suggest suggest;
    enum op_id id;
    suggest_init(&suggest, word, strlen(word));
    for (unsigned i = 0; i < OP_COUNT; i++) {
        names[i] = help_split(op_table[i].name);
        suggest_offer(&suggest, names[i].group[0] != 0 ? names[i].group : names[i].verb);
    }
    for (unsigned i = 0; op_alias(i, &id) != NULL; i++)
        suggest_offer(&suggest, op_alias(i, &id));
    suggest_offer(&suggest, "call");
    if (suggest.best != NULL)
        (void)usage_set(&cli->usage, "unknown command '%s'; did you mean '%s'?", word,
                        suggest.best);
    else
        (void)usage_set(&cli->usage, "unknown command '%s'; cairn --help lists them", word);
    /* "cairn put k v": the verb of some group. */
    for (unsigned i = 0; suggest.best == NULL && i < OP_COUNT; i++)
        if (strcmp(names[i].verb, word) == 0) {
            (void)usage_set(&cli->usage, "unknown command '%s'; did you mean 'cairn %s %s'?", word,
                            names[i].group, word);
            break;
        }
    return main_usage(cli);
}

/* cairn GROUP ...: argv[0] is the group. */
static int main_group(struct cli *cli, int argc, char **argv)
{
    bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
    if (argc < 2 || help || cli->args.help) {
        const struct op *op = argc > 1 && !help ? main_find(argv[0], argv[1]) : NULL;
        if (op != NULL)
            return main_op(cli, op, argc - 2, argv + 2);
        help_group(argc < 2 && !cli->args.help ? stderr : stdout, argv[0], strlen(argv[0]));
        return argc < 2 && !cli->args.help ? EXIT_USAGE : EXIT_DONE;
    }
    const struct op *op = main_find(argv[0], argv[1]);
    return op != NULL ? main_op(cli, op, argc - 2, argv + 2)
                      : main_unknown_verb(cli, argv[0], argv[1]);
}

static int main_command(struct cli *cli, int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        cli->args.help = true;
        argc--, argv++;
    }
    if (argc == 0) {
        help_main(cli->args.help ? stdout : stderr);
        return cli->args.help ? EXIT_DONE : EXIT_USAGE;
    }
    if (strcmp(argv[0], "call") == 0)
        return main_generic(cli, argc - 1, argv + 1);
    if (main_is_group(argv[0]))
        return main_group(cli, argc, argv);
    const struct op *op = main_find("", argv[0]);
    return op != NULL ? main_op(cli, op, argc - 1, argv + 1) : main_unknown(cli, argv[0]);
}

int main(int argc, char **argv)
{
    struct cli cli = {.uri = NULL};
    op_init();
    int first = cli_parse(&cli, argc, argv);
    if (first < 0)
        return main_usage(&cli);
    if (cli.version) {
        printf("cairn %s\n", CAIRN_VERSION);
        return main_finish(&(struct printer){.out = stdout}, EXIT_DONE);
    }
    return main_command(&cli, argc - first, argv + first);
}
