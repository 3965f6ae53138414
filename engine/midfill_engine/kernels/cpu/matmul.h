// Products of a few or many rows with a packed matrix. Every output is one chain of sums over the
// inputs in ascending order, in registers or carried through memory, so that a row's result does
// not depend on how many rows, panels or threads there are.
#pragma once

#include "amx.h"
#include "whole_tile.h"

namespace {

struct Matrix {
  const uint8_t* data;
  int depth;  // inputs, padded to kPadding
  int kind;
};

MF_INLINE int64_t panel_bytes(int kind, int depth) {
  if (kind == kInt8) return (int64_t)(depth / Int8Weights::kInputs) * Int8Weights::kBytes;
  if (kind == kInt6) return (int64_t)(depth / Int6Weights::kInputs) * Int6Weights::kBytes;
  if (kind == kInt4) return (int64_t)(depth / Int4Weights::kInputs) * Int4Weights::kBytes;
  return (int64_t)depth * kPanel * (kind == kFloat32 ? 4 : 2);
}

// Panels side by side: enough independent sums to hide the latency where rows are few.
MF_INLINE int panels_at_once(int num_rows) {
  if (num_rows == 1) return kMaxWide;
  return num_rows == 2 && kMaxWide > 2 ? kMaxWide / 2 : 1;
}

template <class Tile, int R>
MF_INLINE void run_tile(const TileJob& job, int num_rows, int panels) {
  if constexpr (R == 1 && kMaxWide >= 4) {
    if (num_rows == 1 && panels == 4) return Tile::template run<1, 4>(job);
  }
  if constexpr (R <= 2 && kMaxWide >= 2 * R) {
    if (num_rows == R && panels == 2) return Tile::template run<R, 2>(job);
  }
  if (num_rows == R) return Tile::template run<R, 1>(job);
  if constexpr (R < Tile::kRows) run_tile<Tile, R + 1>(job, num_rows, panels);
}

// Rows in tiles of nearly equal size.
template <class Tile>
MF_INLINE void run_rows(TileJob job, int num_rows, int panels) {
  const int tiles = (num_rows + Tile::kRows - 1) / Tile::kRows;
  const int64_t blocks = job.x.stride / Tile::kBlock;
  for (int i = 0; i < tiles; i++) {
    const int begin = num_rows * i / tiles, end = num_rows * (i + 1) / tiles;
    TileJob part = job;
    part.x.values += begin * job.x.stride;
    part.x.quants += begin * job.x.stride;
    part.x.scales += begin * blocks;
    part.x.sums += begin * blocks;
    part.sums += begin * job.sums_stride;
    part.fetch = i == 0;
    run_tile<Tile, 1>(part, end - begin, panels);
  }
}

template <class Tile>
MF_INLINE void chunked(TileJob job, int num_rows, int panels, int depth, int unit) {
  const int whole = num_rows <= Tile::kRows ? depth : Tile::kChunk;
  const uint8_t* weights = job.weights;
  const Input x = job.x;
  for (int at = 0; at < depth; at += whole) {
    const int left = depth - at < whole ? depth - at : whole;
    job.weights = weights + at / unit * job.input_bytes;
    job.x.values = x.values + at;
    job.x.quants = x.quants + at;
    job.x.scales = x.scales + at / Tile::kBlock;
    job.x.sums = x.sums + at / Tile::kBlock;
    job.depth = left / unit;
    job.fresh = at == 0;
    run_rows<Tile>(job, num_rows, panels);
  }
}

// From so many rows on int6's tiles are unpacked by AMX's code.
#if defined(__AMX_INT8__)
constexpr int kManyRows = kAmxFrom;
#else
constexpr int kManyRows = kMaxRows + 1;
#endif

// Several tiles of rows with one panel of int6, unpacked once for all of them.
static __attribute__((noinline)) void unpacked(TileJob job, int num_rows, int num_blocks) {
  constexpr int kMost = 8;  // blocks, which stay in the first-level cache beside the rows
  alignas(64) uint8_t bytes[kMost * Int6Bytes::kBytes];
  const uint8_t* weights = job.weights;
  const Input x = job.x;
  job.weights = bytes;
  job.input_bytes = Int6Bytes::kBytes;
  for (int at = 0; at < num_blocks; at += kMost) {
    job.depth = num_blocks - at < kMost ? num_blocks - at : kMost;
    for (int b = 0; b < job.depth; b++)
      unpack_block(weights + (at + b) * Int6Weights::kBytes, bytes + b * Int6Bytes::kBytes);
    job.next = weights + (at + job.depth) * Int6Weights::kBytes;
    job.x.quants = x.quants + at * Int6Bytes::kInputs;
    job.x.scales = x.scales + at;
    job.x.sums = x.sums + at;
    job.fresh = at == 0;
    run_rows<WholeTile<Int6Bytes>>(job, num_rows, 1);
  }
}

// Products of whole numbers: many rows in AMX's tiles, where there are such.
template <class Weights>
MF_INLINE void whole_numbers(TileJob job, int num_rows, int panels, int depth) {
#if defined(__AMX_INT8__)
  if (num_rows >= kAmxFrom) return AmxTile<Weights>::run(job, num_rows, depth / Weights::kInputs);
#endif
  job.input_bytes = Weights::kBytes;
  chunked<WholeTile<Weights>>(job, num_rows, panels, depth, Weights::kInputs);
}

// Panels [begin, end) of the product of `num_rows` rows; each goes to finish(panel, sums, stride)
// as sums[row * stride + output]. `sums` holds kMaxRows * kPanel floats.
template <class Finish>
MF_INLINE void multiply(const Input& x, int num_rows, const Matrix& matrix, int begin, int end,
                        float* sums, const Finish& finish) {
  const int64_t bytes = panel_bytes(matrix.kind, matrix.depth);
  int wide = panels_at_once(num_rows);
  for (int panel = begin; panel < end; panel += wide) {
    while (wide > end - panel) wide /= 2;
    TileJob job{x, matrix.data + panel * bytes, 0, bytes, 0, sums, wide * kPanel, true};
    if (matrix.kind == kFloat32) {
      job.input_bytes = kPanel * 4;
      chunked<FloatTile>(job, num_rows, wide, matrix.depth, 1);
    } else if (matrix.kind == kBfloat16) {
      job.input_bytes = kPanel * 4;
      chunked<HalfTile>(job, num_rows, wide, matrix.depth, 2);
    } else if (matrix.kind == kInt8) {
      whole_numbers<Int8Weights>(job, num_rows, wide, matrix.depth);
    } else if (matrix.kind == kInt6) {
      if (num_rows > kMaxIntTile && num_rows < kManyRows)
        unpacked(job, num_rows, matrix.depth / Int6Weights::kInputs);
      else
        whole_numbers<Int6Weights>(job, num_rows, wide, matrix.depth);
    } else {
      whole_numbers<Int4Weights>(job, num_rows, wide, matrix.depth);
    }
    for (int p = 0; p < wide; p++) finish(panel + p, sums + p * kPanel, wide * kPanel);
  }
}

// Column `lane` of a panel of whole numbers, as floats.
template <class Weights>
MF_INLINE void unpack_numbers_of(const uint8_t* panel, int depth, int lane, float* out) {
  for (int b = 0; b < depth / Weights::kInputs; b++, panel += Weights::kBytes)
    for (int i = 0; i < Weights::kInputs; i++)
      *out++ = widen(((const uint16_t*)panel)[lane]) * (float)Weights::number(panel, i, lane);
}

// Column `token` of a packed matrix, as a row of floats; not of int4.
MF_INLINE void unpack_column(const Matrix& matrix, int token, float* out) {
  const uint8_t* panel = matrix.data + token / kPanel * panel_bytes(matrix.kind, matrix.depth);
  const int lane = token % kPanel;
  if (matrix.kind == kInt8) return unpack_numbers_of<Int8Weights>(panel, matrix.depth, lane, out);
  if (matrix.kind == kInt6) return unpack_numbers_of<Int6Weights>(panel, matrix.depth, lane, out);
  for (int k = 0; k < matrix.depth; k++)
    out[k] = matrix.kind == kFloat32
                 ? ((const float*)panel)[k * kPanel + lane]
                 : widen(((const uint16_t*)panel)[(k / 2 * kPanel + lane) * 2 + k % 2]);
}

}  // namespace
