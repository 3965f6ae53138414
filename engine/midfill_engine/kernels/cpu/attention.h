// Which rows attend together, and what of the cache they read.
#pragma once

#include "attention_float.h"
#include "attention_whole.h"

namespace {

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

// Keys and values of a layer, slot and head.
MF_INLINE Head head_of(const Step& step, int layer, int slot, int kv) {
  const mf_batch& batch = *step.batch;
  const int kind = step.engine->model.cache_kind;
  const int64_t idx = layer * batch.layer_stride + slot * batch.slot_stride +
                      kv * batch.head_stride;
  const int64_t at = cache_width(kind) * idx, scale = idx / step.engine->head_padded;
  const bool scaled = kind == kCacheInt8;
  return {(const char*)batch.keys + at, (const char*)batch.values + at,
          scaled ? batch.key_scales + scale : nullptr,
          scaled ? batch.value_scales + scale : nullptr};
}

// Attends one tile and key/value head: rows[i] (or i) of `query` goes to row i of `attended`.
// `next` is what this thread will probably attend to after it, if anything.
static void attend_tile(const Step& step, int layer, const Scratch& own, const int32_t* rows,
                        Tile part, int kv, const Head& next) {
  const Engine& engine = *step.engine;
  const mf_model& model = engine.model;
  const mf_batch& batch = *step.batch;
  const int dim = model.head_dim, group = model.num_heads / model.num_kv_heads;
  const int64_t query_stride = (int64_t)model.num_heads * dim;
  const int first = rows ? rows[part.begin] : part.begin;
  int32_t positions[kTile];
  for (int i = part.begin; i < part.end; i++)
    positions[i - part.begin] = batch.positions[rows ? rows[i] : i];
  const AttentionTile tile{head_of(step, layer, batch.slots[first], kv),
                           positions,
                           part.end - part.begin,
                           group,
                           model.layers[layer].window,
                           next};
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
    attend_whole(engine, tile, own);
  for (int m = 0; m < tile.num_rows * group; m++)
    memcpy(engine.attended + (int64_t)(part.begin + m / group) * engine.attended_padded +
               (kv * group + m % group) * dim,
           own.attended + m * engine.head_padded, dim * sizeof(float));
}

}  // namespace
