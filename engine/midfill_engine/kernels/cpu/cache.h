// How keys and values lie in the cache, read and written. In float32 and bfloat16 they are as they
// are; in int8 a head's vector of one position is whole numbers of one scale, its largest / 127,
// which goes onto the scores and the weights, not onto the numbers.
#pragma once

#include "engine.h"
#include "simd.h"

namespace {

constexpr int64_t cache_width(int kind) {  // bytes of a number
  return kind == kCacheFloat32 ? 4 : kind == kCacheBfloat16 ? 2 : 1;
}

template <int kKind>
MF_INLINE float cache_value(const void* rows, int64_t idx) {
  if constexpr (kKind == kCacheInt8) return ((const int8_t*)rows)[idx];
  if constexpr (kKind == kCacheBfloat16) return widen(((const uint16_t*)rows)[idx]);
  return ((const float*)rows)[idx];
}

template <int kKind>
MF_INLINE Vec cache_vec(const void* rows, int64_t idx) {
  if constexpr (kKind == kCacheInt8) return vwhole((const int8_t*)rows + idx);
  if constexpr (kKind == kCacheBfloat16) return vwiden((const uint16_t*)rows + idx);
  return vload((const float*)rows + idx);
}

// Asks for a position's keys or values, some positions before it is their turn. A few lines at a
// time: whoever asks for a whole span at once waits for places to note it (docs/log.md, 2026-11-26).
template <int kKind>
MF_INLINE void fetch_ahead(const void* rows, int64_t position, int dim) {
  constexpr int64_t width = cache_width(kKind);
  const char* from = (const char*)rows + (position + kFetchAhead) * dim * width;
  for (int64_t at = 0; at < dim * width; at += 64) __builtin_prefetch(from + at, 0, kFetchLevel);
}

// Keys or values [begin, begin + count) as floats, without their scales, [position][padded]: where
// they are, or a copy in `out`, whose padding is zero and never written.
template <int kKind>
static const float* widened(const void* rows, int64_t begin, int count, int dim, int padded,
                            float* out) {
  if (kKind == kCacheFloat32 && dim == padded) return (const float*)rows + begin * dim;
  const int whole = dim / kLanes * kLanes;
  for (int j = 0; j < count; j++) {
    const int64_t row = (begin + j) * dim;
    fetch_ahead<kKind>(rows, begin + j, dim);
    for (int d = 0; d < whole; d += kLanes)
      vstore(out + j * padded + d, cache_vec<kKind>(rows, row + d));
    for (int d = whole; d < dim; d++) out[j * padded + d] = cache_value<kKind>(rows, row + d);
  }
  return out;
}

// Multiplies numbers[query][kSpan] by the scales of `count` positions.
static void scale_span(const float* scales, int count, int num_queries, float* numbers) {
  float own[kSpan];
  memcpy(own, scales, count * sizeof(float));
  const int used = (count + kLanes - 1) / kLanes * kLanes;
  for (int j = count; j < used; j++) own[j] = 0.0f;
  for (int m = 0; m < num_queries; m++, numbers += kSpan)
    for (int j = 0; j < used; j += kLanes)
      vstore(numbers + j, vmul(vload(numbers + j), vload(own + j)));
}

// Writes one key or value of a head into a cache of float32 or bfloat16.
MF_INLINE void store_cache(void* cache, int64_t idx, const float* from, int count, bool half) {
  for (int i = 0; i < count; i++) {
    if (half)
      ((uint16_t*)cache)[idx + i] = narrow(from[i]);
    else
      ((float*)cache)[idx + i] = from[i];
  }
}

// Writes a head's key or value [padded, with zeros] into a cache of int8, and its scale.
MF_INLINE void store_int8(const float* from, int dim, int padded, int8_t* to, float* scale) {
  Vec most = vset(0.0f);
  for (int d = 0; d < padded; d += kLanes) most = vmax(vabs(vload(from + d)), most);
  const float largest = lane_max(most);
  const Vec inverse = vset(largest > 0.0f ? 127.0f / largest : 0.0f);
  int8_t whole[kMaxHead];
  for (int d = 0; d < padded; d += kLanes)
    vstore_int8(whole + d, vround(vmul(vload(from + d), inverse)));
  memcpy(to, whole, dim);
  *scale = largest / 127.0f;
}

}  // namespace
