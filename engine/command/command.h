/* command.h: what the subcommands of `mblm` share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A subcommand is a function that takes its arguments and returns the exit
 * status: COMMAND_OK, COMMAND_FAILED or COMMAND_USAGE. It parses with
 * command_parse, works, and ends every failure with command_fail. Interrupts
 * (SIGINT, SIGTERM) cancel `cancellable`; main ends the process accordingly.
 */

#pragma once

#include "config.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "mblm.h"

G_BEGIN_DECLS

enum {
  COMMAND_OK = 0,
  COMMAND_FAILED = 1,
  COMMAND_USAGE = 2,
};

typedef struct {
  const char *name; /* as it is typed: "generate", "debug logits" */
  GCancellable *cancellable;
  gboolean json;
  gboolean help;
  char *device;
  char *precision;
  char *threads;
} Command;

typedef int (*CommandRun) (Command *self, char **argv);

typedef struct {
  const char *name;
  const char *summary; /* one line, marked for translation */
  CommandRun run;
} CommandEntry;

int command_info (Command *self, char **argv);
int command_generate (Command *self, char **argv);
int command_score (Command *self, char **argv);
int command_ask (Command *self, char **argv);
int command_eval (Command *self, char **argv);
int command_scenes (Command *self, char **argv);
int command_convert (Command *self, char **argv);
int command_init (Command *self, char **argv);
int command_embed (Command *self, char **argv);
int command_fill (Command *self, char **argv);
int command_bench (Command *self, char **argv);
int command_debug (Command *self, char **argv);
int command_train (Command *self, char **argv);

/* How a subcommand is called. `parameters` and the texts are translated. */
typedef struct {
  const char *parameters; /* "MODEL FILE…" */
  const char *summary;
  const char *description;     /* below the options, or NULL */
  const GOptionEntry *entries; /* its own options, or NULL */
  guint min, max;              /* positional arguments */
} CommandUsage;

/* Parses `argv` (argv[0] is the program) by `usage` and the options that all
 * subcommands have. Gives the positional arguments, or NULL where the work is
 * done: then `status` is what to return. Free with g_strfreev. */
char **command_parse (
    Command *self, const CommandUsage *usage, char **argv, int *status);
/* The same for the options that stand before the subcommand: gives the program
 * and what is left of `argv` from the subcommand on. --help, for `self->help`,
 * is left to command_dispatch; `version` is set by --version. */
char **command_parse_global (Command *self, const CommandUsage *usage,
    char **argv, gboolean *version, int *status);
/* Runs the entry that argv[1] names; `self->name` becomes "PARENT NAME". */
int command_dispatch (Command *self, const CommandEntry *entries, guint n,
    const CommandUsage *usage, char **argv);

/* Values of options. Text that is NULL leaves `value` as it is. FALSE after a
 * message: return COMMAND_USAGE. */
gboolean command_parse_number (Command *self, const char *option,
    const char *text, guint64 min, guint64 max, guint64 *value);
/* "320x240": the sides of a picture. */
gboolean command_parse_size (Command *self, const char *option,
    const char *text, guint *width, guint *height);
/* The number of one of the NULL-terminated words. */
gboolean command_parse_word (Command *self, const char *option,
    const char *text, const char *const *words, int *value);
gboolean command_parse_real (Command *self, const char *option,
    const char *text, double min, double max, double *value);

/* Prints "mblm: NAME: …" and how to get help; returns COMMAND_USAGE. */
int command_usage_error (Command *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Prints "mblm: MESSAGE" unless the error is a cancellation or a closed pipe;
 * takes the error; returns COMMAND_FAILED. */
int command_fail (Command *self, GError *error);
/* "mblm: MESSAGE" on stderr, control characters escaped. */
void command_warn (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* From here on SIGINT and SIGTERM end the process, and what it starts, at once:
 * for work that can't be cancelled. */
void command_allow_interrupts (void);
/* From here on a first SIGINT or SIGTERM only cancels, and the process ends with
 * the status of the subcommand, however long that takes; a second one ends it at
 * once. */
void command_let_finish (void);

/* Opens the device that the options ask for. Usage errors are errors of the
 * domain G_OPTION_ERROR, see command_fail. */
MblmDevice *command_open_device (Command *self, GError **error);
/* Loads a model on it, with a progress line on a terminal. */
MblmModel *command_load_model (Command *self, const char *name, GError **error);
/* Fails where the model is for another task, and names the right subcommand. */
gboolean command_check_task (
    Command *self, MblmModel *model, MblmTask task, GError **error);
/* How the model sees pictures; NULL with an error where it sees none. */
const MblmImageLayout *command_get_layout (MblmModel *model, GError **error);
/* --precision, float32 where it isn't given. */
MblmPrecision command_get_precision (Command *self);
const char *command_precision_name (MblmPrecision precision);

G_END_DECLS
