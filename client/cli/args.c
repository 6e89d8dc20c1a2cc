/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words of the command line to packed params.
 *
 *   kv put k v --ttl 10s         word["key"] = k, word["value"] = v, word["ttl_ms"] = 10s
 *   '-> {"key": "k", "value": "v", "ttl_ms": 10000}
 *
 * How: args_parse only sorts words by the row of the operation; args_pack (args_value.c) reads and
 * converts them by type. Params are a map of all arguments by name, which is never ambiguous.
 *
 * Invariants: options begin with "--"; any other word, "-5" and "-" too, is an argument; after "--"
 * everything is. A list (KEYS, PAIRS) takes all the words that are left.
 *
 * Threads: one.
 * Failures: one sentence in *usage, with the nearest right word where there is one.
 */
#include "client/cli/args.h"

#include "client/cli/input.h"
#include "client/cli/own.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/num.h"

const struct arg_desc *args_desc(const struct op *op, unsigned i)
{
    if (i < op->n_args)
        return &op->args[i];
    return i - op->n_args < OP_ARGS_OF_ALL ? &op_args_of_all[i - op->n_args] : NULL;
}

static bool args_ends(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && strcmp(name + n - m, ending) == 0;
}

bool args_is_instant(const struct arg_desc *desc)
{
    return desc->type == ARG_UINT && args_ends(desc->name, "_at_ms");
}

bool args_is_duration(const struct arg_desc *desc)
{
    return desc->type == ARG_UINT && args_ends(desc->name, "_ms") && !args_is_instant(desc);
}

void args_option_name(const struct arg_desc *desc, bool in_short, char out[OP_NAME_MAX + 1])
{
    snprintf(out, OP_NAME_MAX + 1, "%s", desc->name);
    if (in_short && (args_is_duration(desc) || args_is_instant(desc)))
        out[strlen(out) - 3] = 0;
    for (char *p = out; *p != 0; p++)
        if (*p == '_')
            *p = '-';
}

/* Does `name` of n bytes name this argument? Underscores are taken for dashes. */
static bool args_named(const struct arg_desc *desc, const char *name, size_t n)
{
    char own[2][OP_NAME_MAX + 1];
    args_option_name(desc, true, own[0]);
    args_option_name(desc, false, own[1]);
    for (unsigned k = 0; k < 2; k++) {
        bool same = strlen(own[k]) == n;
        for (size_t i = 0; i < n && same; i++)
            same = own[k][i] == (name[i] == '_' ? '-' : name[i]);
        if (same)
            return true;
    }
    return false;
}

static int args_find(const struct op *op, const char *name, size_t n)
{
    for (unsigned i = 0; args_desc(op, i) != NULL; i++)
        if (args_named(args_desc(op, i), name, n))
            return (int)i;
    return -1;
}

static int args_unknown(const struct op *op, const char *word, size_t n, struct usage *usage)
{
    char names[OP_ARGS_MAX + OP_ARGS_OF_ALL][OP_NAME_MAX + 3];
    struct suggest suggest;
    suggest_init(&suggest, word, n);
    for (unsigned i = 0; args_desc(op, i) != NULL; i++) {
        char name[OP_NAME_MAX + 1];
        args_option_name(args_desc(op, i), true, name);
        snprintf(names[i], sizeof names[i], "--%s", name);
        suggest_offer(&suggest, names[i]);
    }
    options_offer(&suggest, OPTIONS_ANYWHERE);
    if (suggest.best != NULL)
        return usage_set(usage, "unknown option %.*s; did you mean %s?", (int)n, word,
                         suggest.best);
    return usage_set(usage, "unknown option %.*s", (int)n, word);
}

/* argv[i] is "--name", "--name value" or "--name=value". Returns the words taken, or an error. */
static int args_option(struct args *args, int argc, char **argv, int i, struct usage *usage)
{
    const char *word = argv[i], *equals = strchr(word, '=');
    size_t n = (equals != NULL ? (size_t)(equals - word) : strlen(word)) - 2;
    int index = args_find(args->op, word + 2, n);
    if (index < 0) {
        int taken = options_take(argc, argv, i, OPTIONS_ANYWHERE, &args->options, usage);
        return taken != 0 ? taken : args_unknown(args->op, word, n + 2, usage);
    }
    const struct arg_desc *desc = args_desc(args->op, (unsigned)index);
    if (args->word[index].text != NULL)
        return usage_set(usage, "--%.*s is given twice", (int)n, word + 2);
    if (equals != NULL) {
        args->word[index] = (struct args_word){equals + 1, false};
        return 1;
    }
    if (desc->type == ARG_BOOL) {
        args->word[index] = (struct args_word){"", true};
        return 1;
    }
    if (i + 1 >= argc)
        return usage_set(usage, "--%s needs a value", word + 2);
    args->word[index] = (struct args_word){argv[i + 1], false};
    return 2;
}

static bool args_is_list(const struct arg_desc *desc)
{
    return desc->type == ARG_KEYS || desc->type == ARG_PAIRS;
}

/* Sort the words that are no options (args->rest) to the positional arguments. */
static int args_place(struct args *args, struct usage *usage)
{
    const struct op *op = args->op;
    unsigned next = 0;
    for (unsigned i = 0; i < op->n_positional && next < args->rest_count; i++) {
        if (args->word[i].text != NULL)
            continue; /* by name */
        args->word[i] = (struct args_word){args->rest[next], false};
        if (args_is_list(&op->args[i])) {
            args->rest += next;
            args->rest_count -= next;
            return 0;
        }
        next++;
    }
    if (next < args->rest_count)
        return usage_set(usage, "unexpected argument '%s'", args->rest[next]);
    args->rest_count = 0;
    return 0;
}

/* The argument for which a file stands is no argument any more, unless its text is given. */
static int args_take_input(struct args *args)
{
    int i = own_input(args->op);
    if (i < 0 || (args->word[i].text != NULL && !input_is_named(args->word[i].text)))
        return -1;
    args->input = args->word[i].text != NULL ? args->word[i].text : "-";
    args->word[i].text = NULL;
    return i;
}

static int args_complete(struct args *args, struct usage *usage)
{
    char name[OP_NAME_MAX + 1];
    int input = args_take_input(args);
    for (unsigned i = 0; i < args->op->n_required; i++) {
        if (args->word[i].text != NULL || (int)i == input)
            continue;
        args_option_name(&args->op->args[i], true, name);
        return usage_set(usage, "the argument '%s' is missing", name);
    }
    return 0;
}

int args_parse(const struct op *op, int argc, char **argv, struct args *args, struct usage *usage)
{
    bool options = true;
    const char **words = mem_calloc((size_t)argc + 1, sizeof *words);
    if (words == NULL)
        return ERR_OUT_OF_MEMORY;
    args->op = op;
    args->words = args->rest = words;
    args->rest_count = 0;
    args->input = NULL;
    memset(args->word, 0, sizeof args->word);
    for (int i = 0; i < argc;) {
        int taken = 1;
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && strncmp(argv[i], "--", 2) == 0)
            taken = args_option(args, argc, argv, i, usage);
        else
            words[args->rest_count++] = argv[i];
        if (taken < 0) {
            args_deinit(args);
            return taken;
        }
        i += taken;
    }
    int err = args_place(args, usage);
    if (err == 0)
        err = args_complete(args, usage);
    if (err == 0 && args->options.string && args->options.json_in)
        err = usage_set(usage, "give --string or --json-in, not both");
    if (args->options.help)
        err = 0;
    if (err != 0)
        args_deinit(args);
    return err;
}

struct args args_for(const struct args *args, const struct op *op)
{
    struct args other = *args;
    other.op = op;
    memset(other.word, 0, sizeof other.word);
    for (unsigned i = 0; args_desc(args->op, i) != NULL; i++)
        for (unsigned k = 0; args_desc(op, k) != NULL; k++)
            if (strcmp(args_desc(args->op, i)->name, args_desc(op, k)->name) == 0)
                other.word[k] = args->word[i];
    return other;
}

void args_deinit(struct args *args)
{
    mem_free(args->words);
    args->words = NULL;
}
