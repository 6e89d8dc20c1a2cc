/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Completion, the same for Tab in the interactive mode and for shells (cairn --complete-words).
 *
 *   [options] GROUP VERB ... --opt|   by what stands before: a command, a verb, an option
 *
 * How: the words before the one to complete are read as the parser reads them; what is then allowed
 * is taken from ops.def and options.def, and offered if it begins as typed.
 *
 * Invariants: no list of names stands here but for help, call and quit.
 * Threads: pure functions. Failures: no memory.
 */
#include "client/cli/complete.h"

#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/cli/help.h"
#include "client/cli/own.h"
#include "common/err.h"

struct completer {
    enum complete_where where;
    const char *partial;
    struct complete *out;
    int err;
};

static bool complete_has(const struct complete *complete, const char *name)
{
    const char *at = (const char *)complete->names.data;
    for (unsigned i = 0; i < complete->count; i++, at += strlen(at) + 1)
        if (strcmp(at, name) == 0)
            return true;
    return false;
}

/* Take the name if it begins as typed and was not yet taken. */
static void complete_offer(struct completer *c, const char *name)
{
    if (c->err != 0 || strncmp(name, c->partial, strlen(c->partial)) != 0 ||
        complete_has(c->out, name))
        return;
    c->err = buf_append(&c->out->names, name, strlen(name) + 1);
    c->out->count += c->err == 0;
}

static void complete_commands(struct completer *c)
{
    bool dotted = strchr(c->partial, '.') != NULL;
    enum op_id id;
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        struct help_name name = help_split(own_op(i)->name);
        if (dotted)
            complete_offer(c, own_op(i)->name);
        complete_offer(c, name.group[0] != 0 ? name.group : name.verb);
    }
    for (unsigned i = 0; op_alias(i, &id) != NULL; i++)
        complete_offer(c, op_alias(i, &id));
    complete_offer(c, "call");
    complete_offer(c, "help");
    if (c->where == COMPLETE_LINE)
        complete_offer(c, "quit");
}

static void complete_verbs(struct completer *c, const char *group)
{
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        struct help_name name = help_split(own_op(i)->name);
        if (strcmp(name.group, group) == 0)
            complete_offer(c, name.verb);
    }
}

/* Options of cairn itself that may stand here. */
static void complete_options(struct completer *c, enum options_place place)
{
    const struct options_row *row;
    for (unsigned i = 0; (row = options_row(i)) != NULL; i++)
        if (row->name != NULL && row->place >= place && row->text[0] != 0)
            complete_offer(c, row->name);
}

/* Does `word` give this option: --name or --name=value? */
static bool complete_gives(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && (word[n] == 0 || word[n] == '=');
}

/* Options of an operation that were not given yet. */
static void complete_op_options(struct completer *c, const struct op *op, int argc, char **argv)
{
    for (unsigned i = op->n_positional; args_desc(op, i) != NULL; i++) {
        char name[OP_NAME_MAX + 1], option[OP_NAME_MAX + 3];
        bool given = false;
        args_option_name(args_desc(op, i), true, name);
        snprintf(option, sizeof option, "--%s", name);
        for (int k = 0; k < argc; k++)
            given = given || complete_gives(argv[k], option);
        if (!given)
            complete_offer(c, option);
    }
    complete_options(c, OPTIONS_ANYWHERE);
}

/* Is the word an option of the operation that needs the next word as its value? */
static bool complete_op_wants_value(const struct op *op, const char *word)
{
    char name[OP_NAME_MAX + 1], full[OP_NAME_MAX + 1];
    if (strncmp(word, "--", 2) != 0)
        return false;
    for (unsigned i = 0; args_desc(op, i) != NULL; i++) {
        args_option_name(args_desc(op, i), true, name);
        args_option_name(args_desc(op, i), false, full);
        if (strcmp(word + 2, name) == 0 || strcmp(word + 2, full) == 0)
            return args_desc(op, i)->type != ARG_BOOL;
    }
    return options_wants_value(word, OPTIONS_ANYWHERE);
}

/* Wire names. */
static void complete_methods(struct completer *c)
{
    for (unsigned i = 0; i < OP_COUNT; i++)
        complete_offer(c, op_table[i].name);
}

/* Behind the words of an operation. */
static void complete_op(struct completer *c, const struct op *op, int argc, char **argv)
{
    if (argc > 0 && complete_op_wants_value(op, argv[argc - 1])) {
        if (strcmp(argv[argc - 1], "--op") == 0)
            complete_methods(c);
        return;
    }
    if (c->partial[0] == '-' || op->n_positional == 0)
        complete_op_options(c, op, argc, argv);
}

/* Behind the options of cairn itself. */
static void complete_words(struct completer *c, int argc, char **argv)
{
    int words;
    if (argc > 0 && strcmp(argv[0], "help") == 0)
        argc--, argv++;
    const struct op *op = command_find(argc, argv, &words);
    if (argc == 0)
        complete_commands(c);
    else if (op != NULL)
        complete_op(c, op, argc - words, argv + words);
    else if (argc == 1 && command_is_group(argv[0]))
        complete_verbs(c, argv[0]);
    else if (argc == 1 && strcmp(argv[0], "call") == 0)
        complete_methods(c);
    else if (c->partial[0] == '-')
        complete_options(c, OPTIONS_ANYWHERE);
}

/* Step over the options before the command; false if the last one waits for its value. */
static bool complete_skip_front(int *argc, char ***argv)
{
    struct options ignored = {.json = false};
    struct usage usage;
    while (*argc > 0 && (*argv)[0][0] == '-') {
        if (*argc == 1 && options_wants_value((*argv)[0], OPTIONS_FRONT))
            return false;
        int taken = options_take(*argc, *argv, 0, OPTIONS_FRONT, &ignored, &usage);
        taken = taken > 0 ? taken : 1;
        *argc -= taken;
        *argv += taken;
    }
    return true;
}

int complete_find(enum complete_where where, int argc, char **argv, const char *partial,
                  struct complete *out)
{
    struct complete found = {.count = 0};
    struct completer c = {where, partial, &found, 0};
    buf_init(&found.names);
    if (where == COMPLETE_SHELL && !complete_skip_front(&argc, &argv))
        argc = -1;
    if (argc == 0 && where == COMPLETE_SHELL && partial[0] == '-')
        complete_options(&c, OPTIONS_FRONT);
    else if (argc >= 0)
        complete_words(&c, argc, argv);
    if (c.err != 0)
        buf_deinit(&found.names);
    else
        *out = found;
    return c.err;
}

void complete_deinit(struct complete *complete)
{
    buf_deinit(&complete->names);
}

size_t complete_common(const struct complete *complete)
{
    const char *first = (const char *)complete->names.data, *at = first;
    size_t common = complete->count > 0 ? strlen(first) : 0;
    for (unsigned i = 0; i < complete->count; i++, at += strlen(at) + 1) {
        size_t n = 0;
        while (n < common && at[n] == first[n])
            n++;
        common = n;
    }
    return common;
}
