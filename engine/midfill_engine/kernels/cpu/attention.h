// Softmax attention over the cache, one key/value head and up to kTile query vectors at a time.
// Keys and values are read once per tile, in spans of kSpan positions that begin at multiples of
// kSpan; every query's sums run over the positions in ascending order with one running maximum
// (arXiv:1805.02867), so that a row's result does not depend on the rows beside it.
#pragma once

#include "engine.h"
#include "matmul.h"

namespace {

struct Head {  // keys and values of one layer, slot and head: [max_len][head_dim]
  const void* keys;
  const void* values;
};

template <bool kHalf>
MF_INLINE float cache_value(const void* rows, int64_t idx) {
  return kHalf ? widen(((const uint16_t*)rows)[idx]) : ((const float*)rows)[idx];
}

template <bool kHalf>
MF_INLINE Vec cache_vec(const void* rows, int64_t idx) {
  return kHalf ? vwiden((const uint16_t*)rows + idx) : vload((const float*)rows + idx);
}

// Keys [begin, begin + count) as panels of positions: out[panel][dimension][kPanel]. Positions
// past `count` repeat the last one; their scores are never read.
template <bool kHalf>
static void turn_keys(const void* keys, int begin, int count, int dim, float* out) {
  const int whole = dim / kLanes * kLanes;
  for (int j = 0; j < count; j += kLanes) {
    float* to = out + j / kPanel * dim * kPanel + j % kPanel;
    int64_t row[kLanes];
    for (int i = 0; i < kLanes; i++)
      row[i] = (int64_t)(begin + (j + i < count ? j + i : count - 1)) * dim;
    for (int d = 0; d < whole; d += kLanes) {
      Vec square[kLanes];
      for (int i = 0; i < kLanes; i++) square[i] = cache_vec<kHalf>(keys, row[i] + d);
      transpose(square);
      for (int i = 0; i < kLanes; i++) vstore(to + (d + i) * kPanel, square[i]);
    }
    for (int d = whole; d < dim; d++)
      for (int i = 0; i < kLanes; i++) to[d * kPanel + i] = cache_value<kHalf>(keys, row[i] + d);
  }
}

// Values [begin, begin + count) as floats, out[position][padded]; the padding is never written.
template <bool kHalf>
static void widen_values(const void* values, int begin, int count, int dim, int padded,
                         float* out) {
  const int whole = dim / kLanes * kLanes;
  for (int j = 0; j < count; j++) {
    const int64_t row = (int64_t)(begin + j) * dim;
    for (int d = 0; d < whole; d += kLanes)
      vstore(out + j * padded + d, cache_vec<kHalf>(values, row + d));
    for (int d = whole; d < dim; d++) out[j * padded + d] = cache_value<kHalf>(values, row + d);
  }
}

// Asks for positions [begin, begin + count) of keys or values that are needed soon.
MF_INLINE void fetch_ahead(const void* rows, int64_t begin, int64_t count, int64_t row_bytes) {
  const char* from = (const char*)rows + begin * row_bytes;
  for (int64_t at = 0; at < count * row_bytes; at += 64) __builtin_prefetch(from + at);
}

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
  const float top = highest > *peak ? highest : *peak;
  const Vec fade = vexp(vset(*peak - top));
  *peak = top;
  Vec sum = vmul(vload(total), fade);
  for (int j = 0; j < used; j += kLanes) {
    const Vec weight = vexp(vsub(vload(scores + j), vset(top)));
    vstore(scores + j, weight);
    sum = vadd(sum, weight);
  }
  vstore(total, sum);
  for (int d = 0; d < padded; d += kLanes) vstore(attended + d, vmul(vload(attended + d), fade));
}

MF_INLINE void product(const float* x, int64_t x_stride, int num_rows, const void* weights,
                       int64_t input_floats, int64_t panel_floats, int num_panels, int depth,
                       float* sums, int64_t sums_stride, bool fresh) {
  int wide = panels_at_once(num_rows);
  for (int panel = 0; panel < num_panels; panel += wide) {
    while (wide > num_panels - panel) wide /= 2;
    TileJob job{{x, nullptr, nullptr, nullptr, x_stride},
                (const uint8_t*)weights + panel * panel_floats * 4,
                input_floats * 4,
                panel_floats * 4,
                depth,
                sums + panel * kPanel,
                sums_stride,
                fresh};
    run_rows<FloatTile>(job, num_rows, wide);
  }
}

// Rows of one slot and the query heads of one key/value head.
struct AttentionTile {
  Head head;
  const int32_t* positions;  // [num_rows]
  int num_rows, group;
  int64_t window;
};

MF_INLINE int64_t first_read(const AttentionTile& tile, int row) {
  const int64_t from = tile.positions[row] - tile.window + 1;
  return tile.window && from > 0 ? from : 0;
}

// Attends scratch.queries [num_rows * group][padded] and leaves the result in scratch.attended.
template <bool kHalf>
static void attend(const Engine& engine, const AttentionTile& tile, const Scratch& own) {
  const int dim = engine.model.head_dim, padded = engine.head_padded;
  const int num_queries = tile.num_rows * tile.group;
  for (int m = 0; m < num_queries; m++) {
    own.peak[m] = -__builtin_inff();
    vstore(own.total + m * 16, vset(0.0f));
    for (int d = 0; d < padded; d += kLanes) vstore(own.attended + m * padded + d, vset(0.0f));
  }
  int64_t lowest = first_read(tile, 0), highest = 0;
  for (int r = 0; r < tile.num_rows; r++) {
    const int64_t from = first_read(tile, r);
    lowest = from < lowest ? from : lowest;
    highest = tile.positions[r] > highest ? tile.positions[r] : highest;
  }
  for (int64_t begin = lowest / kSpan * kSpan; begin <= highest; begin += kSpan) {
    const int count = (int)(highest + 1 - begin < kSpan ? highest + 1 - begin : kSpan);
    fetch_ahead(tile.head.values, begin, count, dim * (kHalf ? 2 : 4));
    turn_keys<kHalf>(tile.head.keys, (int)begin, count, dim, own.keys);
    product(own.queries, padded, num_queries, own.keys, kPanel, (int64_t)dim * kPanel,
            (count + kPanel - 1) / kPanel, dim, own.scores, kSpan, true);
    if (begin + kSpan <= highest)
      fetch_ahead(tile.head.keys, begin + kSpan, kSpan, dim * (kHalf ? 2 : 4));
    for (int m = 0; m < num_queries; m++) {
      const int row = m / tile.group;
      const int64_t first = first_read(tile, row) - begin, last = tile.positions[row] - begin;
      soften(own.scores + m * kSpan, first > 0 ? (int)first : 0,
             last < kSpan ? (int)last : kSpan - 1, own.peak + m, own.total + m * 16,
             own.attended + m * padded, padded);
    }
    const void* values = own.head_values;
    if (!kHalf && dim == padded)
      values = (const float*)tile.head.values + begin * dim;
    else
      widen_values<kHalf>(tile.head.values, (int)begin, count, dim, padded, own.head_values);
    product(own.scores, kSpan, num_queries, values, padded, kPanel, padded / kPanel, count,
            own.attended, padded, false);
  }
  for (int m = 0; m < num_queries; m++) {
    const Vec total = vset(lane_sum(vload(own.total + m * 16)));
    for (int d = 0; d < padded; d += kLanes) {
      float* out = own.attended + m * padded + d;
      vstore(out, vdiv(vload(out), total));
    }
  }
}

// Cuts rows (rows[i], or i where `rows` is null) into tiles of one slot; returns how many.
MF_INLINE int cut_tiles(const Engine& engine, const mf_batch& batch, const int32_t* rows,
                        int num_rows) {
  const int most = engine.tile / (engine.model.num_heads / engine.model.num_kv_heads);
  int count = 0;
  for (int begin = 0, end; begin < num_rows; begin = end) {
    const int slot = batch.slots[rows ? rows[begin] : begin];
    for (end = begin; end < num_rows && end - begin < most; end++)
      if (batch.slots[rows ? rows[end] : end] != slot) break;
    engine.tiles[count++] = {begin, end};
  }
  return count;
}

// Attends one tile and key/value head: rows[i] (or i) of `query` goes to row i of `attended`.
static void attend_tile(const Step& step, int layer, const Scratch& own, const int32_t* rows,
                        Tile part, int kv) {
  const Engine& engine = *step.engine;
  const mf_model& model = engine.model;
  const mf_batch& batch = *step.batch;
  const int dim = model.head_dim, group = model.num_heads / model.num_kv_heads;
  const int64_t query_stride = (int64_t)model.num_heads * dim;
  const int64_t width = model.cache_kind == kCacheBfloat16 ? 2 : 4;
  const int first = rows ? rows[part.begin] : part.begin;
  int32_t positions[kTile];
  for (int i = part.begin; i < part.end; i++)
    positions[i - part.begin] = batch.positions[rows ? rows[i] : i];
  const int64_t at = width * (layer * batch.layer_stride +
                              batch.slots[first] * batch.slot_stride + kv * batch.head_stride);
  const AttentionTile tile{{(const char*)batch.keys + at, (const char*)batch.values + at},
                           positions,
                           part.end - part.begin,
                           group,
                           model.layers[layer].window};
  for (int m = 0; m < tile.num_rows * group; m++) {
    const int i = part.begin + m / group;
    const float* from =
        engine.query + (rows ? rows[i] : i) * query_stride + (kv * group + m % group) * dim;
    for (int d = 0; d < dim; d++)
      own.queries[m * engine.head_padded + d] = from[d] * model.score_scale;
  }
  if (width == 2)
    attend<true>(engine, tile, own);
  else
    attend<false>(engine, tile, own);
  for (int m = 0; m < tile.num_rows * group; m++)
    memcpy(engine.attended + (int64_t)(part.begin + m / group) * engine.attended_padded +
               (kv * group + m % group) * dim,
           own.attended + m * engine.head_padded, dim * sizeof(float));
}

}  // namespace
