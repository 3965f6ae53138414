// Softmax attention over the cache, one key/value head and up to kTile query vectors at a time.
// Keys and values are read once per tile, in spans of kSpan positions that begin at multiples of
// kSpan; every query's sums run over the positions in ascending order with one running maximum
// (arXiv:1805.02867), so that a row's result does not depend on the rows beside it.
#pragma once

#include "cache.h"
#include "engine.h"
#include "matmul.h"

namespace {

struct Head {  // keys and values of one layer, slot and head: [max_len][head_dim]
  const void* keys;
  const void* values;
  const float* key_scales;  // [max_len], of int8 alone
  const float* value_scales;
};

// Up to here queries read keys and values where they are; more of them share a copy in floats.
constexpr int kDirectQueries = 4;

// Scores of R queries with P positions from `first` on, none past `last`. Every score is kLanes
// chains over the dimensions, added up in one order.
template <int kKind, int R, int P>
MF_INLINE void dots(const float* queries, const void* keys, int64_t first, int64_t last, int padded,
                    float* scores) {
  int64_t row[P];
  for (int p = 0; p < P; p++) row[p] = (first + p < last ? first + p : last) * padded;
  Vec sum[R][P];
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++) sum[r][p] = vset(0.0f);
  for (int d = 0; d < padded; d += kLanes) {
    Vec query[R];
    for (int r = 0; r < R; r++) query[r] = vload(queries + r * padded + d);
    for (int p = 0; p < P; p++) {
      const Vec key = cache_vec<kKind>(keys, row[p] + d);
      for (int r = 0; r < R; r++) sum[r][p] = vfma(query[r], key, sum[r][p]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p += 4) four_sums(sum[r] + p, scores + r * kSpan + p);
}

// Scores of all queries with positions [begin, begin + count) of keys [position][padded], as
// scores[query][kSpan]. Some past `count` repeat the last one; they are never read.
template <int kKind, bool kFetch>
static void score(const float* queries, int num_queries, const void* keys, int64_t begin, int count,
                  int padded, float* scores) {
  const int64_t last = begin + count - 1;
  for (int j = 0; j < count; j += 8) {
    for (int p = 0; kFetch && p < 8; p++) fetch_ahead<kKind>(keys, begin + j + p, padded);
    int m = 0;
    for (; m + 2 <= num_queries; m += 2)
      for (int half = j; half < j + 8 && half < count; half += 4)
        dots<kKind, 2, 4>(queries + m * padded, keys, begin + half, last, padded,
                          scores + m * kSpan + half);
    if (m < num_queries)
      dots<kKind, 1, 8>(queries + m * padded, keys, begin + j, last, padded,
                        scores + m * kSpan + j);
  }
}

// attended[query][padded] += scores[query][kSpan] . values [begin, begin + count), R queries, which
// read the values where they are. The order of the sums is FloatTile's.
template <int kKind, int R>
MF_INLINE void add_direct(const float* scores, const void* values, int64_t begin, int count,
                          int padded, float* attended) {
  constexpr int kGroup = kPanel / kLanes < 8 / R ? kPanel / kLanes : 8 / R;
  for (int d = 0; d < padded; d += kGroup * kLanes) {
    Vec sum[R][kGroup];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < kGroup; v++) sum[r][v] = vload(attended + r * padded + d + v * kLanes);
    for (int j = 0; j < count; j++) {
      if (d == 0) fetch_ahead<kKind>(values, begin + j, padded);
      for (int v = 0; v < kGroup; v++) {
        const Vec value = cache_vec<kKind>(values, (begin + j) * padded + d + v * kLanes);
        for (int r = 0; r < R; r++)
          sum[r][v] = vfma(vset(scores[r * kSpan + j]), value, sum[r][v]);
      }
    }
    for (int r = 0; r < R; r++)
      for (int v = 0; v < kGroup; v++) vstore(attended + r * padded + d + v * kLanes, sum[r][v]);
  }
}

// The same of any number of queries, over floats [count][padded].
static void add_values(const float* scores, int num_queries, const float* values, int count,
                       int padded, float* attended) {
  const int num_panels = padded / kPanel;
  int wide = panels_at_once(num_queries);
  for (int panel = 0; panel < num_panels; panel += wide) {
    while (wide > num_panels - panel) wide /= 2;
    TileJob job{{scores, nullptr, nullptr, nullptr, kSpan},
                (const uint8_t*)(values + panel * kPanel),
                padded * 4,
                kPanel * 4,
                count,
                attended + panel * kPanel,
                padded,
                false};
    run_rows<FloatTile>(job, num_queries, wide);
  }
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
template <int kKind>
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
  const void *keys = tile.head.keys, *values = tile.head.values;
  const bool direct = num_queries <= kDirectQueries && dim == padded;
  for (int64_t begin = lowest / kSpan * kSpan; begin <= highest; begin += kSpan) {
    const int count = (int)(highest + 1 - begin < kSpan ? highest + 1 - begin : kSpan);
    if (direct)
      score<kKind, true>(own.queries, num_queries, keys, begin, count, padded, own.scores);
    else
      score<kCacheFloat32, false>(own.queries, num_queries,
                          widened<kKind>(keys, begin, count, dim, padded, own.head), 0, count,
                          padded, own.scores);
    if (kKind == kCacheInt8)
      scale_span(tile.head.key_scales + begin, count, num_queries, own.scores);
    for (int m = 0; m < num_queries; m++) {
      const int row = m / tile.group;
      const int64_t first = first_read(tile, row) - begin, last = tile.positions[row] - begin;
      soften(own.scores + m * kSpan, first > 0 ? (int)first : 0,
             last < kSpan ? (int)last : kSpan - 1, own.peak + m, own.total + m * 16,
             own.attended + m * padded, padded);
    }
    if (kKind == kCacheInt8)
      scale_span(tile.head.value_scales + begin, count, num_queries, own.scores);
    if (direct && num_queries == 1)
      add_direct<kKind, 1>(own.scores, values, begin, count, padded, own.attended);
    else if (direct && num_queries == 2)
      add_direct<kKind, 2>(own.scores, values, begin, count, padded, own.attended);
    else if (direct && num_queries == 3)
      add_direct<kKind, 3>(own.scores, values, begin, count, padded, own.attended);
    else if (direct)
      add_direct<kKind, 4>(own.scores, values, begin, count, padded, own.attended);
    else
      add_values(own.scores, num_queries,
                 widened<kKind>(values, begin, count, dim, padded, own.head), count, padded,
                 own.attended);
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
  const int first = rows ? rows[part.begin] : part.begin;
  int32_t positions[kTile];
  for (int i = part.begin; i < part.end; i++)
    positions[i - part.begin] = batch.positions[rows ? rows[i] : i];
  const int64_t idx = layer * batch.layer_stride + batch.slots[first] * batch.slot_stride +
                      kv * batch.head_stride;
  const int64_t at = cache_width(model.cache_kind) * idx;
  const bool scaled = model.cache_kind == kCacheInt8;
  const AttentionTile tile{{(const char*)batch.keys + at, (const char*)batch.values + at,
                            scaled ? batch.key_scales + idx / dim : nullptr,
                            scaled ? batch.value_scales + idx / dim : nullptr},
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
  if (model.cache_kind == kCacheFloat32)
    attend<kCacheFloat32>(engine, tile, own);
  else if (model.cache_kind == kCacheBfloat16)
    attend<kCacheBfloat16>(engine, tile, own);
  else
    attend<kCacheInt8>(engine, tile, own);
  for (int m = 0; m < tile.num_rows * group; m++)
    memcpy(engine.attended + (int64_t)(part.begin + m / group) * engine.attended_padded +
               (kv * group + m % group) * dim,
           own.attended + m * engine.head_padded, dim * sizeof(float));
}

}  // namespace
