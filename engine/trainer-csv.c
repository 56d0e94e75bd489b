/* trainer-csv.c: loss.csv and timemem.csv.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The columns are the published ones (mblm-math section 6). The state holds how
 * long each file is: what a killed run wrote behind that is cut off.
 */

#include "trainer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOSS "loss.csv"
#define TIMEMEM "timemem.csv"
#define LOSS_HEADER                                                            \
  "gpu_rank,timestamp,elements_seen,kind,epoch,batch,cum_batch,loss,lr,"       \
  "avg_grad,avg_grad_clipped\n"
#define TIMEMEM_HEADER                                                         \
  "cum_batch,num_items,kind,fw_time,bw_time,allocated,allocated_max,reserved," \
  "reserved_max,total\n"

static gboolean
fail (MblmTrainer *self, const char *name, GError **error)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
      "%s/%s: can't write it: %s; the run can be resumed when there is room",
      self->output, name, g_strerror (code));
  return FALSE;
}

static gboolean
append (MblmTrainer *self, int fd, const char *name, const char *text,
    guint64 *length, GError **error)
{
  gsize n = strlen (text), done = 0;

  while (done < n) {
    ssize_t written = write (fd, text + done, n - done);

    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return fail (self, name, error);
    done += (gsize) written;
  }
  *length += n;
  return TRUE;
}

static gboolean
open_one (MblmTrainer *self, const char *name, const char *header, int *fd,
    guint64 *length, GError **error)
{
  g_autofree char *path = g_build_filename (self->output, name, NULL);
  struct stat status;

  *fd = mblm_trainer_open_own (path, O_WRONLY | O_APPEND);
  if (*fd < 0 || fstat (*fd, &status) != 0)
    return fail (self, name, error);
  if ((guint64) status.st_size < *length) {
    mblm_trainer_say (self, "%s is shorter than the run left it", path);
    *length = (guint64) status.st_size;
  }
  if (ftruncate (*fd, (off_t) *length) != 0)
    return fail (self, name, error);
  return *length > 0 || append (self, *fd, name, header, length, error);
}

gboolean
mblm_trainer_open_csv (MblmTrainer *self, GError **error)
{
  return open_one (self, LOSS, LOSS_HEADER, &self->loss_csv,
             &self->state->loss_bytes, error) &&
      open_one (self, TIMEMEM, TIMEMEM_HEADER, &self->timemem_csv,
          &self->state->timemem_bytes, error);
}

void
mblm_trainer_close_csv (MblmTrainer *self)
{
  if (self->loss_csv >= 0)
    close (self->loss_csv);
  if (self->timemem_csv >= 0)
    close (self->timemem_csv);
  self->loss_csv = self->timemem_csv = -1;
}

gboolean
mblm_trainer_sync_csv (MblmTrainer *self, GError **error)
{
  if (fsync (self->loss_csv) != 0)
    return fail (self, LOSS, error);
  return fsync (self->timemem_csv) == 0 || fail (self, TIMEMEM, error);
}

/* "-1", "0.25", "nan": digits that read back as the same number. */
static void
append_real (GString *out, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_c (out, ',');
  if (isnan (value))
    g_string_append (out, "nan");
  else
    g_string_append (out, g_ascii_dtostr (buffer, sizeof buffer, value));
}

static void
append_count (GString *out, gint64 value)
{
  g_string_append_printf (out, ",%" G_GINT64_FORMAT, value);
}

gboolean
mblm_trainer_write_loss (
    MblmTrainer *self, const MblmLossRow *row, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%d %H:%M:%S.%f");
  g_autoptr (GString) out = g_string_new ("0,");

  g_string_append (out, time);
  append_count (out, row->elements);
  g_string_append_printf (out, ",%s", row->kind);
  append_count (out, row->epoch);
  append_count (out, row->batch);
  append_count (out, row->cum_batch);
  append_real (out, row->loss);
  append_real (out, row->rate);
  append_real (out, row->norm);
  append_real (out, row->clipped);
  g_string_append_c (out, '\n');
  return append (
      self, self->loss_csv, LOSS, out->str, &self->state->loss_bytes, error);
}

/* A line of /proc/self/status in KiB, as bytes; 0 where there is none. */
static guint64
get_status (const char *text, const char *key)
{
  const char *at = text != NULL ? strstr (text, key) : NULL;

  return at != NULL ? g_ascii_strtoull (at + strlen (key), NULL, 10) * 1024 : 0;
}

gboolean
mblm_trainer_write_time (MblmTrainer *self, const char *kind, gint64 cum_batch,
    gint64 items, double seconds, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree char *status = NULL;

  g_file_get_contents ("/proc/self/status", &status, NULL, NULL);
  g_string_append_printf (out, "%" G_GINT64_FORMAT, cum_batch);
  append_count (out, items);
  g_string_append_printf (out, ",%s", kind);
  append_real (out, seconds);
  g_string_append_c (out, ','); /* bw_time */
  append_count (out, (gint64) get_status (status, "VmRSS:\t"));
  append_count (out, (gint64) get_status (status, "VmHWM:\t"));
  g_string_append (out, ",0,0,0\n");
  return append (self, self->timemem_csv, TIMEMEM, out->str,
      &self->state->timemem_bytes, error);
}
