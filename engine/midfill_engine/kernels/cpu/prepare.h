// Rows of activations made ready for a matrix: normalised, and for int8 weights quantised in
// blocks. Each row by itself, in a fixed order.
#pragma once

#include "engine.h"
#include "matmul.h"

namespace {

// row / rms(row) * weight (arXiv:1910.07467) of `count` values; those up to `padded` are zeros.
MF_INLINE void norm_row(const float* row, const float* weight, int count, int padded, float eps,
                        float* out) {
  Vec even = vset(0.0f), odd = vset(0.0f);
  for (int k = 0; k < padded; k += 2 * kLanes) {
    Vec first = vload(row + k), second = vload(row + k + kLanes);
    even = vfma(first, first, even);
    odd = vfma(second, second, odd);
  }
  const float mean = lane_sum(vadd(even, odd)) / (float)count;
  const Vec scale = vset(1.0f / __builtin_sqrtf(mean + eps));
  for (int k = 0; k < padded; k += kLanes)
    vstore(out + k, vmul(vmul(vload(row + k), scale), vload(weight + k)));
}

// Signed bytes and one scale per block of kBlock values: largest / 127.
MF_INLINE void quantise_row(const float* row, int padded, int8_t* quants, float* scales,
                            int32_t* sums) {
  for (int b = 0; b < padded / kBlock; b++, row += kBlock, quants += kBlock) {
    Vec most = vset(0.0f);
    for (int k = 0; k < kBlock; k += kLanes) most = vmax(vabs(vload(row + k)), most);
    const float largest = lane_max(most);
    const Vec inverse = vset(largest > 0.0f ? 127.0f / largest : 0.0f);
    IntVec sum = iset(0);
    for (int k = 0; k < kBlock; k += kLanes) {
      const IntVec whole = vround(vmul(vload(row + k), inverse));
      vstore_int8(quants + k, whole);
      sum = iadd(sum, whole);
    }
    scales[b] = largest / 127.0f;
    sums[b] = -128 * lane_total(sum);
  }
}

// This thread's share of [0, count).
struct Share {
  int begin, end;
};

MF_INLINE Share share(int count, int thread, int num_threads) {
  return {(int)((int64_t)count * thread / num_threads),
          (int)((int64_t)count * (thread + 1) / num_threads)};
}

// Returns rows [num_rows][padded] ready for a matrix; `norm` null leaves them as they are. Few
// rows are prepared by every thread for itself, more of them together, which costs a barrier.
MF_INLINE Input prepare(const Engine& engine, int thread, const float* rows, int num_rows,
                        int count, int padded, const float* norm) {
  const bool quantised = engine.model.weight_kind == kInt8;
  if (!quantised && !norm) return {rows, nullptr, nullptr, nullptr, padded};
  const Scratch& own = engine.scratch[thread];
  const bool alone = num_rows <= kPrivateRows;
  float* values = alone ? own.values : engine.values;
  int8_t* quants = alone ? own.quants : engine.quants;
  float* scales = alone ? own.scales : engine.scales;
  int32_t* sums = alone ? own.block_sums : engine.block_sums;
  const Share part = alone ? Share{0, num_rows} : share(num_rows, thread, pool_size(engine.pool));
  const int64_t blocks = padded / kBlock;
  for (int64_t r = part.begin; r < part.end; r++) {
    const float* row = rows + r * padded;
    float* normed = quantised ? own.norm : values + r * padded;
    if (norm) norm_row(row, norm, count, padded, engine.model.eps, normed);
    if (quantised)
      quantise_row(norm ? normed : row, padded, quants + r * padded, scales + r * blocks,
                   sums + r * blocks);
  }
  if (!alone) pool_wait(engine.pool);
  return {values, quants, scales, sums, padded};
}

}  // namespace
