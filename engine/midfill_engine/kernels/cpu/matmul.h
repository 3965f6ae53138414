// Products of a few or many rows with a packed matrix. Every output is one chain of sums over the
// inputs in ascending order, in registers or carried through memory, so that a row's result does
// not depend on how many rows, panels or threads there are.
#pragma once

#include "abi.h"
#include "simd.h"

namespace {

constexpr int kVecs = kPanel / kLanes;
constexpr int kIntBlockBytes = kPanel * 2 + kBlock * kPanel;

// Activations as a matrix takes them.
struct Input {
  const float* values;  // [row][stride]; the float kinds
  const int8_t* quants;  // [row][stride]; int8
  const float* scales;   // [row][stride / kBlock]
  const int32_t* sums;   // [row][stride / kBlock]: -128 times the block's sum
  int64_t stride;
};

struct Matrix {
  const uint8_t* data;
  int depth;  // inputs, padded to kBlock
  int kind;
};

MF_INLINE int64_t panel_bytes(int kind, int depth) {
  if (kind == kInt8) return (int64_t)(depth / kBlock) * kIntBlockBytes;
  return (int64_t)depth * kPanel * (kind == kFloat32 ? 4 : 2);
}

// What one call of a tile computes: sums[row][panel * kPanel + output] (+)= x . w.
struct TileJob {
  Input x;
  const uint8_t* weights;  // of the first input
  int64_t input_bytes;     // between inputs (pairs, blocks) of a panel
  int64_t panel_bytes;     // between panels
  int depth;               // inputs (pairs, blocks)
  float* sums;
  int64_t sums_stride;
  bool fresh;  // start at zero, not at what `sums` holds
};

template <int R, int P>
MF_INLINE void load_sums(const TileJob& job, Vec (&sum)[R][P][kVecs]) {
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < kVecs; v++) {
        const float* from = job.sums + r * job.sums_stride + p * kPanel + v * kLanes;
        sum[r][p][v] = job.fresh ? vset(0.0f) : vload(from);
      }
}

template <int R, int P>
MF_INLINE void store_sums(const TileJob& job, const Vec (&sum)[R][P][kVecs]) {
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < kVecs; v++)
        vstore(job.sums + r * job.sums_stride + p * kPanel + v * kLanes, sum[r][p][v]);
}

struct FloatTile {
  static constexpr int kRows = kMaxTile;
  static constexpr int kChunk = 256;  // inputs: panel and rows stay in the first-level cache

  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    Vec sum[R][P][kVecs];
    load_sums<R, P>(job, sum);
    const float* x = job.x.values;
    const uint8_t* w = job.weights;
    for (int k = 0; k < job.depth; k++, w += job.input_bytes)
      for (int p = 0; p < P; p++) {
        Vec weight[kVecs];
        for (int v = 0; v < kVecs; v++)
          weight[v] = vload((const float*)(w + p * job.panel_bytes) + v * kLanes);
        for (int r = 0; r < R; r++) {
          Vec each = vset(x[r * job.x.stride + k]);
          for (int v = 0; v < kVecs; v++) sum[r][p][v] = vfma(each, weight[v], sum[r][p][v]);
        }
      }
    store_sums<R, P>(job, sum);
  }
};

struct HalfTile {
  static constexpr int kRows = kMaxTile;
  static constexpr int kChunk = 512;

  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    Vec sum[R][P][kVecs];
    load_sums<R, P>(job, sum);
    const float* x = job.x.values;
    const uint8_t* w = job.weights;
    for (int k = 0; k < job.depth; k++, w += job.input_bytes)
      for (int p = 0; p < P; p++)
        for (int v = 0; v < kVecs; v++) {
          IntVec pair = iload(w + p * job.panel_bytes + v * kLanes * 4);
          Vec low = vlow16(pair), high = vhigh16(pair);
          for (int r = 0; r < R; r++) {
            const float* two = x + r * job.x.stride + 2 * k;
            Vec first = vfma(vset(two[0]), low, sum[r][p][v]);
            sum[r][p][v] = vfma(vset(two[1]), high, first);
          }
        }
    store_sums<R, P>(job, sum);
  }
};

struct IntTile {
  static constexpr int kRows = kMaxIntTile;
  static constexpr int kChunk = 1024;

  // Several rows go over a panel in parts, where not all of their sums fit the registers.
  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = R > 1 && kVecs > kMaxIntVecs ? kMaxIntVecs : kVecs;
    for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(job, v);
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    Vec sum[R][P][G];
    for (int r = 0; r < R; r++)
      for (int p = 0; p < P; p++)
        for (int v = 0; v < G; v++)
          sum[r][p][v] = job.fresh ? vset(0.0f) : vload(sums_of(job, r, p, first + v));
    const uint8_t* w = job.weights;
    for (int b = 0; b < job.depth; b++, w += job.input_bytes)
      for (int p = 0; p < P; p++) block<R, G>(job, w + p * job.panel_bytes, b, first, &sum[0][p], P);
    for (int r = 0; r < R; r++)
      for (int p = 0; p < P; p++)
        for (int v = 0; v < G; v++) vstore(sums_of(job, r, p, first + v), sum[r][p][v]);
  }

  MF_INLINE float* sums_of(const TileJob& job, int row, int panel, int vec) {
    return job.sums + row * job.sums_stride + panel * kPanel + vec * kLanes;
  }

  // One block of 32 inputs, summed in whole numbers. Row r's sums are sum[r * sum_step].
  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, int b, int first,
                              Vec (*sum)[G], int sum_step) {
    const int64_t blocks = job.x.stride / kBlock;
    IntVec dot[R][G];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < G; v++)
        dot[r][v] = iset(kUnsignedWeights ? job.x.sums[r * blocks + b] : 0);
    const uint8_t* weights = block + kPanel * 2 + first * kLanes * 4;
    for (int k = 0; k < kBlock / 4; k++)
      for (int v = 0; v < G; v++) {
        const Weights8 four = wload(weights + (k * kPanel + v * kLanes) * 4);
        for (int r = 0; r < R; r++) {
          int32_t x;
          memcpy(&x, job.x.quants + r * job.x.stride + b * kBlock + k * 4, 4);
          dot[r][v] = idot(dot[r][v], four, iset(x));
        }
      }
    for (int v = 0; v < G; v++) {
      const Vec scale = vwiden((const uint16_t*)block + (first + v) * kLanes);
      for (int r = 0; r < R; r++) {
        const Vec both = vmul(scale, vset(job.x.scales[r * blocks + b]));
        sum[r * sum_step][v] = vfma(vfloat(dot[r][v]), both, sum[r * sum_step][v]);
      }
    }
  }
};

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
  if constexpr (R <= 2 && kMaxWide >= 2) {
    if (num_rows == R && panels == 2) return Tile::template run<R, 2>(job);
  }
  if (num_rows == R) return Tile::template run<R, 1>(job);
  if constexpr (R < Tile::kRows) run_tile<Tile, R + 1>(job, num_rows, panels);
}

// Rows in tiles of nearly equal size.
template <class Tile>
MF_INLINE void run_rows(TileJob job, int num_rows, int panels) {
  const int tiles = (num_rows + Tile::kRows - 1) / Tile::kRows;
  const int64_t blocks = job.x.stride / kBlock;
  for (int i = 0; i < tiles; i++) {
    const int begin = num_rows * i / tiles, end = num_rows * (i + 1) / tiles;
    TileJob part = job;
    part.x.values += begin * job.x.stride;
    part.x.quants += begin * job.x.stride;
    part.x.scales += begin * blocks;
    part.x.sums += begin * blocks;
    part.sums += begin * job.sums_stride;
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
    job.x.scales = x.scales + at / kBlock;
    job.x.sums = x.sums + at / kBlock;
    job.depth = left / unit;
    job.fresh = at == 0;
    run_rows<Tile>(job, num_rows, panels);
  }
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
    } else {
      job.input_bytes = kIntBlockBytes;
      chunked<IntTile>(job, num_rows, wide, matrix.depth, kBlock);
    }
    for (int p = 0; p < wide; p++) finish(panel + p, sums + p * kPanel, wide * kPanel);
  }
}

// Column `token` of a packed matrix, as a row of floats.
MF_INLINE void unpack_column(const Matrix& matrix, int token, float* out) {
  const uint8_t* panel = matrix.data + token / kPanel * panel_bytes(matrix.kind, matrix.depth);
  const int lane = token % kPanel;
  for (int k = 0; k < matrix.depth; k++) {
    if (matrix.kind == kFloat32) {
      out[k] = ((const float*)panel)[k * kPanel + lane];
    } else if (matrix.kind == kBfloat16) {
      out[k] = widen(((const uint16_t*)panel)[(k / 2 * kPanel + lane) * 2 + k % 2]);
    } else {
      const uint8_t* block = panel + k / kBlock * kIntBlockBytes;
      const int weight = block[kPanel * 2 + (k % kBlock / 4 * kPanel + lane) * 4 + k % 4] - 128;
      out[k] = widen(((const uint16_t*)block)[lane]) * (float)weight;
    }
  }
}

}  // namespace
