// Sums of a few rows with one or more panels of a packed matrix, in registers: one chain per
// output over the inputs in ascending order, whatever the number of rows.
#pragma once

#include "abi.h"
#include "simd.h"

namespace {

constexpr int kVecs = kPanel / kLanes;

// Activations as a matrix takes them.
struct Input {
  const float* values;  // [row][stride]; the float kinds
  const int8_t* quants;  // [row][stride]; the kinds of whole numbers
  const float* scales;   // [row][stride / the kind's block]
  const int32_t* sums;   // the same: the block's sum times the kind's kSumFactor
  int64_t stride;
};

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
  bool fetch = false;  // nobody has read these weights yet: ask for what comes after them
  const uint8_t* next = nullptr;  // which lies here, if these were unpacked from elsewhere
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

// Vectors of a panel that a tile sums at once; with more rows it goes over a panel in parts.
constexpr int vecs_at_once(int num_sums, int most, int vecs = kVecs) {
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

}  // namespace
