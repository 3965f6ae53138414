// A step: embedding, layers, head. Compiled once per instruction set, with MF_STEP as the name of
// its entry. The caller's thread leads from stage to stage; the pieces of a stage write apart.
#include "attention.h"
#include "cache.h"
#include "engine.h"
#include "finish.h"
#include "matmul.h"
#include "prepare.h"

namespace {

constexpr int kRowPieces = 4;  // per thread, where rows are split
constexpr int kPrivateTiles = 32;  // of more it is not asked whose they are

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
    const int64_t blocks = padded / (kind == kInt4 ? kInt4Block : kInt8Block);
    const int64_t stage = ++engine.stage;
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

  // Rounds the layer's new keys and values into a cache of int8. Few rows are not worth a stage.
  void keep_fresh(int layer) const {
    const int heads = model.num_kv_heads;
    const auto keep = [&](int64_t row, int) {
      for (int kv = 0; kv < heads; kv++) keep_head(step, layer, row, kv);
    };
    if (batch.num_rows > kPrivateRows) return for_rows(batch.num_rows, keep);
    for (int64_t r = 0; r < batch.num_rows; r++) keep(r, 0);
  }

  // From the last layer's keys and values on only the rows with logits are needed.
  void keep_logit_rows() const {
    for (int64_t i = 0; i < batch.num_logits; i++)
      if (batch.logit_rows[i] != i)
        memcpy(engine.hidden + i * engine.hidden_padded,
               engine.hidden + (int64_t)batch.logit_rows[i] * engine.hidden_padded,
               engine.hidden_padded * sizeof(float));
  }

  // Whether a tile's rows are all that its slot has here, so that whoever attends a head of them
  // can keep their keys and values: nobody else reads them.
  bool tiles_are_slots() const {
    const int tiles = cut_tiles(engine, batch, nullptr, batch.num_rows);
    if (tiles > kPrivateTiles) return false;
    for (int i = 0; i < tiles; i++)
      for (int j = 0; j < i; j++)
        if (batch.slots[engine.tiles[i].begin] == batch.slots[engine.tiles[j].begin]) return false;
    return true;
  }

  void attend(int layer, const int32_t* rows, int num_rows, bool keep) const {
    const int tiles = cut_tiles(engine, batch, rows, num_rows), heads = model.num_kv_heads;
    parallel(tiles * heads, [&](int piece, int thread) {
      const Tile part = engine.tiles[piece / heads];
      for (int i = part.begin; keep && i < part.end; i++)
        keep_head(step, layer, rows ? rows[i] : i, piece % heads);
      const int after = piece + 1;
      Head next{};
      if (after < tiles * heads) {
        const int i = engine.tiles[after / heads].begin;
        next = head_of(step, layer, batch.slots[rows ? rows[i] : i], after % heads);
      }
      attend_tile(step, layer, engine.scratch[thread], rows, part, piece % heads, next);
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
    const bool is_whole = model.cache_kind == kCacheInt8, apart = is_whole && tiles_are_slots();
    for (int layer = 0; layer < model.num_layers; layer++) {
      const bool last = layer == model.num_layers - 1;
      const bool keep = apart && (!last || batch.num_logits == batch.num_rows);
      write_qkv(layer);
      if (is_whole && !keep) keep_fresh(layer);
      if (last && batch.num_logits == 0) return;
      if (last) keep_logit_rows();
      const int rows = last ? batch.num_logits : batch.num_rows;
      attend(layer, last ? batch.logit_rows : nullptr, rows, keep);
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
