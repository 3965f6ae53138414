// Sums of a few rows with one or more panels of a packed matrix, in registers: one chain per
// output over the inputs in ascending order, whatever the number of rows.
#pragma once

#include "abi.h"
#include "simd.h"

namespace {

constexpr int kVecs = kPanel / kLanes;
constexpr int kIntBlockBytes = kPanel * 2 + kInt8Block * kPanel;
constexpr int kInt4BlockBytes = kPanel * 4 + kInt4Block * kPanel / 2;

// Activations as a matrix takes them.
struct Input {
  const float* values;  // [row][stride]; the float kinds
  const int8_t* quants;  // [row][stride]; int8 and int4
  const float* scales;   // [row][stride / the kind's block]
  const int32_t* sums;   // the same: -128 times the block's sum
  int64_t stride;
};

// The sum of a block's activations, which int4's minima are multiplied with.
MF_INLINE float block_total(const Input& x, int64_t block) {
  return (float)x.sums[block] * (-1.0f / 128) * x.scales[block];
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
  bool fetch = false;  // nobody has read these weights yet: ask for them ahead
};

MF_INLINE float* sums_of(const TileJob& job, int row, int panel, int vec) {
  return job.sums + row * job.sums_stride + panel * kPanel + vec * kLanes;
}

// Vectors [first, first + G) of every panel's sums.
template <int R, int P, int G>
MF_INLINE void load_sums(const TileJob& job, int first, Vec (&sum)[R][P][G]) {
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < G; v++)
        sum[r][p][v] = job.fresh ? vset(0.0f) : vload(sums_of(job, r, p, first + v));
}

template <int R, int P, int G>
MF_INLINE void store_sums(const TileJob& job, int first, const Vec (&sum)[R][P][G]) {
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < G; v++) vstore(sums_of(job, r, p, first + v), sum[r][p][v]);
}

// Vectors of a panel that a float tile sums at once; with more rows it goes over a panel in parts.
constexpr int vecs_at_once(int num_sums, int most) {
  int vecs = kVecs;
  while (vecs > 1 && num_sums * vecs > most) vecs /= 2;
  return vecs;
}

struct FloatTile {
  static constexpr int kBlock = kPadding;  // no scales
  static constexpr int kRows = kMaxTile;
  static constexpr int kChunk = 256;  // inputs: panel and rows stay in the first-level cache

  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = vecs_at_once(R * P, kMaxSums);
    for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(job, v);
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    Vec sum[R][P][G];
    load_sums<R, P, G>(job, first, sum);
    const float* x = job.x.values;
    const uint8_t* w = job.weights + first * kLanes * 4;
    for (int k = 0; k < job.depth; k++, w += job.input_bytes)
      for (int p = 0; p < P; p++) {
        Vec weight[G];
        for (int v = 0; v < G; v++)
          weight[v] = vload((const float*)(w + p * job.panel_bytes) + v * kLanes);
        for (int r = 0; r < R; r++) {
          Vec each = vset(x[r * job.x.stride + k]);
          for (int v = 0; v < G; v++) sum[r][p][v] = vfma(each, weight[v], sum[r][p][v]);
        }
      }
    store_sums<R, P, G>(job, first, sum);
  }
};

struct HalfTile {
  static constexpr int kBlock = kPadding;
  static constexpr int kRows = kMaxHalfTile;
  static constexpr int kChunk = 512;

  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = vecs_at_once(R * P, kMaxHalfSums);
    for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(job, v);
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    constexpr int kUnpacked = R > 2 && kUnpackMany ? G : 1;
    Vec sum[R][P][G];
    load_sums<R, P, G>(job, first, sum);
    const float* x = job.x.values;
    const uint8_t* w = job.weights + first * kLanes * 4;
    for (int k = 0; k < job.depth; k++, w += job.input_bytes)
      for (int p = 0; p < P; p++)
        for (int from = 0; from < G; from += kUnpacked) {
          Vec low[kUnpacked], high[kUnpacked];
          for (int v = 0; v < kUnpacked; v++) {
            const IntVec pair = iload(w + p * job.panel_bytes + (from + v) * kLanes * 4);
            low[v] = vlow16(pair), high[v] = vhigh16(pair);
          }
          for (int r = 0; r < R; r++) {
            const float* two = x + r * job.x.stride + 2 * k;
            Vec* to = sum[r][p] + from;
            for (int v = 0; v < kUnpacked; v++) to[v] = vfma(vset(two[0]), low[v], to[v]);
            for (int v = 0; v < kUnpacked; v++) to[v] = vfma(vset(two[1]), high[v], to[v]);
          }
        }
    store_sums<R, P, G>(job, first, sum);
  }
};

struct IntTile {
  static constexpr int kBlock = kInt8Block, kBytes = kIntBlockBytes;
  static constexpr int kRows = kMaxIntTile;
  static constexpr int kChunk = 1024;
  // Blocks: what is asked for lies so far ahead, and a panel is gone over in parts in stretches so
  // long, so that memory is kept busy in every part (docs/log.md, 2026-11-26).
  static constexpr int kAhead = 2, kStretch = 2;

  // Several rows go over a panel in parts, where not all of their sums fit the registers.
  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = R > 1 && kVecs > kMaxIntVecs ? kMaxIntVecs : kVecs;
    const int most = kGroup < kVecs && job.fetch ? kStretch : job.depth;
    for (int at = 0; at < job.depth; at += most) {
      TileJob stretch = job;
      stretch.weights += at * job.input_bytes;
      stretch.x.quants += at * kBlock;
      stretch.x.scales += at;
      stretch.x.sums += at;
      stretch.depth = job.depth - at < most ? job.depth - at : most;
      stretch.fresh = job.fresh && at == 0;
      for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(stretch, v);
    }
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    Vec sum[R][P][G];
    load_sums<R, P, G>(job, first, sum);
    const uint8_t* w = job.weights;
    for (int b = 0; b < job.depth; b++, w += job.input_bytes)
      for (int p = 0; p < P; p++) block<R, G>(job, w + p * job.panel_bytes, b, first, &sum[0][p], P);
    store_sums<R, P, G>(job, first, sum);
  }

  // One block of inputs, summed in whole numbers. Row r's sums are sum[r * sum_step].
  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, int b, int first,
                              Vec (*sum)[G], int sum_step) {
    const int64_t blocks = job.x.stride / kBlock;
    IntVec dot[R][G];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < G; v++)
        dot[r][v] = iset(kUnsignedWeights ? job.x.sums[r * blocks + b] : 0);
    constexpr int kRowBytes = kPanel * 4;  // four inputs of all outputs
    const int begin = first * kLanes * 4, end = (first + G) * kLanes * 4;
    const uint8_t* weights = block + kPanel * 2 + begin;
    const uint8_t* ahead = block + kAhead * kIntBlockBytes;
    const bool fetch = job.fetch && begin % 64 == 0;
    if (fetch && first == 0) __builtin_prefetch(ahead, 0, kFetchLevel);
    for (int k = 0; k < kBlock / 4; k++) {
      for (int i = begin; fetch && i < end; i += 64)
        __builtin_prefetch(ahead + kPanel * 2 + k * kRowBytes + i, 0, kFetchLevel);
      for (int v = 0; v < G; v++) {
        const Weights8 four = wload(weights + k * kRowBytes + v * kLanes * 4);
        for (int r = 0; r < R; r++) {
          int32_t x;
          memcpy(&x, job.x.quants + r * job.x.stride + b * kBlock + k * 4, 4);
          dot[r][v] = idot(dot[r][v], four, iset(x));
        }
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

// As IntTile; the numbers are 0 to 15 and have no sign, so that a block's products are summed in
// 16 bits where there is no instruction for more.
struct Int4Tile {
  static constexpr int kBlock = kInt4Block, kBytes = kInt4BlockBytes;
  static constexpr int kAhead = 8;  // blocks, as in IntTile
  static constexpr int kRows = kMaxIntTile;
  static constexpr int kChunk = 1024;

  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = R > 1 && kVecs > kMaxIntVecs ? kMaxIntVecs : kVecs;
    for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(job, v);
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    Vec sum[R][P][G];
    load_sums<R, P, G>(job, first, sum);
    const uint8_t* w = job.weights;
    for (int b = 0; b < job.depth; b++, w += job.input_bytes)
      for (int p = 0; p < P; p++) block<R, G>(job, w + p * job.panel_bytes, b, first, &sum[0][p], P);
    store_sums<R, P, G>(job, first, sum);
  }

  MF_INLINE IntVec four(const TileJob& job, int row, int at) {
    int32_t x;
    memcpy(&x, job.x.quants + row * job.x.stride + at, 4);
    return iset(x);
  }

  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, int b, int first,
                       Vec (*sum)[G], int sum_step) {
    const int64_t blocks = job.x.stride / kBlock;
    IntVec dot[R][G];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < G; v++) dot[r][v] = iset(0);
    const uint8_t* numbers = block + kPanel * 4 + first * kLanes * 4;
    const uint8_t* ahead = block + kAhead * kInt4BlockBytes;
    const bool fetch = job.fetch && first == 0;
    for (int i = 0; fetch && i < kPanel * 4; i += 64) __builtin_prefetch(ahead + i, 0, kFetchLevel);
    for (int k = 0; k < kBlock / 8; k++) {
      for (int i = 0; fetch && i < kPanel * 4; i += 64)
        __builtin_prefetch(ahead + kPanel * 4 + k * kPanel * 4 + i, 0, kFetchLevel);
      for (int v = 0; v < G; v++) {
        const IntVec both = iload(numbers + (k * kPanel + v * kLanes) * 4);
        const IntVec low = nibbles_low(both), high = nibbles_high(both);
        for (int r = 0; r < R; r++) {
          dot[r][v] = nibble_dot(dot[r][v], low, four(job, r, b * kBlock + k * 4));
          dot[r][v] = nibble_dot(dot[r][v], high, four(job, r, b * kBlock + kBlock / 2 + k * 4));
        }
      }
    }
    for (int v = 0; v < G; v++) {
      const uint16_t* halves = (const uint16_t*)block + (first + v) * kLanes;
      const Vec scale = vwiden(halves), minimum = vwiden(halves + kPanel);
      for (int r = 0; r < R; r++) {
        const Vec unit = vset(job.x.scales[r * blocks + b]);
        Vec& to = sum[r * sum_step][v];
        to = vfma(minimum, vset(block_total(job.x, r * blocks + b)), to);
        to = vfma(vfloat(nibble_total(dot[r][v])), vmul(scale, unit), to);
      }
    }
  }
};

}  // namespace
