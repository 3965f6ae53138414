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

// Signed bytes and one scale per block of values: largest / 127.
template <class Weights>
MF_INLINE void quantise_row(const float* row, int padded, int8_t* quants, float* scales,
                            int32_t* sums) {
  constexpr int kBlock = Weights::kInputs;
  for (int b = 0; b < padded / kBlock; b++, row += kBlock, quants += kBlock) {
    scales[b] = round_to_int8(row, kBlock, quants, sums + b);
    sums[b] *= Weights::kSumFactor;
  }
}

// Prepares one row [padded] for a matrix of `kind`; `norm` null leaves it as it is.
MF_INLINE void prepare_row(const Engine& engine, Scratch& own, int kind, const float* row,
                           int count, int padded, const float* norm, float* values,
                           int8_t* quants, float* scales, int32_t* sums) {
  const bool quantised = kind >= kInt8;
  float* normed = quantised ? own.norm : values;
  if (norm) norm_row(row, norm, count, padded, engine.model.eps, normed);
  const float* from = norm ? normed : row;
  if (kind == kInt4) quantise_row<Int4Weights>(from, padded, quants, scales, sums);
  else if (kind == kInt6) quantise_row<Int6Weights>(from, padded, quants, scales, sums);
  else if (quantised) quantise_row<Int8Weights>(from, padded, quants, scales, sums);
}

}  // namespace
