/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text of a page: escaped, and numbers as people read them. All text that is not our own must come
 * through here.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* Text as content or in an attribute in double quotes. */
void html_escape(FILE *out, const char *text);

/* The same as content, without a break within words that begin with a hyphen, as options do. */
void html_escape_words(FILE *out, const char *text);

/* JSON inside of <script>: no "<" is left that could end it. */
void html_escape_script(FILE *out, const char *json, size_t size);

enum { HTML_NUMBER_SIZE = 48 };

/* "812 ns", "412 &#181;s", "1.23 ms", "12.3 s": three digits. */
void html_duration(double ns, char out_text[static HTML_NUMBER_SIZE]);

/* The same of a round number: "500 &#181;s", "1 ms". */
void html_round_duration(double ns, char out_text[static HTML_NUMBER_SIZE]);

/* "1,234,567", "12.3", "0.412" */
void html_number(double value, char out_text[static HTML_NUMBER_SIZE]);

/* "132 k", "1.5 M": for axes. */
void html_short(double value, char out_text[static HTML_NUMBER_SIZE]);
