// Attention over a cache of float32 or bfloat16, one key/value head and up to kTile query vectors
// at a time. Keys and values are read once per tile, in spans of kSpan positions that begin at
// multiples of kSpan; every query's sums run over the positions in ascending order with one running
// maximum (arXiv:1805.02867), so that a row's result does not depend on the rows beside it.
#pragma once

#include "cache.h"
#include "matmul.h"
#include "softmax.h"

namespace {

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

// Attends scratch.queries [num_rows * group][padded] and leaves the result in scratch.attended.
template <int kKind>
static void attend(const Engine& engine, const AttentionTile& tile, const Scratch& own) {
  const int dim = engine.model.head_dim, padded = engine.head_padded;
  const int num_queries = tile.num_rows * tile.group;
  begin_queries(own, num_queries, padded);
  const Reach all = reach_of(tile);
  const void *keys = tile.head.keys, *values = tile.head.values;
  const bool direct = num_queries <= kDirectQueries && dim == padded;
  for (int64_t begin = all.lowest / kSpan * kSpan; begin <= all.highest; begin += kSpan) {
    const int count = (int)(all.highest + 1 - begin < kSpan ? all.highest + 1 - begin : kSpan);
    if (direct)
      score<kKind, true>(own.queries, num_queries, keys, begin, count, padded, own.scores);
    else
      score<kCacheFloat32, false>(own.queries, num_queries,
                                  widened<kKind>(keys, begin, count, dim, padded, own.head), 0,
                                  count, padded, own.scores);
    soften_span(tile, own, begin, padded);
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
  end_queries(own, num_queries, padded);
}

}  // namespace
