// What becomes of a product's panels as soon as they are summed: bias, rotation and cache writes,
// residual, gate, and the best logit. Called by matmul.h with the sums of one panel, all rows.
#pragma once

#include "cache.h"
#include "engine.h"
#include "simd.h"

namespace {

MF_INLINE Vec biased(const float* sums, const float* bias, int column) {
  return bias ? vadd(vload(sums), vload(bias + column)) : vload(sums);
}

// Queries, keys and values: bias, rotation, and keys and values into the cache, or where the cache
// is of int8 to where a head is whole.
struct FinishQkv {
  const Step& step;
  int layer;
  const float* bias;

  void operator()(int panel, const float* sums, int64_t stride) const {
    const mf_model& model = step.engine->model;
    const int dim = model.head_dim;
    const int count = (model.num_heads + 2 * model.num_kv_heads) * dim;
    const int unit = dim % kLanes ? 2 : kLanes;  // columns that surely share a head
    for (int r = 0; r < step.batch->num_rows; r++, sums += stride) {
      for (int v = 0; v < kPanel && panel * kPanel + v < count; v += kLanes) {
        const int column = panel * kPanel + v;
        float turned[kLanes], plain[kLanes];
        vstore(plain, biased(sums + v, bias, column));
        const float* turns = model.rotations + (int64_t)step.batch->positions[r] * dim;
        if (unit == kLanes) {
          vstore(turned, vrotate(vload(plain), vload(turns + column % dim)));
          store(r, column, plain, turned, kLanes);
          continue;
        }
        for (int i = 0; i < kLanes && column + i < count; i += 2) {
          const float* turn = turns + (column + i) % dim;
          turned[i] = plain[i] * turn[0] - plain[i + 1] * turn[1];
          turned[i + 1] = plain[i + 1] * turn[0] + plain[i] * turn[1];
          store(r, column + i, plain + i, turned + i, 2);
        }
      }
    }
  }

  void store(int row, int column, const float* plain, const float* turned, int count) const {
    const mf_model& model = step.engine->model;
    const mf_batch& batch = *step.batch;
    const int dim = model.head_dim, head = column / dim;
    if (head < model.num_heads) {
      float* to = step.engine->query + (int64_t)row * model.num_heads * dim + column;
      memcpy(to, turned, count * sizeof(float));
      return;
    }
    const bool is_key = head < model.num_heads + model.num_kv_heads;
    const int kv = head - model.num_heads - (is_key ? 0 : model.num_kv_heads);
    const float* from = is_key ? turned : plain;
    if (model.cache_kind == kCacheInt8) {
      const int64_t which = (2 * (int64_t)row + (is_key ? 0 : 1)) * model.num_kv_heads + kv;
      memcpy(step.engine->fresh + which * step.engine->head_padded + column % dim, from,
             count * sizeof(float));
      return;
    }
    const int64_t idx = layer * batch.layer_stride + batch.slots[row] * batch.slot_stride +
                        kv * batch.head_stride + (int64_t)batch.positions[row] * dim +
                        column % dim;
    store_cache(is_key ? batch.keys : batch.values, idx, from, count,
                model.cache_kind == kCacheBfloat16);
  }
};

struct FinishAdd {  // the residual
  float* hidden;
  int64_t hidden_stride;
  const float* bias;
  int num_rows;

  void operator()(int panel, const float* sums, int64_t stride) const {
    for (int r = 0; r < num_rows; r++, sums += stride)
      for (int v = 0; v < kPanel; v += kLanes) {
        float* to = hidden + r * hidden_stride + panel * kPanel + v;
        vstore(to, vadd(vload(to), biased(sums + v, bias, panel * kPanel + v)));
      }
  }
};

struct FinishGate {  // silu(gate) * up (arXiv:2002.05202)
  float* gated;
  int64_t gated_stride;
  const float* bias;
  int num_rows;

  void operator()(int panel, const float* sums, int64_t stride) const {
    const int half = kPanel / 2;
    for (int r = 0; r < num_rows; r++, sums += stride)
      for (int v = 0; v < half; v += kLanes) {
        const Vec gate = biased(sums + v, bias, panel * kPanel + v);
        const Vec up = biased(sums + half + v, bias, panel * kPanel + half + v);
        const Vec open = vadd(vexp(vsub(vset(0.0f), gate)), vset(1.0f));
        vstore(gated + r * gated_stride + panel * half + v, vmul(vdiv(gate, open), up));
      }
  }
};

// Logits [kPanel] of tokens from `first` on, `count` of which there are.
MF_INLINE PanelBest best_of_panel(const float* logits, int first, int count) {
  const float lowest = -__builtin_inff();
  float own[kPanel];
  if (count < kPanel) {
    for (int i = 0; i < kPanel; i++) own[i] = i < count ? logits[i] : lowest;
    logits = own;
  }
  Vec most = vload(logits), numbers = vset(0.0f);
  for (int v = 0; v < kPanel; v += kLanes) {
    const Vec part = vload(logits + v);
    most = vmax(part, most);
    numbers = vadd(numbers, vkeep_from(part, vset(lowest), vset(1.0f)));
  }
  if (lane_sum(numbers) != (float)kPanel) return {__builtin_nanf(""), 0.0f, first};
  const float peak = lane_max(most);
  Vec total = vset(0.0f);
  for (int v = 0; v < kPanel; v += kLanes)
    total = vadd(total, vexp(vsub(vload(logits + v), vset(peak))));
  int at = 0;
  while (logits[at] != peak) at++;
  return {peak, lane_sum(total), first + at};
}

struct FinishLogits {
  float* logits;  // or null
  PanelBest* bests;
  int vocab, num_rows;

  void operator()(int panel, const float* sums, int64_t stride) const {
    const int left = vocab - panel * kPanel, count = left < kPanel ? left : kPanel;
    const int64_t panels = (vocab + kPanel - 1) / kPanel;
    for (int64_t r = 0; r < num_rows; r++, sums += stride) {
      if (logits) memcpy(logits + r * vocab + panel * kPanel, sums, count * sizeof(float));
      bests[r * panels + panel] = best_of_panel(sums, panel * kPanel, count);
    }
  }
};

}  // namespace
