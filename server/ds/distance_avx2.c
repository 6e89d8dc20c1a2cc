/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels of avx2.
 */
#include "server/ds/distance_sets.h"

const struct kernels *kernels_avx2(void)
{
    return NULL;
}
