/* fibers.cpp: the threads of a block, as fibers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All fibers run from one place where they wait to the next, in an order of their
 * own for each block; then those whose barrier is complete may go on. One grid runs
 * at a time, whichever thread launches it. x86-64 only.
 */

#include "cuda_runtime.h"

#include <algorithm>
#include <link.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define MOST_THREADS 1024
#define WARP 32
#define STACK_SIZE ((size_t) 128 * 1024) /* with a page that is out of bounds */
#define MOST_SHARED ((size_t) 228 * 1024)

dim3 threadIdx, blockIdx, blockDim, gridDim;

enum State {
  READY,
  AT_BARRIER,
  IN_WARP,
  ENDED,
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
};

/* What the lanes of a warp gave when they last met. */
struct Warp {
  alignas (16) unsigned char given[WARP][CUDA_HOST_SLOT];
};

static std::mutex running; /* protects all that follows */
static Fiber fibers[MOST_THREADS];
static Warp warps[MOST_THREADS / WARP];
static unsigned count, current, order[MOST_THREADS];
static int votes;
static void *main_stack_pointer;
static void (*kernel) (void *);
static void *kernel_data;
static size_t dynamic_size;
alignas (256) static unsigned char dynamic[MOST_SHARED];
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
  Fiber *self = &fibers[current];

#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber (
      self->state == ENDED ? NULL : &self->fake_stack, main_stack,
      main_stack_size);
#endif
  cuda_host_switch (&self->stack_pointer, main_stack_pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (
      fibers[current].fake_stack, &main_stack, &main_stack_size);
#endif
}

static void
begin_fiber (void)
{
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber (NULL, &main_stack, &main_stack_size);
#endif
  kernel (kernel_data);
  fibers[current].state = ENDED;
  leave_fiber ();
  give_up ("a thread went on after its end");
}

static void
enter_fiber (unsigned thread)
{
  Fiber *fiber = &fibers[thread];

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
}

/* ------------------------------------------------------------------------- */
/* Waiting                                                                   */
/* ------------------------------------------------------------------------- */

void
cuda_host_barrier (void)
{
  Fiber *self = &fibers[current];

  self->operation = "__syncthreads";
  self->state = AT_BARRIER;
  leave_fiber ();
}

int
__syncthreads_count (int vote)
{
  Fiber *self = &fibers[current];

  self->operation = "__syncthreads_count";
  self->vote = vote != 0;
  self->state = AT_BARRIER;
  leave_fiber ();
  return votes;
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
  Fiber *self = &fibers[current];

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
  return warps[current / WARP].given[lane % WARP];
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
  const Fiber *self = &fibers[fiber];
  unsigned first = fiber - fiber % WARP;
  unsigned last = std::min (first + WARP, count);
  Warp *warp = &warps[fiber / WARP];

  for (unsigned i = first; i < last; i++)
    if (self->mask >> (i - first) & 1 && fibers[i].state != ENDED &&
        (fibers[i].state != IN_WARP || fibers[i].mask != self->mask ||
            strcmp (fibers[i].operation, self->operation) != 0))
      return false;
  for (unsigned lane = 0; lane < WARP; lane++) {
    Fiber *other = &fibers[first + lane];

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
    if (fibers[i].state == ENDED)
      continue;
    if (fibers[i].state != AT_BARRIER ||
        (operation && strcmp (operation, fibers[i].operation) != 0))
      return false;
    operation = fibers[i].operation;
  }
  if (!operation)
    return false;
  votes = 0;
  for (unsigned i = 0; i < count; i++)
    if (fibers[i].state == AT_BARRIER) {
      votes += fibers[i].vote;
      fibers[i].vote = false;
      fibers[i].state = READY;
    }
  return true;
}

[[noreturn]] static void
report_deadlock (void)
{
  unsigned ended = 0, shown = 0;

  fprintf (stderr, "cuda-host: threads wait for others that never come:\n");
  for (unsigned i = 0; i < count; i++) {
    const Fiber *fiber = &fibers[i];

    ended += fiber->state == ENDED;
    if (fiber->state == ENDED ||
        (i > 0 && fibers[i - 1].state == fiber->state &&
            strcmp (fibers[i - 1].operation, fiber->operation) == 0 &&
            fibers[i - 1].mask == fiber->mask))
      continue;
    if (shown++ < 16)
      fprintf (stderr, "  from thread %u on: %s, mask %08x\n", i,
          fiber->operation, fiber->state == IN_WARP ? fiber->mask : 0);
  }
  fprintf (stderr, "  %u of %u threads have ended\n", ended, count);
  give_up ("not all threads reach a barrier");
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

    is_here |= header->p_type == PT_LOAD && (uintptr_t) fibers >= start &&
        (uintptr_t) fibers < start + header->p_memsz;
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
    order[i] = (back ? count - i + first : first + i) % count;
  for (unsigned i = count; any && i > 1; i--)
    std::swap (order[i - 1], order[random_below (i)]);
}

static void
run_block (const Shared *shared)
{
  unsigned ended = 0;

  if (shared->memory)
    cuda_host_poison (shared->memory, shared->size);
  cuda_host_poison (dynamic, dynamic_size);
  for (unsigned i = 0; i < count; i++)
    prepare_fiber (&fibers[i]);
  choose_order ();
  while (ended < count) {
    bool goes_on = false;

    ended = 0;
    for (unsigned i = 0; i < count; i++)
      if (fibers[order[i]].state == READY)
        enter_fiber (order[i]);
    for (unsigned i = 0; i < count; i++) {
      ended += fibers[i].state == ENDED;
      if (fibers[i].state == IN_WARP)
        goes_on |= release_lanes (i);
      else
        goes_on |= fibers[i].state == READY;
    }
    if (ended < count && !goes_on && !release_barrier ())
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

void
cuda_host_run (dim3 grid, dim3 block, size_t shared_bytes,
    void (*body) (void *), void *data)
{
  std::lock_guard<std::mutex> guard (running);
  CudaHostAccess access;
  size_t blocks = (size_t) grid.x * grid.y * grid.z, first;
  Shared shared = {};
  bool back;

  gridDim = grid;
  blockDim = block;
  count = block.x * block.y * block.z;
  if (count == 0 || count > MOST_THREADS || block.z > 64 ||
      grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 ||
      shared_bytes > MOST_SHARED)
    give_up ("a launch that no device takes");
  kernel = body;
  kernel_data = data;
  dynamic_size = shared_bytes;
  choose_seed ();
  dl_iterate_phdr (find_shared, &shared);
  back = random_below (2);
  first = random_below ((unsigned) std::min<size_t> (blocks, UINT32_MAX));
  for (size_t i = 0; i < blocks; i++) {
    size_t b = (back ? blocks - i + first : first + i) % blocks;

    blockIdx = dim3 ((unsigned) (b % grid.x), (unsigned) (b / grid.x % grid.y),
        (unsigned) (b / grid.x / grid.y));
    run_block (&shared);
  }
}

void *
cuda_host_dynamic (void)
{
  return dynamic;
}
