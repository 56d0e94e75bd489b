/* corpus-archive.c: the members of an archive, unpacked to a file without a name.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * An archive is hostile: the sizes that it states are not believed, its names are
 * for messages and for the order alone, and nothing but regular members is
 * looked at. All members of a corpus go to one file, one behind the other.
 */

#define _GNU_SOURCE /* O_TMPFILE */

#include "config.h"

#include "corpus-private.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

#define BLOCK (1 << 16)
#define MAX_NAME 4096
/* Headers in an archive, those of folders and links included. */
#define MAX_HEADERS ((guint64) MBLM_CORPUS_MAX_FILES * 2)
/* Times that a library may ask to be called again. */
#define MAX_RETRIES 16

typedef struct archive Archive;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Archive, archive_read_free)

/* ------------------------------------------------------------------------- */
/* The temporary file                                                        */
/* ------------------------------------------------------------------------- */

static int
open_unnamed (const char *folder)
{
  int fd = open (folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    return fd;

  /* a file system without O_TMPFILE */
  g_autofree char *path = g_build_filename (folder, "mblm-XXXXXX", NULL);
  fd = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0)
    unlink (path);
  return fd;
}

/* Where nobody has said how much may be unpacked, what is free may be, but for a
 * twentieth: others need the disk too. */
static void
find_room (MblmCorpus *self)
{
  struct statvfs status;
  guint64 free;

  self->room = self->options.max_unpacked;
  if (!self->options.bound_by_room || fstatvfs (self->unpacked, &status) != 0)
    return;
  free = (guint64) status.f_bavail * status.f_frsize;
  self->room = MIN (self->room, free - free / 20);
}

/* $TMPDIR where the user names one; else not /tmp at first, which may be memory. */
static gboolean
open_temporary (MblmCorpus *self, GError **error)
{
  g_autofree char *cache = g_build_filename (
      g_get_user_cache_dir (), "mblm", NULL);
  const char *chosen = g_getenv ("TMPDIR");
  const char *const folders[] = {cache, "/var/tmp", g_get_tmp_dir ()};
  gboolean is_chosen = chosen != NULL && chosen[0] != '\0';

  if (is_chosen)
    self->unpacked = open_unnamed (chosen);
  else
    g_mkdir_with_parents (cache, 0700);
  for (guint i = 0; !is_chosen && self->unpacked < 0 && i < 3; i++)
    self->unpacked = open_unnamed (folders[i]);
  if (self->unpacked >= 0) {
    find_room (self);
    return TRUE;
  }

  int code = errno;
  self->no_room = TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
      "%s: no temporary file to unpack archives to: %s; set TMPDIR to a folder "
      "with room",
      is_chosen ? chosen : cache, g_strerror (code));
  return FALSE;
}

/* Writes n bytes of a member at `offset` of the temporary file. */
static gboolean
write_block (MblmCorpus *self, const char *path, const guint8 *data, gsize n,
    guint64 offset, GError **error)
{
  while (n > 0) {
    ssize_t put = pwrite (
        self->unpacked, data, MIN (n, (gsize) 1 << 30), (off_t) offset);

    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0) {
      int code = put < 0 ? errno : ENOSPC;
      self->no_room = TRUE;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
          "%s: can't unpack it, %" G_GUINT64_FORMAT
          " bytes of archives are unpacked: %s; set TMPDIR to a folder with "
          "more room",
          path, offset, g_strerror (code));
      return FALSE;
    }
    data += put;
    n -= (gsize) put;
    offset += (guint64) put;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
fail (Archive *archive, const char *path, GError **error)
{
  const char *said = archive_error_string (archive);
  g_autofree char *why = mblm_quote (said ? said : "unknown format", -1);

  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: can't be read as an archive: %s; repair it, or take it as bytes "
      "(unpack: false)",
      path, why);
  return FALSE;
}

/* ARCHIVE_OK or _EOF; a warning of the library's is none of ours. */
static int
settle (int code, guint *retries)
{
  if (code == ARCHIVE_WARN)
    return ARCHIVE_OK;
  if (code == ARCHIVE_RETRY && (*retries)++ < MAX_RETRIES)
    return ARCHIVE_RETRY;
  return code;
}

/* Only what the name says: a file that is compressed may begin as any of them. */
static void
support_format (Archive *archive, MblmArchiveKind kind)
{
  switch (kind) {
    case MBLM_ARCHIVE_TAR:
      archive_read_support_format_tar (archive);
      break;
    case MBLM_ARCHIVE_ZIP:
      archive_read_support_format_zip (archive);
      break;
    case MBLM_ARCHIVE_7Z:
      archive_read_support_format_7zip (archive);
      break;
    case MBLM_ARCHIVE_CPIO:
      archive_read_support_format_cpio (archive);
      break;
    default:
      /* what is in it is its one member */
      archive_read_support_format_raw (archive);
      archive_read_support_format_empty (archive);
  }
}

static Archive *
open_archive (const char *path, int fd, GError **error)
{
  g_autoptr (Archive) archive = archive_read_new ();

  if (!archive) {
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_MEMORY, "%s: out of memory", path);
    return NULL;
  }
  archive_read_support_filter_gzip (archive);
  archive_read_support_filter_bzip2 (archive);
  archive_read_support_filter_xz (archive);
  archive_read_support_filter_zstd (archive);
  support_format (archive, mblm_archive_get_kind (path, NULL));
  if (archive_read_open_fd (archive, fd, BLOCK) != ARCHIVE_OK) {
    fail (archive, path, error);
    return NULL;
  }
  return g_steal_pointer (&archive);
}

/* Path of the archive and name in it; a name that can't be had is a number. */
static char *
member_name (const char *path, struct archive_entry *entry, guint64 number)
{
  const char *name = archive_entry_pathname (entry);

  if (!name)
    name = archive_entry_pathname_utf8 (entry);
  if (!name)
    return g_strdup_printf ("%s/%" G_GUINT64_FORMAT, path, number);
  return g_strdup_printf ("%s/%.*s", path, MAX_NAME, name);
}

static gboolean
fail_room (MblmCorpus *self, const char *path, GError **error)
{
  self->no_room = self->room < self->options.max_unpacked;
  if (self->no_room)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
        "%s: unpacks to more than the %" G_GUINT64_FORMAT
        " bytes that are free for archives; set TMPDIR to a folder with more "
        "room",
        path, self->room);
  else
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: unpacks to more than the %" G_GUINT64_FORMAT
        " bytes that archives may; raise max_unpacked if that is right",
        path, self->room);
  return FALSE;
}

/* Unpacks the data of a member behind what is there; `size` gets its bytes. */
static gboolean
unpack (MblmCorpus *self, Archive *archive, const char *path, guint64 *size,
    GError **error)
{
  guint64 room = self->room - self->unpacked_size;
  guint retries = 0;

  *size = 0;
  for (;;) {
    const void *data = NULL;
    size_t n = 0;
    la_int64_t offset = 0;
    int code = settle (
        archive_read_data_block (archive, &data, &n, &offset), &retries);

    if (code == ARCHIVE_EOF)
      return TRUE;
    if (code == ARCHIVE_RETRY)
      continue;
    if (code != ARCHIVE_OK || offset < 0)
      return fail (archive, path, error);
    if ((guint64) offset > room || n > room - (guint64) offset)
      return fail_room (self, path, error);
    /* A hole between blocks stays one. */
    if (!write_block (
            self, path, data, n, self->unpacked_size + (guint64) offset, error))
      return FALSE;
    if (n > 0)
      *size = MAX (*size, (guint64) offset + n);
  }
}

static gboolean
add_member (MblmCorpus *self, Archive *archive, const char *path,
    struct archive_entry *entry, guint64 number, GError **error)
{
  guint64 size;

  /* Of several links to one file, any may hold the data: in a .cpio the last. */
  if (archive_entry_filetype (entry) != AE_IFREG)
    return TRUE;
  if (!unpack (self, archive, path, &size, error))
    return FALSE;
  if (size == 0)
    return TRUE;

  const MblmCorpusFile file = {.name = member_name (path, entry, number),
      .path_length = strlen (path),
      .number = number,
      .unpacked = TRUE,
      .offset = self->unpacked_size,
      .size = size};
  self->unpacked_size += size;
  return mblm_corpus_append (self, &file, error);
}

static gboolean
add_members (
    MblmCorpus *self, Archive *archive, const char *path, GError **error)
{
  guint retries = 0;

  for (guint64 number = 0; number < MAX_HEADERS;) {
    struct archive_entry *entry;
    int code = settle (archive_read_next_header (archive, &entry), &retries);

    if (code == ARCHIVE_EOF)
      return TRUE;
    if (code == ARCHIVE_RETRY)
      continue;
    if (code != ARCHIVE_OK)
      return fail (archive, path, error);
    if (!add_member (self, archive, path, entry, number++, error))
      return FALSE;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: an archive of more than %" G_GUINT64_FORMAT
      " members; split it into several",
      path, MAX_HEADERS);
  return FALSE;
}

gboolean
mblm_corpus_add_archive (MblmCorpus *self, const char *path, GError **error)
{
  guint64 size;

  if (self->unpacked < 0 && !open_temporary (self, error))
    return FALSE;
  int fd = mblm_open_file (path, &size, error);
  if (fd < 0)
    return FALSE;

  g_autoptr (Archive) archive = open_archive (path, fd, error);
  gboolean good = archive && add_members (self, archive, path, error);
  close (fd);
  return good;
}
