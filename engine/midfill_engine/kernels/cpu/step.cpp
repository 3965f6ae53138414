// One thread's part of a step: embedding, layers, head. Compiled once per instruction set, with
// MF_STEP as the name of its entry. Between two barriers every thread writes only what is its own.
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

struct FinishLogits {
  float* logits;
  int vocab, num_rows;

  void operator()(int panel, const float* sums, int64_t stride) const {
    const int left = vocab - panel * kPanel, count = left < kPanel ? left : kPanel;
    for (int r = 0; r < num_rows; r++, sums += stride)
      memcpy(logits + (int64_t)r * vocab + panel * kPanel, sums, count * sizeof(float));
  }
};

// The step as one thread sees it.
struct Part {
  const Step& step;
  const Engine& engine;
  const mf_model& model;
  const mf_batch& batch;
  int thread;

  Matrix matrix(const void* data, int depth) const {
    return {(const uint8_t*)data, depth, model.weight_kind};
  }

  template <class Finish>
  void run(const Input& x, int num_rows, const Matrix& weights, int num_outputs,
           const Finish& finish) const {
    const int panels = (num_outputs + kPanel - 1) / kPanel;
    const Share part = share(panels, thread, pool_size(engine.pool));
    multiply(x, num_rows, weights, part.begin, part.end, engine.scratch[thread].sums, finish);
    pool_wait(engine.pool);
  }

  void embed() const {
    const Matrix table = matrix(model.embedding, engine.hidden_padded);
    const Share part = share(batch.num_rows, thread, pool_size(engine.pool));
    for (int64_t r = part.begin; r < part.end; r++)
      unpack_column(table, batch.token_ids[r], engine.hidden + r * engine.hidden_padded);
    pool_wait(engine.pool);
  }

  void write_qkv(int layer) const {
    const mf_layer& weights = model.layers[layer];
    const int rows = batch.num_rows;
    const Input x = prepare(engine, thread, engine.hidden, rows, model.hidden,
                            engine.hidden_padded, weights.attention_norm);
    run(x, rows, matrix(weights.qkv, engine.hidden_padded),
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

  void mix(int layer, int rows) const {
    const mf_layer& weights = model.layers[layer];
    const Input attended = prepare(engine, thread, engine.attended, rows, engine.attended_padded,
                                   engine.attended_padded, nullptr);
    run(attended, rows, matrix(weights.out, engine.attended_padded), model.hidden,
        FinishAdd{engine.hidden, engine.hidden_padded, weights.out_bias, rows});
    const Input x = prepare(engine, thread, engine.hidden, rows, model.hidden,
                            engine.hidden_padded, weights.mlp_norm);
    run(x, rows, matrix(weights.gate_up, engine.hidden_padded), 2 * engine.intermediate_padded,
        FinishGate{engine.gated, engine.intermediate_padded, weights.gate_up_bias, rows});
    const Input gated = prepare(engine, thread, engine.gated, rows, engine.intermediate_padded,
                                engine.intermediate_padded, nullptr);
    run(gated, rows, matrix(weights.down, engine.intermediate_padded), model.hidden,
        FinishAdd{engine.hidden, engine.hidden_padded, weights.down_bias, rows});
  }

  void run_all() const {
    // Read before the last barrier: behind it the caller may have left, and the batch with it.
    const int logit_rows = batch.num_logits;
    embed();
    for (int layer = 0; layer < model.num_layers; layer++) {
      const bool last = layer == model.num_layers - 1;
      write_qkv(layer);
      if (last && logit_rows == 0) return;
      if (last && thread == 0) keep_logit_rows();
      const int rows = last ? logit_rows : batch.num_rows;
      attend_all(step, layer, thread, last ? batch.logit_rows : nullptr, rows);
      pool_wait(engine.pool);
      mix(layer, rows);
    }
    const Input x = prepare(engine, thread, engine.hidden, logit_rows, model.hidden,
                            engine.hidden_padded, model.final_norm);
    run(x, logit_rows, matrix(model.head, engine.hidden_padded), model.vocab,
        FinishLogits{batch.logits, model.vocab, logit_rows});
  }
};

}  // namespace

void MF_STEP(const Step& step, int thread) {
  Part{step, *step.engine, step.engine->model, *step.batch, thread}.run_all();
}
