/* test-fibers.cpp: barriers, exchanges and small products on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda/async.h"
#include "cuda/letters.h"
#include "cuda/mma.h"
#include "cuda/reduce.h"

#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf (stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit (1);                                                                \
    }                                                                          \
  } while (0)

/* ------------------------------------------------------------------------- */
/* Barriers                                                                  */
/* ------------------------------------------------------------------------- */

/* Each thread reads what another wrote; without the barrier it may come first. */
static void
neighbour_kernel (unsigned *out, bool waits)
{
  __shared__ unsigned values[100];
  unsigned t = threadIdx.x;

  values[t] = t;
  if (waits)
    __syncthreads ();
  out[blockIdx.x * 100 + t] = values[(t + 1) % 100];
}

static unsigned
count_wrong (bool waits)
{
  unsigned out[300], wrong = 0;

  cuda_host_launch (3, 100, 0, [&] { neighbour_kernel (out, waits); });
  for (unsigned i = 0; i < 300; i++)
    wrong += out[i] != (i % 100 + 1) % 100;
  return wrong;
}

/* Ends a child that runs `kernel` in 64 threads; whether it was ended for it. */
template <typename Kernel>
static bool
is_caught (Kernel kernel)
{
  int status = 0;
  pid_t child = fork ();

  CHECK (child >= 0);
  if (child == 0) {
    CHECK (freopen ("/dev/null", "w", stderr) != NULL);
    cuda_host_launch (1, 64, 0, kernel);
    _exit (0);
  }
  CHECK (waitpid (child, &status, 0) == child);
  return WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT;
}

static void
check_barriers (void)
{
  CHECK (count_wrong (true) == 0);
  CHECK (count_wrong (false) > 0);
  CHECK (!is_caught ([] { __syncthreads (); }));
  CHECK (is_caught ([] {
    if (threadIdx.x < 20)
      __syncthreads ();
    else
      __syncwarp (~0xfffffu);
    __syncwarp ();
  }));
  CHECK (is_caught ([] {
    if (threadIdx.x % 2)
      __any_sync (0xffffffffu, 1);
    else
      __all_sync (0xffffffffu, 1);
  }));
  CHECK (is_caught ([] { __syncwarp (1); }));
}

/* ------------------------------------------------------------------------- */
/* Exchanges                                                                 */
/* ------------------------------------------------------------------------- */

static void
exchange_kernel (int *wrong)
{
  __shared__ double shared[MBLM_CUDA_WARP];
  int t = (int) threadIdx.x, lane = t % 32, warp = t / 32;
  double sum = mblm_cuda_block_sum ((double) t, shared);
  double most = mblm_cuda_block_most ((double) (t * 7 % 96), shared);

  *wrong += __shfl_sync (~0u, t, 5) != warp * 32 + 5;
  *wrong += __shfl_xor_sync (~0u, t, 3) != (t ^ 3);
  *wrong += __shfl_up_sync (~0u, t, 1) != (lane ? t - 1 : t);
  *wrong += __shfl_down_sync (~0u, t, 4, 8) != (lane % 8 < 4 ? t + 4 : t);
  *wrong += __ballot_sync (~0u, lane % 3 == 0) != 0x49249249u;
  if (lane < 7)
    *wrong += __shfl_sync (0x7fu, t, 2) != warp * 32 + 2;
  *wrong += mblm_cuda_warp_sum (1) != 32;
  *wrong += __syncthreads_count (t < 40) != 40;
  *wrong += sum != 96 * 95 / 2 || most != 95;
}

/* ------------------------------------------------------------------------- */
/* Small products                                                            */
/* ------------------------------------------------------------------------- */

struct Product {
  uint16_t a[16][16], b[8][16]; /* b is transposed */
  uint16_t rows[16][8];         /* b as it is */
  float d[2][16][8];
};

static void
product_kernel (Product *p)
{
  unsigned lane = threadIdx.x, row = lane / 4, column = lane % 4 * 2;
  uint32_t a[4], b[2][2];

  mma_load_a (a, p->a[0], 16);
  mma_load_b (b[0], p->b[0], 16);
  mma_load_b_rows (b[1], p->rows[0], 8);
  for (int i = 0; i < 2; i++) {
    float d[4] = {1.0f, 1.0f, 1.0f, 1.0f};

    mma_bf16 (d, a, b[i]);
    p->d[i][row][column] = d[0];
    p->d[i][row][column + 1] = d[1];
    p->d[i][row + 8][column] = d[2];
    p->d[i][row + 8][column + 1] = d[3];
  }
}

static void
check_products (void)
{
  Product p;

  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 16; k++)
      p.a[i][k] = mblm_cuda_to_bf16 ((float) ((i * 5 + k * 3) % 17 - 8));
  for (int j = 0; j < 8; j++)
    for (int k = 0; k < 16; k++)
      p.rows[k][j] = p.b[j][k] = mblm_cuda_to_bf16 (
          (float) ((j * 7 + k * 11) % 13 - 6));
  cuda_host_launch (1, 32, 0, [&] { product_kernel (&p); });
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) {
      float sum = 1.0f;

      for (int k = 0; k < 16; k++)
        sum += mblm_cuda_from_bf16 (p.a[i][k]) *
            mblm_cuda_from_bf16 (p.b[j][k]);
      CHECK (p.d[0][i][j] == sum && p.d[1][i][j] == sum);
    }
}

/* ------------------------------------------------------------------------- */
/* Blocks that wait for each other                                           */
/* ------------------------------------------------------------------------- */

/* Passes a number from block to block and back, each adding one. */
static void
letter_kernel (MblmCudaLetter *letters)
{
  unsigned last = gridDim.x - 1;
  float *mine = (float *) cuda_host_dynamic ();
  float got[1] = {0.0f};

  if (threadIdx.x == 1 && blockIdx.x > 0)
    mblm_cuda_receive (letters + blockIdx.x - 1, 7, got);
  if (threadIdx.x == 1)
    mine[0] = got[0] + 1.0f;
  __syncthreads ();
  if (threadIdx.x == 0)
    mblm_cuda_send (letters + blockIdx.x, mine[0], 7);
  mblm_cuda_receive (letters + last, 7, got);
  CHECK (got[0] == (float) gridDim.x);
}

static void
check_letters (void)
{
  alignas (16) MblmCudaLetter letters[4] = {};

  cuda_host_launch (
      4, 64, 16, [&] { letter_kernel (letters); }, true);
  CHECK (letters[0] >> 32 == 7);
  /* Nobody writes the last one. */
  CHECK (is_caught ([&] {
    float got[1];

    mblm_cuda_receive (letters, 8, got);
  }));
}

/* A copy is there when it was waited for. */
static void
check_copies (void)
{
  alignas (16) float from[3][4] = {{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}};

  cuda_host_launch (1, 1, 64, [&] {
    float *to = (float *) cuda_host_dynamic ();

    for (int i = 0; i < 3; i++) {
      mblm_cuda_async_copy (to + 4 * i, from[i], i != 1, 0);
      mblm_cuda_async_close ();
    }
    CHECK (std::isnan (to[0]));
    mblm_cuda_async_wait<2> ();
    CHECK (to[0] == 1.0f && std::isnan (to[4]));
    mblm_cuda_async_wait_for<5> (1);
    CHECK (to[4] == 0.0f && std::isnan (to[8]));
    mblm_cuda_async_wait<0> ();
    CHECK (to[8] == 3.0f);
  });
}

/* Shared memory holds NaNs before it is written. */
static void
check_poison (void)
{
  int numbers = 0;

  cuda_host_launch (2, 8, 64, [&] {
    __shared__ float values[8];

    numbers += values[threadIdx.x] == values[threadIdx.x];
    values[threadIdx.x] = 1.0f;
    numbers += std::isnan (((float *) cuda_host_dynamic ())[threadIdx.x]) == 0;
  });
  CHECK (numbers == 0);
}

int
main (void)
{
  int wrong = 0;

  check_barriers ();
  cuda_host_launch (2, 96, 0, [&] { exchange_kernel (&wrong); });
  CHECK (wrong == 0);
  check_products ();
  check_letters ();
  check_copies ();
  check_poison ();
  return 0;
}
