// How keys and values lie in the cache, read and written. In float32 and bfloat16 they are as they
// are, [position][dimension]. In int8 a head's vector of one position is whole numbers of one
// scale, its largest / 127, and those of kSpan positions lie as a packed matrix does, with 128
// added:
//   keys    [position / kSpan][dimension / 4][kSpan][4]
//   values  [position / kSpan][kSpan / 4][dimension][4], the last by positions
// with dimensions and positions padded to kPanel and kSpan.
#pragma once

#include "engine.h"
#include "simd.h"

namespace {

constexpr int64_t cache_width(int kind) {  // bytes of a number
  return kind == kCacheFloat32 ? 4 : kind == kCacheBfloat16 ? 2 : 1;
}

template <int kKind>
MF_INLINE float cache_value(const void* rows, int64_t idx) {
  if constexpr (kKind == kCacheBfloat16) return widen(((const uint16_t*)rows)[idx]);
  return ((const float*)rows)[idx];
}

template <int kKind>
MF_INLINE Vec cache_vec(const void* rows, int64_t idx) {
  if constexpr (kKind == kCacheBfloat16) return vwiden((const uint16_t*)rows + idx);
  return vload((const float*)rows + idx);
}

// Asks for a position's keys or values, some positions before it is their turn. A few lines at a
// time: whoever asks for a whole span at once waits for places to note it (docs/log.md,
// 2026-11-26).
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

// Writes one key or value of a head into a cache of float32 or bfloat16.
MF_INLINE void store_cache(void* cache, int64_t idx, const float* from, int count, bool half) {
  for (int i = 0; i < count; i++) {
    if (half)
      ((uint16_t*)cache)[idx + i] = narrow(from[i]);
    else
      ((float*)cache)[idx + i] = from[i];
  }
}

// Where a position's span begins in a head's keys or values of int8.
MF_INLINE int64_t span_at(int64_t position, int padded) {
  return position / kSpan * kSpan * padded;
}

// Rounds a head's key or value [padded, with zeros] to int8, 128 added; returns its scale.
MF_INLINE float round_head(const float* from, int padded, uint8_t* to) {
  int32_t total;
  const float unit = round_to_int8(from, padded, (int8_t*)to, &total);
  for (int d = 0; d < padded; d++) to[d] ^= 0x80;
  return unit;
}

// Writes byte `which` of every four; the others stay as they are, whoever may be writing them.
MF_INLINE void store_fourths(const uint8_t* from, int count, int64_t which, uint8_t* to) {
#if defined(__AVX512BW__)
  const __mmask64 mask = 0x1111111111111111u << which;
  const __m128i shift = _mm_cvtsi64_si128(8 * which);
  for (int i = 0; i < count; i += 16) {
    const IntVec wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)(from + i)));
    _mm512_mask_storeu_epi8(to + i * 4, mask, _mm512_sll_epi32(wide, shift));
  }
#else
  for (int i = 0; i < count; i++) to[i * 4 + which] = from[i];
#endif
}

// Write a head's key or value [padded, with zeros] of one position, and return its scale.
MF_INLINE float store_key(const float* from, int64_t position, int padded, uint8_t* keys) {
  uint8_t whole[kMaxHead];
  const float scale = round_head(from, padded, whole);
  uint8_t* to = keys + span_at(position, padded) + position % kSpan * 4;
  for (int d = 0; d < padded; d += 4, to += kSpan * 4) memcpy(to, whole + d, 4);
  return scale;
}

MF_INLINE float store_value(const float* from, int64_t position, int padded, uint8_t* values) {
  uint8_t whole[kMaxHead];
  const float scale = round_head(from, padded, whole);
  uint8_t* to = values + span_at(position, padded) + position % kSpan / 4 * padded * 4;
  store_fourths(whole, padded, position % 4, to);
  return scale;
}

// Rounds a row's new key and value of one head into a cache of int8.
MF_INLINE void keep_head(const Step& step, int layer, int64_t row, int kv) {
  const Engine& engine = *step.engine;
  const mf_batch& batch = *step.batch;
  const int padded = engine.head_padded, heads = engine.model.num_kv_heads;
  const float* key = engine.fresh + (row * 2 * heads + kv) * padded;
  const int64_t at = layer * batch.layer_stride + batch.slots[row] * batch.slot_stride +
                     kv * batch.head_stride;
  const int64_t position = batch.positions[row], scale = at / padded + position;
  batch.key_scales[scale] = store_key(key, position, padded, (uint8_t*)batch.keys + at);
  batch.value_scales[scale] =
      store_value(key + heads * padded, position, padded, (uint8_t*)batch.values + at);
}

}  // namespace
