// Products of rows of int8 with numbers that lie as an int8 matrix does, summed exactly, so that
// vectors and AMX's tiles come to the same. What attention over a cache of int8 is made of.
#pragma once

#include "amx.h"

namespace {

struct Dots {  // out[row][output] = rows [row][depth] . panel [depth / 4][outputs][4]
  const int8_t* rows;
  int num_rows;
  const uint8_t* panel;  // with 128 added, and so has what comes of it: see kUnsignedWeights
  int depth, outputs;    // multiples of kPanel
  int32_t* out;
  const uint8_t* next = nullptr;  // what will be read after this, asked for along the way
  int used_depth = depth, used_outputs = outputs;  // the first that matter; others may be zero
};

// As many sums as the registers hold beside what they are made of.
constexpr int kDotSums = kLanes == 4 ? 8 : kLanes;

// R rows with outputs [first, first + J * kLanes).
template <int R, int J>
MF_INLINE void dot_part(const Dots& job, int row, int first, bool fetch) {
  const int8_t* rows = job.rows + row * job.depth;
  const uint8_t* panel = job.panel + first * 4;
  IntVec sum[R][J];
  for (int r = 0; r < R; r++)
    for (int j = 0; j < J; j++) sum[r][j] = iset(0);
  for (int d = 0; d < job.used_depth; d += 4, panel += job.outputs * 4) {
    for (int i = 0; fetch && i < J * kLanes * 4; i += 64)
      __builtin_prefetch(job.next + d * job.outputs + first * 4 + i, 0, kFetchLevel);
    IntVec four[R];
    for (int r = 0; r < R; r++) {
      int32_t x;
      memcpy(&x, rows + r * job.depth + d, 4);
      four[r] = iset(x);
    }
    for (int j = 0; j < J; j++) {
      const Weights8 numbers = wload(panel + j * kLanes * 4);
      for (int r = 0; r < R; r++) sum[r][j] = idot(sum[r][j], numbers, four[r]);
    }
  }
  for (int r = 0; r < R; r++)
    memcpy(job.out + (row + r) * job.outputs + first, sum[r], sizeof(sum[r]));
}

template <int R, int J>
static __attribute__((noinline)) void dot_rows(const Dots& job, int row) {
  for (int first = 0; first < job.used_outputs; first += J * kLanes)
    dot_part<R, J>(job, row, first, job.next && row == 0);
}

// Outputs in portions of kWide.
template <int kWide>
MF_INLINE void dot_vectors(const Dots& job) {
  constexpr int J = kWide / kLanes, R = kDotSums / J > 1 ? kDotSums / J : 1;
  int row = 0;
  for (; row + R <= job.num_rows; row += R) dot_rows<R, J>(job, row);
  if constexpr (R > 2)
    for (; row + 2 <= job.num_rows; row += 2) dot_rows<2, J>(job, row);
  for (; row < job.num_rows; row++) dot_rows<1, J>(job, row);
}

#if defined(__AMX_INT8__)

constexpr int kDotTilesFrom = 8;  // rows; fewer are as fast in vectors

// Sixteen rows with 32 outputs, in tiles kFirst and kFirst + 1.
template <int kFirst>
MF_INLINE void dot_tiles(const Dots& job, int row, int first) {
  tile_zero<kFirst>();
  tile_zero<kFirst + 1>();
  for (int d = 0; d < job.used_depth; d += 64) {
    const int64_t at = d * job.outputs + first * 4;
    for (int i = 0; job.next && row == 0 && i < 32; i++)
      __builtin_prefetch(job.next + at + i / 2 * job.outputs * 4 + i % 2 * 64, 0, kFetchLevel);
    tile_load<4>(job.rows + row * job.depth + d, job.depth);
    tile_load<5>(job.panel + at, job.outputs * 4);
    tile_dot_unsigned<kFirst, 4, 5>();
    tile_load<6>(job.panel + at + 64, job.outputs * 4);
    tile_dot_unsigned<kFirst + 1, 4, 6>();
  }
  int32_t* out = job.out + row * job.outputs + first;
  tile_store<kFirst>(out, job.outputs * 4);
  tile_store<kFirst + 1>(out + 16, job.outputs * 4);
}

// The tiles have been set; depth and outputs are multiples of 64.
static __attribute__((noinline)) void dot_all_tiles(const Dots& job) {
  for (int row = 0; row < job.num_rows; row += kAmxRows)
    for (int first = 0; first < job.used_outputs; first += 64) {
      dot_tiles<0>(job, row, first);
      if (first + 32 < job.used_outputs) dot_tiles<2>(job, row, first + 32);
    }
}

#endif

// `tiles`: AMX's have been set, for blocks of 64.
MF_INLINE void dot(const Dots& job, bool tiles) {
#if defined(__AMX_INT8__)
  if (tiles && job.num_rows >= kDotTilesFrom) return dot_all_tiles(job);
#endif
  (void)tiles;
  if (kLanes == 16 && job.outputs % 64 == 0 && job.used_outputs > 32)
    dot_vectors<kLanes == 16 ? 64 : 32>(job);
  else
    dot_vectors<32>(job);
}

}  // namespace
