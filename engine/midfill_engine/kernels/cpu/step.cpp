// A step: embedding, layers, head. Compiled once per instruction set, with MF_STEP as the name of
// its entry. The caller's thread leads from stage to stage; the pieces of a stage write apart.
#include "attention.h"
#include "engine.h"
#include "matmul.h"
#include "prepare.h"

namespace {

MF_INLINE Vec biased(const float* sums, const float* bias, int column) {
  return bias ? vadd(vload(sums), vload(bias + column)) : vload(sums);
}

MF_INLINE void store_cache(void* cache, int64_t idx, const float* from, int count, bool half) {
  for (int i = 0; i < count; i++) {
    if (half)
      ((uint16_t*)cache)[idx + i] = narrow(from[i]);
    else
      ((float*)cache)[idx + i] = from[i];
  }
}

// Queries, keys and values: bias, rotation, and keys and values into the cache.
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
    const int64_t idx = layer * batch.layer_stride + batch.slots[row] * batch.slot_stride +
                        kv * batch.head_stride + (int64_t)batch.positions[row] * dim +
                        column % dim;
    store_cache(is_key ? batch.keys : batch.values, idx, is_key ? turned : plain, count,
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

constexpr int kRowPieces = 4;  // per thread, where rows are split

// The step as its leading thread sees it.
struct Run {
  const Step& step;
  Engine& engine;
  const mf_model& model;
  const mf_batch& batch;

  template <class Body>
  void parallel(int count, const Body& body) const {
    pool_for(
        engine.pool, count,
        [](const void* context, int piece, int thread) {
          (*static_cast<const Body*>(context))(piece, thread);
        },
        &body);
  }

  // Runs body(row, thread) for all rows.
  template <class Body>
  void for_rows(int num_rows, const Body& body) const {
    const int most = kRowPieces * pool_size(engine.pool);
    const int pieces = num_rows < most ? num_rows : most;
    parallel(pieces, [&](int piece, int thread) {
      for (int r = num_rows * piece / pieces; r < num_rows * (piece + 1) / pieces; r++)
        body((int64_t)r, thread);
    });
  }

  // Multiplies rows [num_rows][padded], normalised with `norm` unless it is null, and finishes
  // every panel. Few rows are prepared by every thread for itself, more of them together.
  template <class Finish>
  void multiply_rows(const float* rows, int num_rows, int count, int padded, const float* norm,
                     const void* weights, int kind, int num_outputs, const Finish& finish) const {
    const bool plain = kind < kInt8 && !norm, alone = num_rows <= kPrivateRows;
    const int64_t blocks = padded / kBlock, stage = ++engine.stage;
    const auto prepare = [&](int64_t r, Scratch& own, const Input& to) {
      prepare_row(engine, own, kind, rows + r * padded, count, padded, norm,
                  const_cast<float*>(to.values) + r * padded,
                  const_cast<int8_t*>(to.quants) + r * padded,
                  const_cast<float*>(to.scales) + r * blocks,
                  const_cast<int32_t*>(to.sums) + r * blocks);
    };
    const Input shared{plain ? rows : engine.values, engine.quants, engine.scales,
                       engine.block_sums, padded};
    if (!plain && !alone)
      for_rows(num_rows,
               [&](int64_t r, int thread) { prepare(r, engine.scratch[thread], shared); });
    const Matrix matrix{(const uint8_t*)weights, padded, kind};
    const int panels = (num_outputs + kPanel - 1) / kPanel, wide = panels_at_once(num_rows);
    parallel((panels + wide - 1) / wide, [&](int piece, int thread) {
      Scratch& own = engine.scratch[thread];
      Input x = shared;
      if (!plain && alone) {
        x = {own.values, own.quants, own.scales, own.block_sums, padded};
        if (own.prepared != stage)
          for (int r = 0; r < num_rows; r++) prepare(r, own, x);
        own.prepared = stage;
      }
      const int begin = piece * wide, end = begin + wide < panels ? begin + wide : panels;
      multiply(x, num_rows, matrix, begin, end, own.sums, finish);
    });
  }

  void embed() const {
    const Matrix table{(const uint8_t*)model.embedding, engine.hidden_padded, model.head_kind};
    for_rows(batch.num_rows, [&](int64_t r, int) {
      unpack_column(table, batch.token_ids[r], engine.hidden + r * engine.hidden_padded);
    });
  }

  void write_qkv(int layer) const {
    const mf_layer& weights = model.layers[layer];
    multiply_rows(engine.hidden, batch.num_rows, model.hidden, engine.hidden_padded,
                  weights.attention_norm, weights.qkv, model.weight_kind,
                  (model.num_heads + 2 * model.num_kv_heads) * model.head_dim,
                  FinishQkv{step, layer, weights.qkv_bias});
  }

  // From the last layer's keys and values on only the rows with logits are needed.
  void keep_logit_rows() const {
    for (int64_t i = 0; i < batch.num_logits; i++)
      if (batch.logit_rows[i] != i)
        memcpy(engine.hidden + i * engine.hidden_padded,
               engine.hidden + (int64_t)batch.logit_rows[i] * engine.hidden_padded,
               engine.hidden_padded * sizeof(float));
  }

  void attend(int layer, const int32_t* rows, int num_rows) const {
    const int tiles = cut_tiles(engine, batch, rows, num_rows), heads = model.num_kv_heads;
    parallel(tiles * heads, [&](int piece, int thread) {
      attend_tile(step, layer, engine.scratch[thread], rows, engine.tiles[piece / heads],
                  piece % heads);
    });
  }

  void mix(int layer, int rows) const {
    const mf_layer& weights = model.layers[layer];
    multiply_rows(engine.attended, rows, engine.attended_padded, engine.attended_padded, nullptr,
                  weights.out, model.weight_kind, model.hidden,
                  FinishAdd{engine.hidden, engine.hidden_padded, weights.out_bias, rows});
    multiply_rows(engine.hidden, rows, model.hidden, engine.hidden_padded, weights.mlp_norm,
                  weights.gate_up, model.weight_kind, 2 * engine.intermediate_padded,
                  FinishGate{engine.gated, engine.intermediate_padded, weights.gate_up_bias, rows});
    multiply_rows(engine.gated, rows, engine.intermediate_padded, engine.intermediate_padded,
                  nullptr, weights.down, model.weight_kind, model.hidden,
                  FinishAdd{engine.hidden, engine.hidden_padded, weights.down_bias, rows});
  }

  void run_all() const {
    embed();
    for (int layer = 0; layer < model.num_layers; layer++) {
      const bool last = layer == model.num_layers - 1;
      write_qkv(layer);
      if (last && batch.num_logits == 0) return;
      if (last) keep_logit_rows();
      const int rows = last ? batch.num_logits : batch.num_rows;
      attend(layer, last ? batch.logit_rows : nullptr, rows);
      mix(layer, rows);
    }
    multiply_rows(engine.hidden, batch.num_logits, model.hidden, engine.hidden_padded,
                  model.final_norm, model.head, model.head_kind, model.vocab,
                  FinishLogits{batch.logits, engine.bests, model.vocab, batch.num_logits});
    for_rows(batch.num_logits, [&](int64_t r, int) { choose(r); });
  }

  // The best of a row's panels and its log-probability, in the panels' order.
  void choose(int64_t row) const {
    const int64_t panels = (model.vocab + kPanel - 1) / kPanel;
    const PanelBest* bests = engine.bests + row * panels;
    const PanelBest* best = bests;
    bool numbers = true;
    for (int64_t p = 0; p < panels; p++) {
      numbers = numbers && bests[p].peak == bests[p].peak;
      if (bests[p].peak > best->peak) best = bests + p;
    }
    const bool finite = numbers && best->peak - best->peak == 0.0f;
    float weights[kLanes], total = 0.0f;
    for (int64_t p = 0; finite && p < panels; p += kLanes) {
      const int count = (int)(panels - p < kLanes ? panels - p : kLanes);
      for (int i = 0; i < kLanes; i++)
        weights[i] = i < count ? bests[p + i].peak - best->peak : -__builtin_inff();
      vstore(weights, vexp(vload(weights)));
      for (int i = 0; i < count; i++) total += weights[i] * bests[p + i].total;
    }
    batch.best[row] = best->token;
    batch.best_logprob[row] = finite ? -__builtin_logf(total) : __builtin_nanf("");
  }
};

}  // namespace

void MF_STEP(const Step& step) {
  Run{step, *step.engine, step.engine->model, *step.batch}.run_all();
}
