/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sets of kernels there are: what distance.c chooses from. Each is NULL where this build or
 * this processor does not have its instructions.
 */
#pragma once

#include "server/ds/distance.h"

const struct kernels *kernels_avx512_vnni(void);
const struct kernels *kernels_avx512(void);
const struct kernels *kernels_avx2(void);
const struct kernels *kernels_neon_dotprod(void);
const struct kernels *kernels_neon(void);
const struct kernels *kernels_scalar(void); /* never NULL */
