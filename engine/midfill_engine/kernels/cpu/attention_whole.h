// Attention over a cache of int8, in whole numbers: a query is rounded to int8, the softmax's
// weights of a span to two of them, and what they come to with keys and values is summed exactly.
// Spans and their order are those of attention_float.h, and a row depends as little on others.
#pragma once

#include "cache.h"
#include "dots.h"
#include "softmax.h"

namespace {

// A weight is (high + low / kLowUnit) / 127 of the largest of its span.
constexpr float kLowUnit = 254.0f;

// What is added to products with numbers that have 128 too much.
MF_INLINE IntVec offset_of(int32_t total) { return iset(kUnsignedWeights ? -128 * total : 0); }

MF_INLINE void round_queries(const Scratch& own, int num_queries, int padded) {
  for (int m = 0; m < num_queries; m++)
    own.query_units[m] =
        round_to_int8(own.queries + m * padded, padded, own.whole_queries + m * padded,
                      own.query_totals + m);
}

// A span's scales, zero past `count`: what lies there may be anything.
MF_INLINE void load_scales(const float* from, int count, float* to) {
  memcpy(to, from, count * sizeof(float));
  for (int j = count; j < kSpan; j++) to[j] = 0.0f;
}

// Asks for a span's scales.
MF_INLINE void ask_for_scales(const float* from) {
  if (from) ask_for((const uint8_t*)from, 0, kSpan * sizeof(float));
}

MF_INLINE void finish_scores(const Scratch& own, int num_queries, const float* scales) {
  for (int m = 0; m < num_queries; m++) {
    const IntVec offset = offset_of(own.query_totals[m]);
    const Vec unit = vset(own.query_units[m]);
    for (int j = 0; j < kSpan; j += kLanes) {
      const Vec whole = vfloat(iadd(iload(own.dots + m * kSpan + j), offset));
      vstore(own.scores + m * kSpan + j, vmul(vmul(whole, unit), vload(scales + j)));
    }
  }
}

// Rounds one query's weights, each times its value's scale, to rows 2m and 2m + 1.
MF_INLINE void round_weights(const Scratch& own, int m, const float* scales) {
  const float* weights = own.scores + m * kSpan;
  int8_t* to = own.whole_weights + m * 2 * kSpan;
  IntVec most = iset(0);
  for (int j = 0; j < kSpan; j += kLanes)
    most = imax(size_bits(vmul(vload(weights + j), vload(scales + j))), most);
  const float largest = largest_of(most);
  own.weight_units[m] = largest / 127.0f;
  if (largest != largest) {
    memset(to, 0, 2 * kSpan);
    own.weight_totals[2 * m] = own.weight_totals[2 * m + 1] = 0;
    return;
  }
  const Vec inverse = to_127(largest);
  IntVec high_total = iset(0), low_total = iset(0);
  for (int j = 0; j < kSpan; j += kLanes) {
    const Vec exact = vmul(vmul(vload(weights + j), vload(scales + j)), inverse);
    const IntVec high = vround(exact);
    const IntVec low = vround(vmul(vsub(exact, vfloat(high)), vset(kLowUnit)));
    vstore_int8(to + j, high);
    vstore_int8(to + kSpan + j, low);
    high_total = iadd(high_total, high);
    low_total = iadd(low_total, low);
  }
  own.weight_totals[2 * m] = lane_total(high_total);
  own.weight_totals[2 * m + 1] = lane_total(low_total);
}

// attended[query][padded] += what the rounded weights and the values come to.
MF_INLINE void add_whole(const Scratch& own, int m, int padded) {
  const int32_t *high = own.dots + 2 * m * padded, *low = high + padded;
  float* attended = own.attended + m * padded;
  const IntVec high_offset = offset_of(own.weight_totals[2 * m]);
  const IntVec low_offset = offset_of(own.weight_totals[2 * m + 1]);
  for (int d = 0; d < padded; d += kLanes) {
    const Vec part = vfloat(iadd(iload(low + d), low_offset));
    const Vec all = vfma(part, vset(1.0f / kLowUnit), vfloat(iadd(iload(high + d), high_offset)));
    vstore(attended + d, vfma(all, vset(own.weight_units[m]), vload(attended + d)));
  }
}

MF_INLINE void attend_spans(const Engine& engine, const AttentionTile& tile, const Scratch& own,
                            bool tiles) {
  const int padded = engine.head_padded, num_queries = tile.num_rows * tile.group;
  begin_queries(own, num_queries, padded);
  round_queries(own, num_queries, padded);
  const Reach all = reach_of(tile);
  for (int64_t begin = all.lowest / kSpan * kSpan; begin <= all.highest; begin += kSpan) {
    const int count = (int)(all.highest + 1 - begin < kSpan ? all.highest + 1 - begin : kSpan);
    const uint8_t* keys = (const uint8_t*)tile.head.keys + begin * padded;
    const uint8_t* values = (const uint8_t*)tile.head.values + begin * padded;
    const bool more = begin + kSpan <= all.highest;
    float scales[kSpan];
    ask_for_scales(more ? tile.head.key_scales + begin + kSpan : tile.next.key_scales);
    ask_for_scales(more ? tile.head.value_scales + begin + kSpan : tile.next.value_scales);
    Dots scores{own.whole_queries, num_queries, keys, padded, kSpan, own.dots};
    scores.used_outputs = count;
    if (more)
      scores.next = keys + kSpan * padded;
    else if (tile.next.keys)
      ask_for((const uint8_t*)tile.next.keys, 0, kSpan * padded);
    dot(scores, tiles);
    load_scales(tile.head.key_scales + begin, count, scales);
    finish_scores(own, num_queries, scales);
    soften_span(tile, own, begin, padded);
    load_scales(tile.head.value_scales + begin, count, scales);
    for (int m = 0; m < num_queries; m++) round_weights(own, m, scales);
    Dots sums{own.whole_weights, 2 * num_queries, values, kSpan, padded, own.dots};
    sums.used_depth = count;
    if (more)
      sums.next = values + kSpan * padded;
    else if (tile.next.values)
      ask_for((const uint8_t*)tile.next.values, 0, kSpan * padded);
    dot(sums, tiles);
    for (int m = 0; m < num_queries; m++) add_whole(own, m, padded);
  }
  end_queries(own, num_queries, padded);
}

// Attends scratch.queries [num_rows * group][padded] and leaves the result in scratch.attended.
static void attend_whole(const Engine& engine, const AttentionTile& tile, const Scratch& own) {
#if defined(__AMX_INT8__)
  const int num_queries = tile.num_rows * tile.group;
  if (engine.head_padded % 64 == 0 && 2 * num_queries >= kDotTilesFrom) {
    const AmxTiles tiles(64, 2 * num_queries);
    return attend_spans(engine, tile, own, true);
  }
#endif
  attend_spans(engine, tile, own, false);
}

}  // namespace
