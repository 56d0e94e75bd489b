/* confine.c: a process that can do nothing but read, compute and write.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Three layers: no new privileges; resource limits; and, where libseccomp was
 * there at build time, a list of the system calls that are left, with everything
 * else killing the process.
 */

#include "config.h"

#include "confine.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

/* Sanitizers map terabytes of address space that they never touch. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static gboolean
limit (int resource, guint64 value)
{
  struct rlimit now, wanted = {(rlim_t) value, (rlim_t) value};

  if (getrlimit (resource, &now) != 0)
    return FALSE;
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < wanted.rlim_max)
    wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
  return setrlimit (resource, &wanted) == 0;
}

static gboolean
limit_all (guint64 max_output, guint64 max_memory, guint64 max_seconds)
{
  return limit (RLIMIT_CORE, 0) && limit (RLIMIT_NPROC, 0) &&
      limit (RLIMIT_FSIZE, max_output) && limit (RLIMIT_CPU, max_seconds) &&
      (SANITIZED || limit (RLIMIT_AS, max_memory))
      /* descriptors that are open stay open; there will be no others */
      && limit (RLIMIT_NOFILE, 0);
}

#ifdef HAVE_SECCOMP
static gboolean
allow_plain (scmp_filter_ctx filter)
{
  const int calls[] = {SCMP_SYS (brk), SCMP_SYS (munmap), SCMP_SYS (mremap),
      SCMP_SYS (madvise), SCMP_SYS (exit), SCMP_SYS (exit_group),
      SCMP_SYS (rt_sigreturn), SCMP_SYS (futex), SCMP_SYS (clock_gettime)};

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    if (seccomp_rule_add (filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
      return FALSE;
  return TRUE;
}

static gboolean
filter_calls (void)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_KILL_PROCESS);
  gboolean ok = filter != NULL && allow_plain (filter) &&
      seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (pread64), 1,
          SCMP_A0 (SCMP_CMP_EQ, 0)) == 0 &&
      seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (write), 1,
          SCMP_A0 (SCMP_CMP_EQ, 1)) == 0 &&
      seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (write), 1,
          SCMP_A0 (SCMP_CMP_EQ, 2)) == 0
      /* memory, but no files; readable and writable, never executable */
      && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (mmap), 2,
             SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
             SCMP_A3 (SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)) == 0 &&
      seccomp_load (filter) == 0;

  if (filter != NULL)
    seccomp_release (filter);
  return ok;
}
#endif

const char *
mblm_confine (guint64 max_output, guint64 max_memory, guint64 max_seconds)
{
  /* a write beyond the bound shall fail, not kill */
  signal (SIGXFSZ, SIG_IGN);
#ifdef SYS_close_range
  /* nothing else should be open; a kernel before 5.9 can't make sure */
  (void) syscall (SYS_close_range, 3u, ~0u, 0u);
#endif
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return "can't give up privileges";
  if (!limit_all (max_output, max_memory, max_seconds))
    return "can't set its limits";
#ifdef HAVE_SECCOMP
  if (!filter_calls ())
    return "can't load its system call filter";
#endif
  return NULL;
}
