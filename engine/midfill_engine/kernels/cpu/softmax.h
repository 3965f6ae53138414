// What attention is made of whatever the cache keeps: the running softmax of a query's scores, and
// which positions a query reads.
#pragma once

#include "engine.h"
#include "simd.h"

namespace {

struct Head {  // keys and values of one layer, slot and head
  const void* keys;
  const void* values;
  const float* key_scales;  // [position], of int8 alone
  const float* value_scales;
};

// Makes one query's scores of a span weights, and scales what was summed so far to them. `first`
// and `last` are the positions of the span that the query reads; others get the weight zero.
MF_INLINE void soften(float* scores, int first, int last, float* peak, float* total,
                      float* attended, int padded) {
  if (last < 0 || first >= kSpan) {
    for (int j = 0; j < kSpan; j += kLanes) vstore(scores + j, vset(0.0f));
    return;
  }
  const int used = (last + kLanes) / kLanes * kLanes;
  for (int j = 0; j < first; j++) scores[j] = -__builtin_inff();
  for (int j = last + 1; j < used; j++) scores[j] = -__builtin_inff();
  for (int j = used; j < kSpan; j += kLanes) vstore(scores + j, vset(0.0f));
  Vec most = vload(scores);
  for (int j = kLanes; j < used; j += kLanes) most = vmax(vload(scores + j), most);
  const float highest = lane_max(most);
  Vec sum = vload(total);
  if (!(highest <= *peak)) {  // else all fades by e^0
    const float top = highest > *peak ? highest : *peak;
    const Vec fade = vexp(vset(*peak - top));
    *peak = top;
    sum = vmul(sum, fade);
    for (int d = 0; d < padded; d += kLanes) vstore(attended + d, vmul(vload(attended + d), fade));
  }
  for (int j = 0; j < used; j += kLanes) {
    const Vec weight = vexp(vsub(vload(scores + j), vset(*peak)));
    vstore(scores + j, weight);
    sum = vadd(sum, weight);
  }
  vstore(total, sum);
}

// Rows of one slot and the query heads of one key/value head.
struct AttentionTile {
  Head head;
  const int32_t* positions;  // [num_rows]
  int num_rows, group;
  int64_t window;
  Head next;  // what is probably attended to after this, or nulls
};

MF_INLINE int64_t first_read(const AttentionTile& tile, int row) {
  const int64_t from = tile.positions[row] - tile.window + 1;
  return tile.window && from > 0 ? from : 0;
}

struct Reach {  // positions [lowest, highest]
  int64_t lowest, highest;
};

// What the rows of a tile read between them.
MF_INLINE Reach reach_of(const AttentionTile& tile) {
  Reach all{first_read(tile, 0), 0};
  for (int r = 0; r < tile.num_rows; r++) {
    const int64_t from = first_read(tile, r);
    all.lowest = from < all.lowest ? from : all.lowest;
    all.highest = tile.positions[r] > all.highest ? tile.positions[r] : all.highest;
  }
  return all;
}

// Nothing is read yet.
MF_INLINE void begin_queries(const Scratch& own, int num_queries, int padded) {
  for (int m = 0; m < num_queries; m++) {
    own.peak[m] = -__builtin_inff();
    vstore(own.total + m * 16, vset(0.0f));
    for (int d = 0; d < padded; d += kLanes) vstore(own.attended + m * padded + d, vset(0.0f));
  }
}

// Softens the scores of all queries with the span that begins at `begin`.
MF_INLINE void soften_span(const AttentionTile& tile, const Scratch& own, int64_t begin,
                           int padded) {
  for (int m = 0; m < tile.num_rows * tile.group; m++) {
    const int row = m / tile.group;
    const int64_t first = first_read(tile, row) - begin, last = tile.positions[row] - begin;
    soften(own.scores + m * kSpan, first > 0 ? (int)first : 0,
           last < kSpan ? (int)last : kSpan - 1, own.peak + m, own.total + m * 16,
           own.attended + m * padded, padded);
  }
}

// Divides what was summed by the weights' totals.
MF_INLINE void end_queries(const Scratch& own, int num_queries, int padded) {
  for (int m = 0; m < num_queries; m++) {
    const Vec total = vset(lane_sum(vload(own.total + m * 16)));
    for (int d = 0; d < padded; d += kLanes) {
      float* out = own.attended + m * padded + d;
      vstore(out, vdiv(vload(out), total));
    }
  }
}

}  // namespace
