// Blocks of inputs with whole numbers for weights, multiplied with a few rows and summed exactly.
// `block` takes vectors [first, first + G) of a panel's block b; row r's sums are
// sum[r * sum_step]. It asks for as much at `ahead`, unless that is null.
#pragma once

#include "tile.h"

namespace {

constexpr int kFourBytes = kPanel * 4;  // four inputs of all outputs

// Four inputs of a row, for all lanes.
MF_INLINE IntVec four_of(const int8_t* quants) {
  int32_t x;
  memcpy(&x, quants, 4);
  return iset(x);
}

// Asks for bytes [begin, end) that lie `ahead`, where they begin a line.
MF_INLINE void ask_for(const uint8_t* ahead, int begin, int end) {
  for (int i = begin; i < end; i += 64) __builtin_prefetch(ahead + i, 0, kFetchLevel);
}

// A block of a kind with scales alone. Weights::group adds kGroup inputs to the whole numbers,
// which begin at what was added to the weights times the sum of the block's activations, negative.
template <class Weights, int R, int G>
MF_INLINE void scaled_block(const TileJob& job, const uint8_t* block, const uint8_t* ahead, int b,
                            int first, Vec (*sum)[G], int sum_step) {
  const int64_t blocks = job.x.stride / Weights::kInputs;
  IntVec dot[R][G];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < G; v++) dot[r][v] = iset(job.x.sums[r * blocks + b]);
  const int begin = first * kLanes * 4, end = (first + G) * kLanes * 4;
  const uint8_t* weights = block + Weights::kScaleBytes + begin;
  const bool fetch = ahead && begin % 64 == 0;
  if (fetch && first == 0) ask_for(ahead, 0, Weights::kScaleBytes);
  for (int k = 0; k < Weights::kInputs; k += Weights::kGroup) {
    const int group = Weights::kScaleBytes + k / Weights::kGroup * Weights::kAheadBytes;
    for (int t = 0; fetch && t < Weights::kAheadBytes; t += kFourBytes)
      ask_for(ahead + group + t, begin, end);
    Weights::template group<R, G>(dot, weights, job.x.quants + b * Weights::kInputs + k,
                                  job.x.stride);
    weights += Weights::kGroupBytes;
  }
  const uint16_t* scales = (const uint16_t*)block + first * kLanes;
  for (int v = 0; v < G; v++) {
    const Vec scale = vwiden(scales + v * kLanes);
    for (int r = 0; r < R; r++) {
      const Vec both = vmul(scale, vset(job.x.scales[r * blocks + b]));
      sum[r * sum_step][v] = vfma(vfloat(dot[r][v]), both, sum[r * sum_step][v]);
    }
  }
}

struct Int8Weights {
  static constexpr int kInputs = kInt8Block, kGroup = 4, kGroupBytes = kFourBytes;
  static constexpr int kScaleBytes = kPanel * 2, kBytes = kScaleBytes + kInputs * kPanel;
  static constexpr int kAheadBytes = kGroupBytes, kAhead = 8, kStretch = 2;  // blocks
  static constexpr int32_t kSumFactor = kUnsignedWeights ? -128 : 0;  // of the activations' sum
  static constexpr bool kHasMinima = false, kInMemory = true;

  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, const uint8_t* ahead, int b,
                       int first, Vec (*sum)[G], int sum_step) {
    scaled_block<Int8Weights, R, G>(job, block, ahead, b, first, sum, sum_step);
  }

  template <int R, int G>
  MF_INLINE void group(IntVec (&dot)[R][G], const uint8_t* from, const int8_t* x, int64_t stride) {
    Weights8 four[G];
    for (int v = 0; v < G; v++) four[v] = wload(from + v * kLanes * 4);
    for (int r = 0; r < R; r++) {
      const IntVec each = four_of(x + r * stride);
      for (int v = 0; v < G; v++) dot[r][v] = idot(dot[r][v], four[v], each);
    }
  }

  // An input's weight of one output.
  MF_INLINE int number(const uint8_t* block, int input, int output) {
    return block[kScaleBytes + (input / 4 * kPanel + output) * 4 + input % 4] - 128;
  }
};

// 32 is added to the numbers, so they have no sign, and four products fit 16 bits where there is no
// instruction for more. Packed, four fours of inputs lie in three bytes of each output.
template <bool kPacked>
struct Int6Block {
  static constexpr int kInputs = kInt8Block, kGroup = 16;
  static constexpr int kGroupBytes = (kPacked ? 3 : 4) * kFourBytes;
  static constexpr int kScaleBytes = kPanel * 2;
  static constexpr int kBytes = kScaleBytes + kInputs / kGroup * kGroupBytes;
  static constexpr int kAheadBytes = 3 * kFourBytes, kAhead = 8, kStretch = 2;
  static constexpr int kPackedBytes = kScaleBytes + kInputs / kGroup * kAheadBytes;
  static constexpr int32_t kSumFactor = -32;
  static constexpr bool kHasMinima = false, kInMemory = kPacked;

  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, const uint8_t* ahead, int b,
                       int first, Vec (*sum)[G], int sum_step) {
    scaled_block<Int6Block, R, G>(job, block, ahead, b, first, sum, sum_step);
  }

  template <int R, int G>
  MF_INLINE void group(IntVec (&dot)[R][G], const uint8_t* from, const int8_t* x, int64_t stride) {
    constexpr int kVecsAtOnce = kWideSmallDots ? G : 1;
    for (int v = 0; v < G; v += kVecsAtOnce, from += kVecsAtOnce * kLanes * 4)
      fours<R, G, kVecsAtOnce>(dot, v, from, x, stride);
  }

  // Sixteen inputs of vectors [v, v + V): as many fours at a time as are summed before a total.
  template <int R, int G, int V>
  MF_INLINE void fours(IntVec (&dot)[R][G], int v, const uint8_t* from, const int8_t* x,
                       int64_t stride) {
    constexpr int kAtOnce = kWideSmallDots ? 1 : 2;
    for (int t = 0; t < 4; t += kAtOnce, x += 4 * kAtOnce) {
      IntVec w[kAtOnce][V];
      for (int i = 0; i < kAtOnce; i++)
        for (int j = 0; j < V; j++) w[i][j] = four(from + j * kLanes * 4, t + i);
      for (int r = 0; r < R; r++) {
        IntVec each[kAtOnce];
        for (int i = 0; i < kAtOnce; i++) each[i] = four_of(x + r * stride + 4 * i);
        for (int j = 0; j < V; j++) {
          IntVec& to = dot[r][v + j];
          if constexpr (kWideSmallDots) {
            to = small_dot(to, w[0][j], each[0]);
          } else {
            const IntVec one = small_dot(iset(0), w[0][j], each[0]);
            const IntVec both = small_dot(one, w[kAtOnce - 1][j], each[kAtOnce - 1]);
            to = kept(iadd(to, small_total(both)));
          }
        }
      }
    }
  }

  // As in Int8Weights.
  MF_INLINE int number(const uint8_t* block, int input, int output) {
    static_assert(kPacked);
    const uint8_t* group = block + kScaleBytes + input / kGroup * kGroupBytes;
    const int fours = input % kGroup / 4, at = output * 4 + input % 4;
    if (fours < 3) return (group[fours * kFourBytes + at] & 63) - 32;
    int upper = 0;
    for (int t = 0; t < 3; t++) upper |= group[t * kFourBytes + at] >> 6 << 2 * t;
    return upper - 32;
  }

  MF_INLINE IntVec four(const uint8_t* from, int t) {
    if (!kPacked) return iload(from + t * kFourBytes);
    if (t < 3) return six_low(iload(from + t * kFourBytes));
    return six_rest(iload(from), iload(from + kFourBytes), iload(from + 2 * kFourBytes));
  }
};

using Int6Weights = Int6Block<true>;
using Int6Bytes = Int6Block<false>;

// Every vector of a block's numbers goes to take(where it lies as bytes, vector).
template <class Take>
MF_INLINE void unpack_sixes(const uint8_t* from, const Take& take) {
  constexpr int kGroups = Int6Weights::kInputs / Int6Weights::kGroup;
  for (int k = 0; k < kGroups; k++, from += Int6Weights::kGroupBytes)
    for (int i = 0; i < kFourBytes; i += kLanes * 4)
      for (int t = 0; t < 4; t++)
        take((4 * k + t) * kFourBytes + i, Int6Weights::four(from + i, t));
}

// What many rows read over and over, with a byte for each number.
MF_INLINE void unpack_block(const uint8_t* from, uint8_t* to) {
  ask_for(from + Int6Weights::kAhead * Int6Weights::kBytes, 0, Int6Weights::kBytes);
  memcpy(to, from, Int6Weights::kScaleBytes);
  uint8_t* bytes = to + Int6Weights::kScaleBytes;
  unpack_sixes(from + Int6Weights::kScaleBytes,
               [&](int at, IntVec numbers) { memcpy(bytes + at, &numbers, sizeof(numbers)); });
}

// The numbers are 0 to 15: a block's products fit 16 bits.
struct Int4Weights {
  static constexpr int kInputs = kInt4Block;
  static constexpr int kScaleBytes = kPanel * 4, kBytes = kScaleBytes + kInputs * kPanel / 2;
  static constexpr int kAhead = 8, kStretch = 1 << 20;  // more than a panel has: never in parts
  static constexpr int32_t kSumFactor = 1;
  static constexpr bool kHasMinima = true, kInMemory = true;

  // The sum of a block's activations, which the minima are multiplied with.
  MF_INLINE float total(const Input& x, int64_t block) {
    return (float)x.sums[block] * x.scales[block];
  }

  template <int R, int G>
  MF_INLINE void block(const TileJob& job, const uint8_t* block, const uint8_t* ahead, int b,
                       int first, Vec (*sum)[G], int sum_step) {
    const int64_t blocks = job.x.stride / kInputs;
    IntVec dot[R][G];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < G; v++) dot[r][v] = iset(0);
    const uint8_t* numbers = block + kScaleBytes + first * kLanes * 4;
    const bool fetch = ahead && first == 0;
    if (fetch) ask_for(ahead, 0, kScaleBytes);
    for (int k = 0; k < kInputs / 8; k++) {
      if (fetch) ask_for(ahead + kScaleBytes + k * kFourBytes, 0, kFourBytes);
      for (int v = 0; v < G; v++) {
        const IntVec both = iload(numbers + k * kFourBytes + v * kLanes * 4);
        const IntVec low = nibbles_low(both), high = nibbles_high(both);
        for (int r = 0; r < R; r++) {
          const int8_t* x = job.x.quants + r * job.x.stride + b * kInputs + k * 4;
          dot[r][v] = small_dot(dot[r][v], low, four_of(x));
          dot[r][v] = small_dot(dot[r][v], high, four_of(x + kInputs / 2));
        }
      }
    }
    for (int v = 0; v < G; v++) {
      const uint16_t* halves = (const uint16_t*)block + (first + v) * kLanes;
      const Vec scale = vwiden(halves), minimum = vwiden(halves + kPanel);
      for (int r = 0; r < R; r++) {
        const Vec unit = vset(job.x.scales[r * blocks + b]);
        Vec& to = sum[r * sum_step][v];
        to = vfma(minimum, vset(total(job.x, r * blocks + b)), to);
        to = vfma(vfloat(small_total(dot[r][v])), vmul(scale, unit), to);
      }
    }
  }
};

}  // namespace
