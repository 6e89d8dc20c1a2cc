/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands.
 *
 *   words of the command -> row of ops.def -> args.c -> packed params
 *   session_call         -> print.c, exit code
 *
 * How: the server is needed only once the whole command is understood, so that a typing error is
 * told even where no server is.
 *
 * Invariants: results go to stdout, everything else to stderr; exit codes as `cairn --help` says.
 * Threads: one. Failures: "cairn: CODE message" on stderr.
 */
#include "client/cli/command.h"

#include "client/cli/args.h"
#include "client/cli/help.h"
#include "client/cli/input.h"
#include "client/cli/json.h"
#include "client/cli/own.h"
#include "client/cli/run.h"
#include "common/suggest.h"
#include "common/err.h"

/* A command on its way. */
struct command {
    struct session *session;
    struct args args;
    struct usage usage;
};

static int command_usage(const struct command *command)
{
    fprintf(stderr, "cairn: %s\n", command->usage.text);
    return EXIT_USAGE;
}

/* ---- Doing it ------------------------------------------------------------------------------- */

/* Do it: `op` by its row, or `method` with these params. */
static int command_do(struct command *command, const char *method, const struct op *op,
                      struct bytes params)
{
    const struct options *options = &command->args.options;
    struct printer printer;
    bool slow = op != NULL && (op->flags & OP_SLOW) != 0;
    int code = session_ready(command->session, &options->timeout, slow);
    if (code != EXIT_DONE)
        return code;
    print_init(&printer, stdout, options->json, options->raw, options->table);
    if (own_runs(op, &command->args))
        code = own_run(command->session, &command->args, params, &printer, &command->usage);
    else if (op != NULL && options->all)
        code = run_all(command->session, &command->args, &printer, &command->usage);
    else
        code = run_call(command->session, method, op, params, &printer);
    print_deinit(&printer);
    return print_flush(code);
}

static int command_op(struct command *command, const struct op *op, int argc, char **argv)
{
    struct buf params;
    int err = args_parse(op, argc, argv, &command->args, &command->usage);
    if (command->args.options.help) {
        if (err == 0)
            args_deinit(&command->args);
        help_op(stdout, op);
        return EXIT_DONE;
    }
    buf_init(&params);
    if (err == 0 && command->args.options.all && op_arg_find(op, bytes_of("cursor")) < 0)
        err = usage_set(&command->usage, "--all is for lists, which have a cursor");
    if (err == 0)
        err = args_pack(&command->args, BYTES_NONE, &params, &command->usage);
    int code = EXIT_USAGE;
    if (err == 0)
        code = command_do(command, op->name, op, buf_bytes(&params));
    else if (err == ERR_BAD_ARGUMENT || err == ERR_BAD_REQUEST) {
        (void)command_usage(command);
        help_usage(stderr, op);
    } else
        code = run_internal(err);
    buf_deinit(&params);
    args_deinit(&command->args);
    return code;
}

/* Params in JSON, as typed or from a file. */
static int command_params(struct command *command, const char *text, struct buf *out)
{
    struct buf input;
    if (!input_is_named(text))
        return json_in(bytes_of(text), out, &command->usage);
    buf_init(&input);
    int err = input_read(text, command->args.has_lines, &input, &command->usage);
    if (err == 0)
        err = json_in(buf_bytes(&input), out, &command->usage);
    buf_deinit(&input);
    return err;
}

/* The words behind `call` without the options. Returns how many, or a negative enum err. */
static int command_call_words(struct command *command, int argc, char **argv, char *words[2])
{
    int n = 0;
    for (int i = 0; i < argc;) {
        int taken =
            options_take(argc, argv, i, OPTIONS_ANYWHERE, &command->args.options, &command->usage);
        if (taken == 0 && n == 2)
            taken = usage_set(&command->usage, "unexpected argument '%s'", argv[i]);
        if (taken < 0)
            return taken;
        if (taken == 0)
            words[n++] = argv[i];
        i += taken > 0 ? taken : 1;
    }
    if (n == 0 && !command->args.options.help)
        return usage_set(&command->usage, "cairn call METHOD [PARAMS]: the method is missing");
    return n;
}

/* cairn call METHOD [PARAMS] */
static int command_call(struct command *command, int argc, char **argv)
{
    char *words[2] = {NULL, NULL};
    struct buf params;
    int n = command_call_words(command, argc, argv, words);
    if (n >= 0 && command->args.options.help) {
        help_call(stdout);
        return EXIT_DONE;
    }
    buf_init(&params);
    int err = n == 2 ? command_params(command, words[1], &params) : n < 0 ? n : 0;
    int code =
        err != 0 ? command_usage(command) : command_do(command, words[0], NULL, buf_bytes(&params));
    buf_deinit(&params);
    return code;
}

/* ---- Finding the command -------------------------------------------------------------------- */

/* The operation of "group.verb", where dashes stand for underscores; NULL if there is none. */
static const struct op *command_named(const char *group, const char *verb)
{
    char name[2 * OP_NAME_MAX];
    int n = group[0] != 0 ? snprintf(name, sizeof name, "%s.%s", group, verb)
                          : snprintf(name, sizeof name, "%s", verb);
    for (char *p = name; *p != 0; p++)
        if (*p == '-')
            *p = '_';
    return (size_t)n < sizeof name ? own_find_op(bytes_of(name)) : NULL;
}

bool command_is_group(const char *word)
{
    for (unsigned i = 0; own_op(i) != NULL; i++)
        if (word[0] != 0 && strcmp(help_split(own_op(i)->name).group, word) == 0)
            return true;
    return false;
}

static int command_unknown_verb(struct command *command, const char *group, const char *verb)
{
    struct help_name names[OWN_OPS_MAX];
    struct suggest suggest;
    suggest_init(&suggest, verb, strlen(verb));
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        names[i] = help_split(own_op(i)->name);
        if (strcmp(names[i].group, group) == 0)
            suggest_offer(&suggest, names[i].verb);
    }
    if (suggest.best != NULL)
        (void)usage_set(&command->usage, "unknown verb '%s'; did you mean 'cairn %s %s'?", verb,
                        group, suggest.best);
    else
        (void)usage_set(&command->usage, "unknown verb '%s'; cairn %s --help lists them", verb,
                        group);
    return command_usage(command);
}

static int command_unknown(struct command *command, const char *word)
{
    struct help_name names[OWN_OPS_MAX];
    struct suggest suggest;
    enum op_id id;
    suggest_init(&suggest, word, strlen(word));
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        names[i] = help_split(own_op(i)->name);
        suggest_offer(&suggest, names[i].group[0] != 0 ? names[i].group : names[i].verb);
    }
    for (unsigned i = 0; op_alias(i, &id) != NULL; i++)
        suggest_offer(&suggest, op_alias(i, &id));
    suggest_offer(&suggest, "call");
    suggest_offer(&suggest, "help");
    if (suggest.best != NULL)
        (void)usage_set(&command->usage, "unknown command '%s'; did you mean '%s'?", word,
                        suggest.best);
    else
        (void)usage_set(&command->usage, "unknown command '%s'; cairn --help lists them", word);
    /* "cairn put k v": the verb of some group. */
    for (unsigned i = 0; suggest.best == NULL && own_op(i) != NULL; i++)
        if (strcmp(names[i].verb, word) == 0) {
            (void)usage_set(&command->usage, "unknown command '%s'; did you mean 'cairn %s %s'?",
                            word, names[i].group, word);
            break;
        }
    return command_usage(command);
}

const struct op *command_find(int argc, char **argv, int *out_words)
{
    bool group = argc > 0 && command_is_group(argv[0]);
    *out_words = group ? 2 : 1;
    if (argc < *out_words)
        return NULL;
    return group ? command_named(argv[0], argv[1]) : command_named("", argv[0]);
}

/* What stands where an operation should. */
static int command_other(struct command *command, int argc, char **argv)
{
    bool *help = &command->args.options.help;
    if (strcmp(argv[0], "call") == 0)
        return command_call(command, argc - 1, argv + 1);
    if (!command_is_group(argv[0]))
        return command_unknown(command, argv[0]);
    *help = *help || (argc > 1 && strcmp(argv[1], "--help") == 0);
    if (argc > 1 && strncmp(argv[1], "--", 2) != 0)
        return command_unknown_verb(command, argv[0], argv[1]);
    help_group(*help ? stdout : stderr, argv[0], strlen(argv[0]));
    return *help ? EXIT_DONE : EXIT_USAGE;
}

int command_run(struct session *session, int argc, char **argv)
{
    struct command command = {.session = session};
    int words;
    command.args.options = *session->options;
    command.args.has_lines = session->has_lines;
    if (session->has_lines && argc > 1 && strcmp(argv[0], "cairn") == 0)
        argc--, argv++; /* as it stands in the examples */
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        command.args.options.help = true;
        argc--, argv++;
    }
    if (argc == 0) {
        (session->has_lines ? help_lines : help_main)(stdout);
        return EXIT_DONE;
    }
    const struct op *op = command_find(argc, argv, &words);
    return op != NULL ? command_op(&command, op, argc - words, argv + words)
                      : command_other(&command, argc, argv);
}
