/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints a test as a script.
 *
 * How: a line for each shape, with its name and weight, and one for each further step of a
 * sequence. What a script cannot say is told in a comment.
 *
 * Invariants: mix_of_script makes the same requests of what is printed, but for new keys.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT with a sentence; what cannot be written is
 * lost.
 */
#include "client/loadgen/mix_print.h"

#include "common/err.h"

#include <inttypes.h>
#include <string.h>

/* The only test; NULL: there are several. */
static const struct workload *mix_only(const struct plan *plan)
{
    const struct workload *only = plan->own;
    unsigned n = only != NULL;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (plan->tests[i]) {
            only = &workload_table[i];
            n++;
        }
    return n == 1 ? only : NULL;
}

/* What a script takes for more than a letter of a word. */
static const char mix_special[] = " \t\r\n\v\f'\"\\#";

static void mix_print_word(FILE *out, const char *word)
{
    if (word[0] != 0 && strpbrk(word, mix_special) == NULL) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (const char *c = word; *c != 0; c++)
        fputs(*c == '\'' ? "'\\''" : (const char[]){*c, 0}, out);
    fputc('\'', out);
}

static void mix_print_request(FILE *out, const struct shape *shape, enum spelling spelling)
{
    for (int i = 0; i < shape->n_words; i++) {
        fputs(i > 0 ? " " : "", out);
        mix_print_word(out, shape->words[i]);
    }
    fprintf(out, "%s\n", shape->words != NULL ? "" : shape->spelling[spelling]);
}

/* Can a script give this name? Else it is made of the command, as it will be again. */
static bool mix_is_name(const char *name)
{
    return name[0] != 0 && strpbrk(name, mix_special) == NULL && strpbrk(name, "=/") == NULL;
}

/* Does a word hold a line break, for which a script has no form? */
static bool mix_breaks(const struct shape *shape)
{
    bool breaks = false;
    for (int i = 0; i < shape->n_words; i++)
        breaks = breaks || strchr(shape->words[i], '\n') != NULL;
    return breaks;
}

static bool mix_any_breaks(const struct workload *workload)
{
    bool any = false;
    for (unsigned i = 0; i < workload->n_shapes; i++)
        for (unsigned step = 0; step == 0 || step < workload->shapes[i]->n_steps; step++)
            any = any || mix_breaks(shape_step(workload->shapes[i], step));
    return any;
}

static void mix_print_shape(FILE *out, const struct shape *shape, uint32_t weight,
                            enum spelling spelling)
{
    if (shape_has(shape, SHAPE_INSERTS))
        fprintf(out, "# %s writes new keys, which a script cannot: these are of -r\n", shape->name);
    bool first = shape->n_steps > 0 && mix_is_name(shape->steps[0]->name);
    if (mix_is_name(shape->name))
        fprintf(out, "%s%s%s=", shape->name, first ? "/" : "", first ? shape->steps[0]->name : "");
    fprintf(out, "%" PRIu32 " ", weight);
    mix_print_request(out, shape_step(shape, 0), spelling);
    for (unsigned step = 1; step < shape->n_steps; step++) {
        const char *name = shape->steps[step]->name;
        bool called = mix_is_name(name);
        fprintf(out, "then%s%s ", called ? "=" : "", called ? name : "");
        mix_print_request(out, shape->steps[step], spelling);
    }
}

int mix_print(FILE *out, const struct plan *plan, enum spelling spelling,
              char out_detail[static MIX_PRINT_DETAIL_SIZE])
{
    const struct workload *workload = mix_only(plan);
    const uint32_t ratio[] = {plan->ratio.write, plan->ratio.read};
    const char *wrong = NULL;
    if (workload == NULL)
        wrong = "--print-script prints one test: name it with -t, --workload or --mix";
    else if (!workload_speaks(workload, spelling))
        wrong = "this test has no requests in this protocol: give another --protocol";
    else if (mix_any_breaks(workload))
        wrong = "a word of this request holds a line break, for which a script has no form";
    if (wrong != NULL) {
        (void)snprintf(out_detail, MIX_PRINT_DETAIL_SIZE, "%s", wrong);
        return ERR_BAD_ARGUMENT;
    }
    fprintf(out, "# %s\n%s%s%s", workload->title, workload->text[0] != 0 ? "# " : "",
            workload->text, workload->text[0] != 0 ? "\n" : "");
    for (unsigned i = 0; i < workload->n_shapes; i++) {
        bool mixes = workload_mixes(workload), own = workload->weights[0] > 0;
        uint32_t weight = own ? workload->weights[i] : mixes ? ratio[i] : 1;
        if (weight > 0)
            mix_print_shape(out, workload->shapes[i], weight, spelling);
    }
    return 0;
}
