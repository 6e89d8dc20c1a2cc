/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen selftest: is loadgen to be believed, on this machine, as busy as it is now? Servers whose
 * latencies are known beforehand are measured, and the rates that are asked for.
 */
#pragma once

enum selftest_exit {
    SELFTEST_GOOD,
    SELFTEST_WRONG, /* a figure is not as it must be */
    SELFTEST_USAGE,
    SELFTEST_BUSY, /* the same, but the machine did other things meanwhile: nothing is shown */
};

/* argv[0] is "selftest". Prints to standard output, errors to standard error. Returns the exit code
 * of the process. */
int selftest_main(int argc, char **argv);
