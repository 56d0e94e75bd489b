/* amx.c: whether there is a matrix unit for bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE

#include "amx.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define XCR0_TILES (3u << 17)
#define REQUEST_PERMISSION 0x1023 /* ARCH_REQ_XCOMP_PERM */
#define TILE_DATA 18

static bool
detect (void)
{
  unsigned a, b, c, d, low, high;

  /* AMX-BF16, AMX-TILE */
  if (!__get_cpuid_count (7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) ||
      !(d >> 24 & 1))
    return false;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & XCR0_TILES) != XCR0_TILES)
    return false;
  return syscall (SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

bool
mblm_cpu_has_amx (const MblmKernelDevice *device)
{
  static atomic_int known; /* 0: not yet, 1: no, 2: yes */

  if (device->level < MBLM_CPU_AVX512BF16)
    return false;
  if (known == 0)
    known = detect () ? 2 : 1;
  return known == 2;
}

#else

bool
mblm_cpu_has_amx (const MblmKernelDevice *device)
{
  return false;
}

#endif
