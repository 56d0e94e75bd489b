/* detect.c: which instruction sets this processor and its system support.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CPUID tells what the processor has, XCR0 which registers the operating system
 * saves when it switches threads; using others would corrupt them.
 */

#define _GNU_SOURCE

#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name; /* in MBLM_CPU */
  const char *description;
} levels[MBLM_CPU_LEVELS] = {
    [MBLM_CPU_GENERIC] = {"generic", "plain vectors"},
    [MBLM_CPU_AVX2] = {"avx2", "AVX2"},
    [MBLM_CPU_AVX512] = {"avx512", "AVX-512"},
    [MBLM_CPU_AVX512BF16] = {"avx512bf16", "AVX-512 with BF16"},
    [MBLM_CPU_AMX] = {"amx", "AVX-512 with AMX"},
};

const char *
mblm_cpu_level_describe (MblmCpuLevel level)
{
  return levels[level].description;
}

#if defined(__x86_64__)

#include <cpuid.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define BIT(word, n) (((word) >> (n)) & 1)

#define XCR0_YMM 0x06u /* XMM and upper halves of YMM */
#define XCR0_ZMM 0xe6u /* and masks, upper halves of ZMM, ZMM 16 to 31 */

#define XCR0_TILES 0x60000u /* their layout, their data */

/* The low half of XCR0; only after CPUID has reported OSXSAVE. */
static unsigned
read_xcr0 (void)
{
  unsigned low, high;

  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static MblmCpuLevel
detect (void)
{
  unsigned a, b, c, d, xcr0;
  bool avx2, avx512;

  if (!__get_cpuid (1, &a, &b, &c, &d))
    return MBLM_CPU_GENERIC;
  /* FMA, OSXSAVE, AVX, F16C */
  if (!BIT (c, 12) || !BIT (c, 27) || !BIT (c, 28) || !BIT (c, 29))
    return MBLM_CPU_GENERIC;
  xcr0 = read_xcr0 ();
  if ((xcr0 & XCR0_YMM) != XCR0_YMM ||
      !__get_cpuid_count (7, 0, &a, &b, &c, &d))
    return MBLM_CPU_GENERIC;
  avx2 = BIT (b, 5) && BIT (b, 3) && BIT (b, 8); /* with BMI1 and BMI2 */
  avx512 = BIT (b, 16) && BIT (b, 17) && BIT (b, 30) && BIT (b, 31);
  if (!avx2)
    return MBLM_CPU_GENERIC;
  if (!avx512 || (xcr0 & XCR0_ZMM) != XCR0_ZMM)
    return MBLM_CPU_AVX2;
  if (a < 1 || !__get_cpuid_count (7, 1, &a, &b, &c, &d) || !BIT (a, 5))
    return MBLM_CPU_AVX512;
  /* AMX: its tiles, and products of bfloat16 on them */
  if (!__get_cpuid_count (7, 0, &a, &b, &c, &d) || !BIT (d, 24) ||
      !BIT (d, 22) || (xcr0 & XCR0_TILES) != XCR0_TILES)
    return MBLM_CPU_AVX512BF16;
  return MBLM_CPU_AMX;
}

/* Intel's cores take two cycles for a vector of products of bfloat16, and are
 * done sooner in float32. */
static bool
has_slow_bf16 (void)
{
  unsigned a, b, c, d;

  return __get_cpuid (0, &a, &b, &c, &d) && b == signature_INTEL_ebx &&
      c == signature_INTEL_ecx && d == signature_INTEL_edx;
}

/* The tiles' registers are large, and Linux wants to be asked for them, once in
 * a process; it may say no. */
static bool
may_use_tiles (void)
{
#ifdef __linux__
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

  return syscall (SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return false;
#endif
}

#else

static MblmCpuLevel
detect (void)
{
  return MBLM_CPU_GENERIC;
}

static bool
has_slow_bf16 (void)
{
  return false;
}

static bool
may_use_tiles (void)
{
  return false;
}

#endif

/* Lowers the level to what MBLM_CPU says; false where that is no level. */
static bool
apply_mask (const char *mask, MblmCpuLevel *level)
{
  if (!mask || !*mask)
    return true;
  for (MblmCpuLevel l = 0; l < MBLM_CPU_LEVELS; l++)
    if (strcmp (mask, levels[l].name) == 0) {
      if (l < *level)
        *level = l;
      return true;
    }
  return false;
}

bool
mblm_cpu_detect (MblmCpuLevel *level, char *message, size_t message_size)
{
  const char *mask = getenv ("MBLM_CPU");

  *level = detect ();
  if (!apply_mask (mask, level)) {
    snprintf (message, message_size,
        "the environment variable MBLM_CPU is \"%.32s\", but it takes generic, "
        "avx2, avx512, avx512bf16 or amx",
        mask);
    return false;
  }
  if (*level == MBLM_CPU_AMX && !may_use_tiles ())
    *level = MBLM_CPU_AVX512BF16;
  if (*level == MBLM_CPU_AVX512BF16 && !(mask && *mask) && has_slow_bf16 ())
    *level = MBLM_CPU_AVX512;
  return true;
}
