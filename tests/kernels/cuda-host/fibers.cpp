/* fibers.cpp: the threads of a block, as fibers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All fibers run from one place where they wait to the next, in an order of their
 * own for each block; then those whose barrier is complete may go on. The blocks of
 * a cooperative launch take turns so, too, all of them alive; those of other
 * launches run one after the other. One grid runs at a time, whichever thread
 * launches it. x86-64 only.
 */

#include "cuda_runtime.h"

#include <algorithm>
#include <link.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define MOST_THREADS 1024
#define WARP 32
#define STACK_SIZE ((size_t) 128 * 1024) /* with a page that is out of bounds */
#define MOST_SHARED ((size_t) 228 * 1024)
#define MOST_TOGETHER 8 /* blocks that are alive at once */

/* Turns in which threads only look whether something has changed, and nobody gets
 * any further: it never will. */
#define MOST_IDLE 1000

dim3 threadIdx, blockIdx, blockDim, gridDim;

enum State {
  READY,
  LOOKING, /* for what others write */
  AT_BARRIER,
  IN_WARP,
  ENDED,
};

struct Copy {
  void *to;
  const void *from; /* NULL: zeros */
  size_t bytes;
  unsigned group;
};

struct Fiber {
  void *stack_pointer;
  char *stack;
  State state;
  unsigned mask;         /* of the lanes that it waits for, in a warp */
  const char *operation; /* that it waits in */
  const void *given;
  size_t given_bytes;
  bool vote; /* at a barrier */
  void *fake_stack;
  std::vector<Copy> copies; /* on their way to shared memory */
  unsigned groups;          /* of them that were begun */
};

/* What the lanes of a warp gave when they last met. */
struct Warp {
  alignas (16) unsigned char given[WARP][CUDA_HOST_SLOT];
};

struct Block {
  dim3 index;
  Fiber fibers[MOST_THREADS];
  Warp warps[MOST_THREADS / WARP];
  unsigned order[MOST_THREADS];
  int votes;
  unsigned ended;
  alignas (256) unsigned char dynamic[MOST_SHARED];
};

static std::mutex running; /* protects all that follows */
static Block blocks[MOST_TOGETHER];
static Block *here = blocks; /* whose fibers run */
static unsigned count, current;
static void *main_stack_pointer;
static void (*kernel) (void *);
static void *kernel_data;
static size_t dynamic_size;
static uint64_t random_state;

#ifdef __SANITIZE_ADDRESS__
static const void *main_stack;
static size_t main_stack_size;
static void *main_fake_stack;
#endif

[[noreturn]] static void
give_up (const char *what)
{
  fprintf (stderr, "cuda-host: block (%u, %u, %u), thread (%u, %u, %u): %s\n",
      blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z,
      what);
  abort ();
}

/* ------------------------------------------------------------------------- */
/* Switches                                                                  */
/* ------------------------------------------------------------------------- */

/* Saves what a call must keep on this stack, and goes on with another. */
extern "C" void cuda_host_switch (void **from, void *to);
__asm__(".text\n"
        ".hidden cuda_host_switch\n"
        ".globl cuda_host_switch\n"
        ".type cuda_host_switch, @function\n"
        "cuda_host_switch:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size cuda_host_switch, . - cuda_host_switch\n");

static void
leave_fiber (void)
{
  Fiber *self = &here->fibers[current];

#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber (
      self->state == ENDED ? NULL : &self->fake_stack, main_stack,
      main_stack_size);
#endif
  cuda_host_switch (&self->stack_pointer, main_stack_pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (
      here->fibers[current].fake_stack, &main_stack, &main_stack_size);
#endif
}

static void
begin_fiber (void)
{
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (NULL, &main_stack, &main_stack_size);
#endif
  kernel (kernel_data);
  here->fibers[current].state = ENDED;
  leave_fiber ();
  give_up ("a thread went on after its end");
}

static void
enter_fiber (unsigned thread)
{
  Fiber *fiber = &here->fibers[thread];

  current = thread;
  threadIdx.x = thread % blockDim.x;
  threadIdx.y = thread / blockDim.x % blockDim.y;
  threadIdx.z = thread / blockDim.x / blockDim.y;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber (&main_fake_stack, fiber->stack, STACK_SIZE);
#endif
  cuda_host_switch (&main_stack_pointer, fiber->stack_pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (main_fake_stack, NULL, NULL);
#endif
}

/* Stacks stay for ever; one that overflows hits its lowest page. */
static char *
new_stack (void)
{
  void *stack = mmap (NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (stack == MAP_FAILED ||
      mprotect (stack, (size_t) sysconf (_SC_PAGESIZE), PROT_NONE) != 0)
    give_up ("there is no memory for another stack");
  return (char *) stack;
}

static void
prepare_fiber (Fiber *self)
{
  void **top;

  if (!self->stack)
    self->stack = new_stack ();
  top = (void **) (self->stack + STACK_SIZE);
  /* A function begins as if it had been called: 8 below a multiple of 16. */
  *--top = NULL;
  *--top = (void *) begin_fiber;
  for (int i = 0; i < 6; i++)
    *--top = NULL;
  self->stack_pointer = top;
  self->state = READY;
  self->copies.clear ();
  self->groups = 0;
}

/* ------------------------------------------------------------------------- */
/* Waiting                                                                   */
/* ------------------------------------------------------------------------- */

void
cuda_host_barrier (void)
{
  Fiber *self = &here->fibers[current];

  self->operation = "__syncthreads";
  self->state = AT_BARRIER;
  leave_fiber ();
}

int
__syncthreads_count (int vote)
{
  Fiber *self = &here->fibers[current];

  self->operation = "__syncthreads_count";
  self->vote = vote != 0;
  self->state = AT_BARRIER;
  leave_fiber ();
  return here->votes;
}

void
cuda_host_look (const char *operation)
{
  Fiber *self = &here->fibers[current];

  self->operation = operation;
  self->state = LOOKING;
  leave_fiber ();
}

unsigned
cuda_host_lane (void)
{
  return current % WARP;
}

void
cuda_host_meet (
    unsigned mask, const char *operation, const void *given, size_t bytes)
{
  Fiber *self = &here->fibers[current];

  if (!(mask >> cuda_host_lane () & 1))
    give_up ("a lane is not in the mask that it names");
  self->mask = mask;
  self->operation = operation;
  self->given = given;
  self->given_bytes = bytes;
  self->state = IN_WARP;
  leave_fiber ();
}

const void *
cuda_host_given (unsigned lane)
{
  return here->warps[current / WARP].given[lane % WARP];
}

unsigned
cuda_host_ballot (unsigned mask, const char *operation, bool vote)
{
  unsigned result = 0, first = current - current % WARP;
  unsigned char yes = vote;

  cuda_host_meet (mask, operation, &yes, sizeof (yes));
  for (unsigned lane = 0; lane < WARP && first + lane < count; lane++)
    if (mask >> lane & 1 &&
        *(const unsigned char *) cuda_host_given (lane) == 1)
      result |= 1u << lane;
  return result;
}

/* Lets the lanes that `fiber` waits for go on if all are there. */
static bool
release_lanes (unsigned fiber)
{
  const Fiber *self = &here->fibers[fiber];
  unsigned first = fiber - fiber % WARP;
  unsigned last = std::min (first + WARP, count);
  Warp *warp = &here->warps[fiber / WARP];

  for (unsigned i = first; i < last; i++)
    if (self->mask >> (i - first) & 1 && here->fibers[i].state != ENDED &&
        (here->fibers[i].state != IN_WARP ||
            here->fibers[i].mask != self->mask ||
            strcmp (here->fibers[i].operation, self->operation) != 0))
      return false;
  for (unsigned lane = 0; lane < WARP; lane++) {
    Fiber *other = &here->fibers[first + lane];

    if (!(self->mask >> lane & 1))
      continue;
    if (self->given_bytes > 0)
      cuda_host_poison (warp->given[lane], self->given_bytes);
    if (first + lane >= count || other->state == ENDED)
      continue;
    if (other->given)
      memcpy (warp->given[lane], other->given, other->given_bytes);
    other->state = READY;
  }
  return true;
}

/* The same where all threads that have not ended wait for each other. */
static bool
release_barrier (void)
{
  const char *operation = NULL;

  for (unsigned i = 0; i < count; i++) {
    if (here->fibers[i].state == ENDED)
      continue;
    if (here->fibers[i].state != AT_BARRIER ||
        (operation && strcmp (operation, here->fibers[i].operation) != 0))
      return false;
    operation = here->fibers[i].operation;
  }
  if (!operation)
    return false;
  here->votes = 0;
  for (unsigned i = 0; i < count; i++)
    if (here->fibers[i].state == AT_BARRIER) {
      here->votes += here->fibers[i].vote;
      here->fibers[i].vote = false;
      here->fibers[i].state = READY;
    }
  return true;
}

[[noreturn]] static void
report_deadlock (void)
{
  unsigned ended = 0, shown = 0;

  fprintf (stderr, "cuda-host: threads wait for others that never come:\n");
  for (unsigned i = 0; i < count; i++) {
    const Fiber *fiber = &here->fibers[i];

    ended += fiber->state == ENDED;
    if (fiber->state == ENDED ||
        (i > 0 && here->fibers[i - 1].state == fiber->state &&
            strcmp (here->fibers[i - 1].operation, fiber->operation) == 0 &&
            here->fibers[i - 1].mask == fiber->mask))
      continue;
    if (shown++ < 16)
      fprintf (stderr, "  from thread %u on: %s, mask %08x\n", i,
          fiber->operation, fiber->state == IN_WARP ? fiber->mask : 0);
  }
  fprintf (stderr, "  %u of %u threads have ended\n", ended, count);
  give_up ("not all threads reach a barrier");
}

/* ------------------------------------------------------------------------- */
/* Copies to shared memory                                                   */
/* ------------------------------------------------------------------------- */

/* They are late: whoever reads before waiting finds NaNs. */
void
cuda_host_copy_later (void *to, const void *from, size_t bytes)
{
  Fiber *self = &here->fibers[current];

  cuda_host_poison (to, bytes);
  self->copies.push_back ({to, from, bytes, self->groups});
}

void
cuda_host_copies_begun (void)
{
  here->fibers[current].groups++;
}

/* Until no more than so many groups are on their way. */
void
cuda_host_copies_wait (unsigned pending)
{
  Fiber *self = &here->fibers[current];
  auto copy = self->copies.begin ();

  for (; copy != self->copies.end () && copy->group + pending < self->groups;
       copy++)
    if (copy->from)
      memcpy (copy->to, copy->from, copy->bytes);
    else
      memset (copy->to, 0, copy->bytes);
  self->copies.erase (self->copies.begin (), copy);
}

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

static unsigned
random_below (unsigned n)
{
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned) (((random_state >> 32) * n) >> 32);
}

/* The static shared memory of all kernels is the thread-local memory of this
 * library, which nothing else here has any of. */
struct Shared {
  unsigned char *memory;
  size_t size;
};

static int
find_shared (struct dl_phdr_info *info, size_t size, void *data)
{
  bool is_here = false;

  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW (Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header->p_vaddr;

    is_here |= header->p_type == PT_LOAD && (uintptr_t) blocks >= start &&
        (uintptr_t) blocks < start + header->p_memsz;
  }
  for (int i = 0; is_here && i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_TLS)
      *(Shared *) data = {(unsigned char *) info->dlpi_tls_data,
          (size_t) info->dlpi_phdr[i].p_memsz};
  return is_here;
}

/* Threads that follow each other run in turn, forwards or backwards from any of
 * them, or in any order: warps in step hide what single threads show. */
static void
choose_order (void)
{
  unsigned first = random_below (count);
  bool back = random_below (2), any = random_below (2);

  for (unsigned i = 0; i < count; i++)
    here->order[i] = (back ? count - i + first : first + i) % count;
  for (unsigned i = count; any && i > 1; i--)
    std::swap (here->order[i - 1], here->order[random_below (i)]);
}

static void
begin_block (dim3 index, const Shared *shared)
{
  here->index = index;
  here->ended = 0;
  if (shared->memory)
    cuda_host_poison (shared->memory, shared->size);
  cuda_host_poison (here->dynamic, dynamic_size);
  for (unsigned i = 0; i < count; i++)
    prepare_fiber (&here->fibers[i]);
  choose_order ();
}

/* Runs every fiber to where it waits; whether anyone got further than that. */
static bool
run_fibers (void)
{
  unsigned ended = here->ended;
  bool goes_on = false;

  blockIdx = here->index;
  here->ended = 0;
  for (unsigned i = 0; i < count; i++) {
    Fiber *fiber = &here->fibers[here->order[i]];

    if (fiber->state == READY || fiber->state == LOOKING)
      enter_fiber (here->order[i]);
  }
  for (unsigned i = 0; i < count; i++) {
    here->ended += here->fibers[i].state == ENDED;
    if (here->fibers[i].state == IN_WARP)
      goes_on |= release_lanes (i);
    else
      goes_on |= here->fibers[i].state == READY;
  }
  return goes_on || here->ended > ended || release_barrier ();
}

/* All blocks of `alive` at once. */
static void
run_blocks (unsigned alive)
{
  unsigned ended = 0, idle = 0;

  while (ended < alive) {
    bool goes_on = false, is_looking = false;

    ended = 0;
    for (unsigned b = 0; b < alive; b++) {
      here = &blocks[b];
      if (here->ended < count)
        goes_on |= run_fibers ();
      ended += here->ended == count;
      for (unsigned i = 0; i < count && !is_looking; i++)
        is_looking = here->fibers[i].state == LOOKING;
    }
    idle = goes_on ? 0 : idle + 1;
    if (ended < alive && idle > (is_looking ? MOST_IDLE : 0))
      report_deadlock ();
  }
}

static void
choose_seed (void)
{
  const char *seed = getenv ("CUDA_HOST_SEED");

  if (random_state == 0)
    random_state = seed ? strtoull (seed, NULL, 10) + 1 : 1;
}

static size_t
begin_grid (dim3 grid, dim3 block, size_t shared_bytes)
{
  gridDim = grid;
  blockDim = block;
  count = block.x * block.y * block.z;
  if (count == 0 || count > MOST_THREADS || block.z > 64 ||
      grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 ||
      shared_bytes > MOST_SHARED)
    give_up ("a launch that no device takes");
  dynamic_size = shared_bytes;
  choose_seed ();
  return (size_t) grid.x * grid.y * grid.z;
}

void
cuda_host_run (dim3 grid, dim3 block, size_t shared_bytes, bool together,
    void (*body) (void *), void *data)
{
  std::lock_guard<std::mutex> guard (running);
  CudaHostAccess access;
  size_t all = begin_grid (grid, block, shared_bytes), first;
  Shared shared = {};
  bool back;

  kernel = body;
  kernel_data = data;
  dl_iterate_phdr (find_shared, &shared);
  back = random_below (2);
  first = random_below ((unsigned) std::min<size_t> (all, UINT32_MAX));
  if (together && all > MOST_TOGETHER)
    give_up ("more blocks than can be there together");
  for (size_t i = 0; i < all; i++) {
    size_t b = (back ? all - i + first : first + i) % all;

    here = &blocks[together ? i : 0];
    begin_block (
        dim3 ((unsigned) (b % grid.x), (unsigned) (b / grid.x % grid.y),
            (unsigned) (b / grid.x / grid.y)),
        &shared);
    if (!together)
      run_blocks (1);
  }
  if (together)
    run_blocks ((unsigned) all);
}

void *
cuda_host_dynamic (void)
{
  return here->dynamic;
}
