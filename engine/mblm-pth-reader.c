/* mblm-pth-reader.c: the confined process that reads published checkpoints.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Run by mblm_checkpoint_convert, not by people. Descriptor 0 is the checkpoint,
 * 1 a new regular file for the tensors, 2 takes the message of an error. It gives
 * up everything else before it reads the first byte of the checkpoint. Exit
 * status 0, or 1 with a message.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "pth.h"

/* Processor time: plenty for the smallest bandwidth that a disk may have. */
#define MIN_SECONDS 60
#define BYTES_PER_SECOND (4 * 1024 * 1024)
/* What the header of the output may take beyond the numbers themselves. */
#define MAX_HEADER (128 * 1024 * 1024)
#define MAX_MEMORY ((guint64) 2 * 1024 * 1024 * 1024)

static void
say (const char *text)
{
  gsize n = strlen (text);

  while (n > 0) {
    ssize_t done = write (2, text, n);

    if (done < 0 && errno != EINTR)
      return;
    if (done > 0) {
      text += done;
      n -= (gsize) done;
    }
  }
}

/* Ends at once: neither destructors nor a sanitizer's last words, which may use
 * system calls that are gone. Not a noreturn function, before whose call
 * AddressSanitizer would make one of them. */
static void
leave (int status)
{
  (void) syscall (SYS_exit_group, status);
}

int
main (int argc, char **argv)
{
  struct stat in, out;
  guint64 size;
  const char *problem;
  GError *error = NULL;

  if (fstat (0, &in) != 0 || !S_ISREG (in.st_mode) || fstat (1, &out) != 0 ||
      !S_ISREG (out.st_mode)) {
    say ("mblm-pth-reader is run by mblm convert, not by hand\n");
    return 1;
  }
  /* it works for its parent alone */
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  size = (guint64) in.st_size;
  problem = mblm_confine (
      size + MAX_HEADER, MAX_MEMORY, MIN_SECONDS + size / BYTES_PER_SECOND);
  if (problem != NULL) {
    say ("the reader of checkpoints ");
    say (problem);
    leave (1);
    return 1;
  }
  if (!mblm_pth_convert (0, size, 1, &error)) {
    say (error->message);
    leave (1);
    return 1;
  }
  leave (0);
  return 1;
}
