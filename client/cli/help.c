/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What cairn --help says, on all three levels.
 *
 * How: names, arguments, types and sentences are the rows of ops.def and types.def; only examples
 * and what belongs to the program itself stand here.
 *
 * Invariants: no line is longer than 80 columns, unless one word is.
 * Threads: one. Failures: none of its own.
 */
#include "client/cli/help.h"

#include "client/cli/args.h"
#include "client/cli/own.h"
#include "client/cli/usage.h"

enum { HELP_COLUMNS = 80, HELP_TEXT_COLUMN = 26 };

struct help_example {
    enum op_id id; /* OP_COUNT: one that only cairn has, named by the line */
    const char *line;
};

static const struct help_example help_examples[] = {
    {OP_kv_get, "cairn kv get user:1"},
    {OP_kv_get, "cairn --raw kv get picture > picture.png"},
    {OP_kv_put, "cairn kv put greeting hello --ttl 10s"},
    {OP_kv_put, "cairn kv put user:1 '{\"name\": \"Ada\", \"age\": 36}'"},
    {OP_kv_put, "cairn kv put picture @picture.png"},
    {OP_kv_put, "date | cairn kv put now - --if-absent"},
    {OP_kv_put, "cairn kv put zip 01234 --string"},
    {OP_kv_cas, "cairn kv cas lock 0 me --ttl 30s"},
    {OP_kv_mget, "cairn kv mget user:1 user:2"},
    {OP_kv_mput, "cairn kv mput a 1 b 2"},
    {OP_kv_incr, "cairn kv incr hits"},
    {OP_kv_incr, "cairn kv incr stock -1 --min 0"},
    {OP_kv_expire, "cairn kv expire session:9 30m"},
    {OP_kv_scan, "cairn kv scan --prefix user: --limit 20"},
    {OP_kv_scan, "cairn kv scan --all --json > backup.json"},
    {OP_kv_clear, "cairn kv clear --prefix tmp:"},
    {OP_ckpt_export, "cairn ckpt export > backup"},
    {OP_ckpt_export, "cairn ckpt export thread-7 --json > thread-7.json"},
    {OP_ckpt_import, "cairn ckpt import < backup"},
    {OP_ckpt_import, "cairn ckpt import @backup --mode overwrite"},
    {OP_ckpt_list, "cairn ckpt list --session thread-7 --table"},
    {OP_ckpt_restore, "cairn ckpt restore thread-7 step-9 > state.json"},
    {OP_vec_create, "cairn vec create docs 768 --metric cosine"},
    {OP_vec_upsert, "cairn vec upsert notes a '[0.5, 1, 0]' --metadata '{\"year\": 2020}'"},
    {OP_vec_upsert, "cairn vec upsert notes b @vector.npy"},
    {OP_vec_search, "cairn vec search notes --vector '[1, 0, 0]' --k 5"},
    {OP_vec_search, "cairn vec search notes --key a --filter '{\"year\": {\"$gte\": 2019}}'"},
    {OP_COUNT, "cairn vec import notes notes.jsonl --create --metric l2"},
    {OP_COUNT, "cairn vec import docs embeddings.npy --create --key-prefix doc: --wait"},
    {OP_COUNT, "cairn vec export notes > notes.jsonl"},
    {OP_COUNT, "cairn vec export docs docs.npy --format npy"},
    {OP_COUNT, "cairn vec import docs docs.npy --keys docs.npy.keys"},
    {OP_batch, "cairn batch '[[\"kv.put\", [\"a\", 1]], [\"kv.incr\", [\"b\"]]]' --atomic"},
    {OP_watch_open, "cairn watch open user: --values"},
    {OP_watch_open, "cairn watch open --from-version 1200 --json | tee events"},
    {OP_server_info, "cairn server info --section memory"},
    {OP_server_config_set, "cairn server config-set limits.connections 20000"},
};

struct help_name help_split(const char *wire_name)
{
    struct help_name name = {"", ""};
    const char *dot = strchr(wire_name, '.');
    if (dot != NULL)
        snprintf(name.group, sizeof name.group, "%.*s", (int)(dot - wire_name), wire_name);
    snprintf(name.verb, sizeof name.verb, "%s", dot != NULL ? dot + 1 : wire_name);
    for (char *p = name.verb; *p != 0; p++)
        if (*p == '_')
            *p = '-';
    return name;
}

void help_words(const struct op *op, char out[OP_NAME_MAX + 1])
{
    snprintf(out, OP_NAME_MAX + 1, "%s", op->name);
    for (char *p = out; *p != 0; p++)
        *p = *p == '.' ? ' ' : *p == '_' ? '-' : *p;
}

/* Text from the present column on, in lines of 80 columns that begin at `indent`. */
static void help_wrap(FILE *out, unsigned indent, unsigned column, const char *text)
{
    while (*text != 0) {
        size_t n = strcspn(text, " ");
        if (column > indent && column + 1 + n > HELP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += (unsigned)n;
        text += n + strspn(text + n, " ");
    }
    fputc('\n', out);
}

/* "  term   text..." */
static void help_term(FILE *out, const char *term, const char *text)
{
    int n = fprintf(out, "  %s", term);
    if (n + 2 > HELP_TEXT_COLUMN) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", HELP_TEXT_COLUMN - n, "");
    help_wrap(out, HELP_TEXT_COLUMN, HELP_TEXT_COLUMN, text);
}

/* The first sentence of a summary. */
static void help_first_sentence(FILE *out, const char *term, const char *text)
{
    char first[256];
    const char *end = strstr(text, ". ");
    const char *colon = strstr(text, ": ");
    size_t n = end != NULL ? (size_t)(end - text) + 1 : strlen(text);
    if (colon != NULL && (size_t)(colon - text) < n && n > 120)
        n = (size_t)(colon - text);
    snprintf(first, sizeof first, "%.*s", (int)n, text);
    help_term(out, term, first);
}

/* The name of an argument in capitals: "expected_version" -> "EXPECTED-VERSION". */
static void help_upper(const struct arg_desc *desc, char out[OP_NAME_MAX + 1])
{
    args_option_name(desc, true, out);
    for (char *p = out; *p != 0; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
}

/* What stands for the value of an option. */
static const char *help_type_word(const struct arg_desc *desc)
{
    static char upper[16];
    const char *word = args_is_duration(desc)  ? "DURATION"
                       : args_is_instant(desc) ? "TIME"
                                               : arg_type_table[desc->type].word;
    snprintf(upper, sizeof upper, "%s", word);
    for (char *p = upper; *p != 0; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    return upper;
}

static void help_positional(const struct arg_desc *desc, bool is_input, char out[80])
{
    char name[OP_NAME_MAX + 1];
    help_upper(desc, name);
    if (desc->type == ARG_KEYS)
        snprintf(name, sizeof name, "KEY...");
    if (desc->type == ARG_PAIRS)
        snprintf(name, sizeof name, "KEY VALUE...");
    snprintf(out, 80, desc->place == ARG_REQUIRED && !is_input ? "%s" : "[%s]", name);
}

void help_usage(FILE *out, const struct op *op)
{
    char words[OP_NAME_MAX + 1], name[80];
    help_words(op, words);
    fprintf(out, "Usage: cairn %s", words);
    for (unsigned i = 0; i < op->n_positional; i++) {
        help_positional(&op->args[i], (int)i == own_input(op), name);
        fprintf(out, " %s", name);
    }
    fputs(" [OPTIONS]\n", out);
}

static void help_option(FILE *out, const struct arg_desc *desc)
{
    char name[OP_NAME_MAX + 1], term[80];
    args_option_name(desc, true, name);
    if (desc->type == ARG_BOOL)
        snprintf(term, sizeof term, "--%s", name);
    else
        snprintf(term, sizeof term, "--%s %s", name, help_type_word(desc));
    help_term(out, term, desc->text);
}

/* Explain the types that this operation uses. */
static void help_types(FILE *out, const struct op *op)
{
    bool value = false, input = false, duration = false, instant = false;
    for (unsigned i = 0; i < op->n_args; i++) {
        enum arg_type type = op->args[i].type;
        value = value || type == ARG_VALUE || type == ARG_PAIRS;
        input = input || type == ARG_DATA || type == ARG_CALLS || type == ARG_CONDITIONS ||
                type == ARG_ITEMS || type == ARG_ARRAY || type == ARG_MAP || type == ARG_VECTOR;
        duration = duration || args_is_duration(&op->args[i]);
        instant = instant || args_is_instant(&op->args[i]);
    }
    if (value || input || duration || instant)
        fputs("\nTypes:\n", out);
    if (value)
        help_term(out, "VALUE",
                  "JSON (object, array, number, true, false, null, quoted string) if it is that, "
                  "else the text itself. --string: always the text. --json-in: must be JSON. "
                  "- or @FILE: the bytes of stdin or of a file.");
    if (input)
        help_term(out, "- or @FILE", "Reads the argument from stdin or from a file.");
    if (duration)
        help_term(out, "DURATION", "250ms, 10s, 5m, 2h, 7d, or a number of milliseconds.");
    if (instant)
        help_term(out, "TIME", "2026-01-31T12:00:00Z, or milliseconds since 1970.");
}

static void help_examples_of(FILE *out, const struct op *op)
{
    char words[OP_NAME_MAX + 1];
    bool any = false;
    help_words(op, words);
    for (size_t i = 0; i < LENGTH_OF(help_examples); i++) {
        if (help_examples[i].id != op->id ||
            (op->id == OP_COUNT && strstr(help_examples[i].line, words) == NULL))
            continue;
        fputs(any ? "" : "\nExamples:\n", out);
        fprintf(out, "  %s\n", help_examples[i].line);
        any = true;
    }
}

void help_op(FILE *out, const struct op *op)
{
    char name[80];
    help_usage(out, op);
    fputc('\n', out);
    help_wrap(out, 0, 0, op->summary);
    if (op->n_positional > 0)
        fputs("\nArguments:\n", out);
    for (unsigned i = 0; i < op->n_positional; i++) {
        help_positional(&op->args[i], (int)i == own_input(op), name);
        help_term(out, name, op->args[i].text);
    }
    if (own_text(op) != NULL) {
        fputc('\n', out);
        help_wrap(out, 0, 0, own_text(op));
    }
    fputs("\nOptions:\n", out);
    for (unsigned i = op->n_positional; args_desc(op, i) != NULL; i++)
        help_option(out, args_desc(op, i));
    if (op_arg_find(op, bytes_of("cursor")) >= 0)
        help_term(out, "--all", "Follow the cursor to the end and print every page");
    help_term(out, "--json, --raw, --timeout", "As in cairn --help");
    help_types(out, op);
    fputs("\nReturns: ", out);
    help_wrap(out, 9, 9, op->reply);
    help_examples_of(out, op);
}

void help_group(FILE *out, const char *group, size_t group_size)
{
    fprintf(out, "Usage: cairn %.*s VERB [ARGUMENTS] [OPTIONS]\n\nVerbs:\n", (int)group_size,
            group);
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        struct help_name name = help_split(own_op(i)->name);
        if (strlen(name.group) == group_size && strncmp(name.group, group, group_size) == 0)
            help_first_sentence(out, name.verb, own_op(i)->summary);
    }
    fprintf(out, "\ncairn %.*s VERB --help tells more.\n", (int)group_size, group);
}

void help_call(FILE *out)
{
    fputs("Usage: cairn call METHOD [PARAMS]\n\n"
          "Call any method by its wire name. PARAMS is JSON: an array of arguments, or a map of\n"
          "arguments by name; - or @FILE reads it. Without it there are none.\n\n"
          "Examples:\n"
          "  cairn call kv.get '[\"user:1\"]'\n"
          "  cairn call kv.scan '{\"prefix\": \"user:\", \"limit\": 5}'\n",
          out);
}

static void help_commands(FILE *out)
{
    char last[OP_NAME_MAX + 1] = "";
    fputs("\nCommands:\n", out);
    for (unsigned i = 0; own_op(i) != NULL; i++) {
        struct help_name name = help_split(own_op(i)->name);
        char words[OP_NAME_MAX + 1];
        if (strcmp(name.group, last) != 0)
            fputc('\n', out);
        snprintf(last, sizeof last, "%s", name.group);
        help_words(own_op(i), words);
        help_first_sentence(out, words, own_op(i)->summary);
    }
    fputc('\n', out);
    enum op_id id;
    for (unsigned i = 0; op_alias(i, &id) != NULL; i++) {
        char text[80], words[OP_NAME_MAX + 1];
        help_words(&op_table[id], words);
        snprintf(text, sizeof text, "Short for cairn %s.", words);
        help_term(out, op_alias(i, &id), text);
    }
    help_term(out, "call METHOD [PARAMS]", "Call any method with params in JSON.");
}

/* "-u, --uri URI" */
static void help_own_option(FILE *out, const struct options_row *row)
{
    char term[80];
    char letter[8] = "";
    if (row->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(term, sizeof term, "%s%s%s%s", letter, row->name, row->arg[0] != 0 ? " " : "",
             row->arg);
    help_term(out, term, row->text);
}

/* The options of cairn itself, below their titles. */
static void help_own_options(FILE *out)
{
    const struct options_row *row;
    for (unsigned i = 0; (row = options_row(i)) != NULL; i++) {
        if (row->group != NULL)
            fprintf(out, "\n%s:\n", row->group);
        else if (row->text[0] != 0)
            help_own_option(out, row);
    }
}

static void help_paragraph(FILE *out, const char *title, const char *text)
{
    fprintf(out, "\n%s:\n", title);
    help_wrap(out, 0, 0, text);
}

static void help_environment(FILE *out)
{
    fputs("\nEnvironment:\n", out);
    help_term(out, "$CAIRN_URI", "Where to connect, as --uri.");
    help_term(out, "$CAIRN_TOKEN", "The token to log in with (a command line is seen by others).");
    help_term(out, "$XDG_STATE_HOME",
              "cairn/history in this folder, else in ~/.local/state, keeps the last 1000 lines of "
              "the interactive mode, but none that names a token.");
}

static void help_exit_status(FILE *out)
{
    static const char *const texts[] = {
        [EXIT_DONE] = "done",
        [EXIT_ANSWERED_ERROR] = "the server answered an error, or a call inside a batch failed",
        [EXIT_USAGE] = "the command line is wrong",
        [EXIT_UNREACHABLE] = "no connection, no answer in time, or the output could not be written",
        [EXIT_ABSENT] = "the key is absent (get, del, exists, expire, ttl, drop ...), or what else "
                        "was asked for; or it had no expiry (persist)",
    };
    fputs("\nExit status:\n", out);
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        fprintf(out, "  %zu  ", i);
        help_wrap(out, 5, 5, texts[i]);
    }
}

void help_main(FILE *out)
{
    fputs("Usage: cairn [OPTIONS] GROUP VERB [ARGUMENTS] [OPTIONS]\n"
          "       cairn [OPTIONS]            on a terminal: interactive, with completion\n"
          "       cairn [OPTIONS] < FILE     a command on each line, without `cairn`\n"
          "\nTalk to a Cairn server. cairn GROUP --help and cairn GROUP VERB --help tell\nmore.\n",
          out);
    help_commands(out);
    help_own_options(out);
    help_environment(out);
    help_paragraph(
        out, "Output",
        "JSON. bin that is not UTF-8 is {\"$bin\": \"base64\"}, which is accepted as a key "
        "or value, too. On a terminal, lists and what the server tells of itself are "
        "tables cut to its width; anywhere else, a list is one item on a line, its parts "
        "separated by tabs. Scripts use --json.");
    help_paragraph(out, "Lines from standard input",
                   "Words are quoted as in a shell, # begins a comment. The first command that "
                   "fails ends it, with its exit status; an absent key (4) is an answer and no "
                   "failure. --keep-going does the rest before that.");
    help_exit_status(out);
    fputs("\nExamples:\n"
          "  cairn kv put greeting hello --ttl 10s\n"
          "  cairn kv get greeting\n"
          "  cairn kv scan --prefix user:\n"
          "  cairn -u cairn://127.0.0.1:7420/agent-7 server info\n"
          "  cairn --stat 2s --count 30\n",
          out);
}

void help_lines(FILE *out)
{
    help_commands(out);
    fputs("\nhelp COMMAND tells more, for example: help kv put. quit ends.\n"
          "Words are quoted as in a shell: kv put user:1 '{\"name\": \"Ada\"}'\n"
          "Keys: Tab completes, Ctrl-R searches the history, Ctrl-C clears the line.\n",
          out);
}
