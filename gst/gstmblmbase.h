/* gstmblmbase.h: what all elements of the plugin have in common.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 *   upstream -> sink: chain -> queue -> task on `src` -> downstream
 *
 * The chain function turns buffers into units of work and queues them; the task
 * of the source pad runs the model, and it alone pushes buffers and serialized
 * events. A unit can be cancelled at any time: flushing, stopping and seeking
 * in the middle of a generation take no longer than one step of the model.
 *
 * Locks, outer to inner:
 *
 *   stream lock of `sink`  held by upstream's thread in chain and serialized
 *                          events; guards `input` and what the subclasses say
 *   stream lock of `src`   held by the task; guards `load`, text pads, sessions
 *   lock                   guards what stands under it below; never held while
 *                          something is pushed or posted, or the model runs
 *   object lock            guards the properties; never held with `lock`
 */

#pragma once

#include <gst/gst.h>
#include <mblm.h>

#include "gstmblmenums.h"
#include "gstmblmlatency.h"
#include "gstmblmmodel.h"
#include "gstmblmqueue.h"
#include "gstmblmstats.h"
#include "gstmblmtext.h"
#include "gstmblmtiming.h"
#include "gstmblmwatch.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_mblm_debug);

#define GST_TYPE_MBLM_BASE (gst_mblm_base_get_type ())
#define GST_MBLM_BASE(obj)                                                     \
  (G_TYPE_CHECK_INSTANCE_CAST ((obj), GST_TYPE_MBLM_BASE, GstMblmBase))
#define GST_MBLM_BASE_CLASS(klass)                                             \
  (G_TYPE_CHECK_CLASS_CAST ((klass), GST_TYPE_MBLM_BASE, GstMblmBaseClass))
#define GST_MBLM_BASE_GET_CLASS(obj)                                           \
  (G_TYPE_INSTANCE_GET_CLASS ((obj), GST_TYPE_MBLM_BASE, GstMblmBaseClass))

typedef struct _GstMblmBase GstMblmBase;
typedef struct _GstMblmBaseClass GstMblmBaseClass;

GType gst_mblm_base_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstMblmBase, gst_object_unref)

/* The properties of the base; those of a subclass come after. */
enum {
  GST_MBLM_PROP_0,
  GST_MBLM_PROP_MODEL,
  GST_MBLM_PROP_DEVICE,
  GST_MBLM_PROP_PRECISION,
  GST_MBLM_PROP_THREADS,
  GST_MBLM_PROP_LEAKY,
  GST_MBLM_PROP_MAX_SIZE_BUFFERS,
  GST_MBLM_PROP_MAX_SIZE_BYTES,
  GST_MBLM_PROP_MAX_SIZE_TIME,
  GST_MBLM_PROP_TIMING,
  GST_MBLM_PROP_DEADLINE,
  GST_MBLM_PROP_LATENCY,
  GST_MBLM_PROP_STATS,
  GST_MBLM_PROP_LAST,
};

typedef struct {
  char *model;
  char *device;
  GstMblmPrecision precision;
  guint threads;
  GstMblmLeaky leaky;
  GstMblmLevels limits;
  GstMblmTiming timing;
  GstClockTime deadline; /* 0: none */
  gint64 latency;        /* ns; -1: measured */
} GstMblmSettings;

struct _GstMblmBase {
  GstElement parent;

  GstPad *sinkpad, *srcpad; /* constant; owned by the element */

  GstMblmSettings settings; /* under the object lock */

  /* With the stream lock of `sink`. */
  GstMblmInput input;

  /* In the task, with the stream lock of `src`. */
  GstMblmLoad *load;    /* what the sessions were made for; owned */
  GstFlowReturn breath; /* what pushing between two steps returned */
  GstMblmWatch watch;   /* of the unit at work */
  gboolean spoke;       /* ... text of which was sent */
  GCancellable *spare;  /* for the next unit; owned, or NULL */

  GMutex lock;
  GCond cond; /* anything below has changed */
  /* Under `lock`: */
  guint waiting; /* threads that wait for `cond` */
  GstMblmQueue queue;
  GstMblmLoader loader;
  gboolean active;           /* `src` is */
  gboolean flushing;         /* or not active */
  gboolean eos;              /* EOS is queued or was sent */
  GstFlowReturn srcresult;   /* what chain returns, if it isn't OK */
  GCancellable *cancellable; /* of the unit at work, or NULL; not owned */
  gboolean hurried;          /* ... which was cancelled to make room */
  gboolean faulted;          /* an error was posted, or upstream does so */
  gboolean live, live_known; /* upstream is live */
  gboolean warned_latency;
  gboolean own_time;                     /* copy of input.own */
  gboolean arrival;                      /* how the output is timed now */
  guint segments_waiting;                /* SEGMENT events in the queue */
  GstSegment newest_segment;             /* the last of them */
  GstClockTime newest_start, newest_end; /* of the input taken so far */
  GstClockTime advanced; /* newest_end that the task has answered to */
  gboolean back;         /* input has come that lies before that */
  gint64 idle_until;     /* when the model was there (us, monotonic) */
  GstMblmLatency latency;
  GstMblmStats stats;
  GPtrArray *text_pads; /* of GstMblmTextPad, owned, `src` first */
};

struct _GstMblmBaseClass {
  GstElementClass parent_class;

  MblmTask task; /* what a model must be for */
  const char *default_model;
  GstMblmLeaky default_leaky;
  guint default_buffers;
  gboolean passthrough; /* `src` passes what `sink` gets */

  /* NULL to READY: what is wrong with the properties, or NULL. */
  GstMblmFault *(*check) (GstMblmBase *self);

  /* In upstream's thread, with the stream lock of `sink`. `chain` takes the
   * buffer and calls gst_mblm_base_submit for what is to be done. */
  gboolean (*set_caps) (GstMblmBase *self, GstCaps *caps);
  GstFlowReturn (*chain) (GstMblmBase *self, GstBuffer *buffer);
  void (*sink_event) (GstMblmBase *self, GstEvent *event);
  gboolean (*propose_allocation) (GstMblmBase *self, GstQuery *query);
  /* Forget the stream; at a flush or when it has stopped. */
  void (*reset_input) (GstMblmBase *self);

  /* In the task. `set_load` is called before `work` when the model has changed;
   * `advance` when there is newer input (timing=arrival). `finish` comes before
   * EOS. `event` takes the event; NULL: text events. */
  gboolean (*set_load) (GstMblmBase *self, GstMblmLoad *load);
  GstFlowReturn (*work) (
      GstMblmBase *self, GstMblmItem *item, GCancellable *cancellable);
  GstFlowReturn (*skip) (GstMblmBase *self, GstMblmItem *item);
  GstFlowReturn (*advance) (GstMblmBase *self, const GstMblmNewest *newest);
  GstFlowReturn (*finish) (GstMblmBase *self, GCancellable *cancellable);
  void (*event) (GstMblmBase *self, GstEvent *event);
  /* An event for source pads that are neither `src` nor text pads (taken): a
   * flush, in upstream's thread, or the EOS that follows an error. */
  void (*spread) (GstMblmBase *self, GstEvent *event);
  /* Forget the stream, not the model; the task doesn't run. NULL: nothing to do. */
  void (*reset_task) (GstMblmBase *self);
};

/* --- class and instance (gstmblmbase.c) --- */

/* In class_init: installs the properties whose defaults differ. */
void gst_mblm_base_class_set_defaults (GstMblmBaseClass *klass,
    const char *model, GstMblmLeaky leaky, guint max_size_buffers);
/* `timing` and `deadline`, for elements whose output is text. */
void gst_mblm_base_class_install_timing (GstMblmBaseClass *klass);
/* In init: takes the defaults over, and creates `sink` and `src` from the
 * class's templates. */
void gst_mblm_base_set_up (GstMblmBase *self);
/* Waits until somebody wakes; the lock is held, and let go meanwhile. */
void gst_mblm_base_wait (GstMblmBase *self);
/* After a change under the lock, which is held. Free of charge when nobody waits,
 * which is most of the time: GLib asks the kernel all the same. */
void gst_mblm_base_wake (GstMblmBase *self);
/* Adds a pad to `text_pads`, and takes it out (the pad is not freed). */
void gst_mblm_base_add_text_pad (GstMblmBase *self, GstMblmTextPad *pad);
void gst_mblm_base_remove_text_pad (GstMblmBase *self, GstMblmTextPad *pad);
/* FALSE: taken out since it was listed. */
gboolean gst_mblm_base_has_text_pad (GstMblmBase *self, GstMblmTextPad *pad);
/* A copy of the list, with references. */
GPtrArray *gst_mblm_base_list_text_pads (GstMblmBase *self);

/* Posts an error, the first one only, and returns GST_FLOW_ERROR. Takes the
 * fault. */
GstFlowReturn gst_mblm_base_fault (GstMblmBase *self, GstMblmFault *fault);
/* Posts a warning. Takes the fault. */
void gst_mblm_base_warn (GstMblmBase *self, GstMblmFault *fault);

/* --- properties (gstmblmsettings.c) --- */

void gst_mblm_base_install_settings (GObjectClass *klass);
void gst_mblm_base_init_settings (GstMblmBase *self);
void gst_mblm_base_clear_settings (GstMblmBase *self);
/* What the properties ask for, not checked. */
GstMblmLoad *gst_mblm_base_new_load (GstMblmBase *self);
/* Asks for another load where the properties are no longer those of this one. */
void gst_mblm_base_check_load (GstMblmBase *self, const GstMblmLoad *load);

/* --- input (gstmblmsink.c) --- */

void gst_mblm_base_set_up_sink (GstMblmBase *self, GstPad *pad);
/* Queues an item (taken): WORK or SKIP. Waits for room, or drops. */
GstFlowReturn gst_mblm_base_submit (GstMblmBase *self, GstMblmItem *item);
/* Says that a unit, which was counted as dropped, was. Of the item only the times
 * are looked at. Any thread. */
void gst_mblm_base_post_qos (GstMblmBase *self, const GstMblmItem *times);
/* The model that the next unit is for; a new reference, or NULL. */
GstMblmLoad *gst_mblm_base_get_load (GstMblmBase *self);

/* --- output (gstmblmsrc.c) --- */

/* Events and queries of `src` and the other text pads. */
void gst_mblm_base_set_up_src (GstMblmBase *self, GstPad *pad);

/* --- the task (gstmblmtask.c) --- */

gboolean gst_mblm_base_start_task (GstMblmBase *self);
/* What a serialized event of upstream's (taken) means for every text pad
 * (gstmblmtextevent.c). */
void gst_mblm_base_text_event (GstMblmBase *self, GstEvent *event);
/* Ends what is at work and keeps the task from going on; doesn't wait. */
void gst_mblm_base_set_flushing (GstMblmBase *self);
/* One answer of the unit at work begins, and with it the time of `deadline`. */
void gst_mblm_base_begin_answer (GstMblmBase *self);
/* That time is over. */
gboolean gst_mblm_base_is_late (GstMblmBase *self);
/* Counts that answer or continuation, and the time that it took. */
void gst_mblm_base_end_answer (GstMblmBase *self, gboolean partial);
/* Counts an answer, a continuation or a score that took `time`. */
void gst_mblm_base_count_answer (
    GstMblmBase *self, GstClockTime time, gboolean partial);
/* Between two steps of the model: lets time go on downstream (timing=arrival).
 * When that fails, the unit is cancelled. */
void gst_mblm_base_breathe (GstMblmBase *self, GCancellable *cancellable);
/* What a failure of the engine means for the stream: takes the error; cancelled
 * work is no failure. */
GstFlowReturn gst_mblm_base_failure (GstMblmBase *self, GError *error);
/* How the output is timed: arrival, else frame. */
gboolean gst_mblm_base_is_arrival (GstMblmBase *self);
/* The newest input; the lock is held. */
GstMblmNewest gst_mblm_base_get_newest (GstMblmBase *self);
/* The position in a text pad's segment that stands for the running time now. */
GstClockTime gst_mblm_base_now (GstMblmBase *self, GstMblmTextPad *pad);
/* Counts text that was sent, and bytes that were scored. */
void gst_mblm_base_count_out (GstMblmBase *self, gsize bytes);
void gst_mblm_base_count_scored (GstMblmBase *self, guint64 bytes);

G_END_DECLS
