/* memory.cpp: a device's memory, which the host must not touch.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usually it comes from the heap, where a sanitizer watches its ends. With the
 * variable CUDA_HOST_PROTECT it is a range of addresses of its own that nobody can
 * read or write but kernels and calls that copy: code that would touch a device's
 * memory, which works here and nowhere else, then crashes. Nothing of the range is
 * used twice, so that memory that was freed stays out of reach, too.
 */

#include "cuda_runtime.h"

#include <mutex>
#include <sys/mman.h>

/* NVIDIA's alignment, which code must not come to need. */
#define ALIGNMENT 256

/* More than any device has is refused before the host tries. */
#define MOST_BYTES ((size_t) 1 << 40)

/* Addresses, not memory. */
#define RANGE_BYTES ((size_t) 1 << 38)
#define PAGE ((size_t) 4096)
/* To change what is allowed takes as long as there are pages: few large ones. */
#define LARGE_PAGE ((size_t) 2 << 20)

/* A quiet NaN, and as a number of something an absurd one. */
#define POISON 0xff

static std::mutex lock; /* protects all that follows */
static bool asked;
static char *range;    /* NULL: there is none */
static size_t used;    /* bytes */
static unsigned users; /* that may touch it now */

/* The lock is held. */
static void
make_range (void)
{
  void *memory;

  if (asked)
    return;
  asked = true;
  if (!getenv ("CUDA_HOST_PROTECT"))
    return;
  memory = mmap (NULL, RANGE_BYTES, PROT_NONE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    fprintf (stderr, "no range of addresses for the memory of a device\n");
    abort ();
  }
  range = (char *) (((size_t) memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1));
  madvise (range, RANGE_BYTES - LARGE_PAGE, MADV_HUGEPAGE);
}

/* The lock is held. */
static void
protect (int how)
{
  size_t bytes = (used + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);

  if (used > 0 && mprotect (range, bytes, how) != 0) {
    perror ("the memory of a device");
    abort ();
  }
}

CudaHostAccess::CudaHostAccess ()
{
  std::lock_guard<std::mutex> guard (lock);

  if (users++ == 0)
    protect (PROT_READ | PROT_WRITE);
}

CudaHostAccess::~CudaHostAccess ()
{
  std::lock_guard<std::mutex> guard (lock);

  if (--users == 0)
    protect (PROT_NONE);
}

void
cuda_host_poison (void *memory, size_t bytes)
{
  CudaHostAccess access;

  if (bytes > 0)
    memset (memory, POISON, bytes);
}

/* Bytes of the range, or NULL where it is none, or is full. A page that belongs to
 * nobody comes after them. */
static void *
take_from_range (size_t bytes, bool *is_range)
{
  std::lock_guard<std::mutex> guard (lock);
  size_t size = (bytes + PAGE - 1) / PAGE * PAGE;
  char *memory;

  make_range ();
  *is_range = range != NULL;
  if (!range || size + PAGE > RANGE_BYTES - 2 * LARGE_PAGE - used)
    return NULL;
  memory = range + used;
  used += size + PAGE;
  if (users > 0)
    protect (PROT_READ | PROT_WRITE);
  return memory;
}

cudaError_t
cuda_host_malloc (void **memory, size_t bytes)
{
  bool is_range = false;

  *memory = NULL;
  if (bytes > MOST_BYTES)
    return cudaErrorMemoryAllocation;
  *memory = take_from_range (bytes, &is_range);
  if (!is_range && posix_memalign (memory, ALIGNMENT, bytes ? bytes : 1) != 0)
    *memory = NULL;
  if (!*memory)
    return cudaErrorMemoryAllocation;
  cuda_host_poison (*memory, bytes);
  return cudaSuccess;
}

cudaError_t
cudaFree (void *memory)
{
  std::lock_guard<std::mutex> guard (lock);

  if (!range)
    free (memory);
  return cudaSuccess;
}

cudaError_t
cudaMallocHost (void **memory, size_t bytes)
{
  *memory = NULL;
  if (bytes > MOST_BYTES || posix_memalign (memory, PAGE, bytes) != 0)
    return cudaErrorMemoryAllocation;
  memset (*memory, POISON, bytes);
  return cudaSuccess;
}

cudaError_t
cudaFreeHost (void *memory)
{
  free (memory);
  return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
    cudaStream_t stream)
{
  CudaHostAccess access;

  memmove (to, from, bytes);
  return cudaSuccess;
}

cudaError_t
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t stream)
{
  CudaHostAccess access;

  memset (to, value, bytes);
  return cudaSuccess;
}
