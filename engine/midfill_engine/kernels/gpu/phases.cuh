// What the computing warps of a block do in each phase of a step.
#pragma once

struct Scratch {
  union {
    float sums[2][2][WARPS][MOST_ROWS][OUTPUTS];  // by turn, matrix, warp
    float shares[16 * NUM_WORKERS];               // of a piece's values: [part][query][dimension]
  };
  float queries[TOGETHER][HEAD_DIM];
  float scores[TOGETHER][PIECE];
  float each[WARPS];
};

DEVICE float low(u32 pair) { return bits_float(pair << 16); }
DEVICE float high(u32 pair) { return bits_float(pair & 0xffff0000u); }
DEVICE u16 bf16(float value) { return static_cast<u16>(pack_bf16(value, 0.0f)); }

// A pair as the layers' matrices take it; float16 ends at its largest, NaN stays.
DEVICE u32 as_operands(float a, float b) {
  if (WEIGHT_KIND == 0) return pack_bf16(a, b);
  a = a > 65504.0f ? 65504.0f : a < -65504.0f ? -65504.0f : a;
  b = b > 65504.0f ? 65504.0f : b < -65504.0f ? -65504.0f : b;
  return pack_f16(a, b);
}

template <bool WIDE>  // more than 8 rows
struct Worker {
  const Step& step;
  Ring ring;
  Scratch& scratch;
  u8* inputs;  // the rows that a matrix takes: [rows, inputs], 16 bytes behind each
  const int thread, warp, lane;
  Share share;
  int turn = 0, met = 0;

  DEVICE Worker(const Step& s, Ring r, Scratch& sc, u8* in)
      : step(s), ring(r), scratch(sc), inputs(in), thread(thread_id()), warp(thread / 32),
        lane(thread % 32) {}

  DEVICE void run() {
    for (int idx = 0; idx < step.num_layers; ++idx) {
      const Layer& layer = step.layers[idx];
      normalise(layer.attention_norm, idx == 0 ? FROM_TOKENS : FROM_SPLITS, WEIGHT_KIND == 0);
      write_qkv(layer);
      attend(layer);
      combine();
      add_out(layer.out);
      normalise(layer.mlp_norm, FROM_ONE, WEIGHT_KIND == 0);
      gate_up(layer.gate_up);
      add_down(layer.down);
    }
    normalise(step.final_norm, FROM_SPLITS, true);
    project();
  }

  // ---- all blocks together ----

  // Waits until every block is here; what was written before is seen after it.
  DEVICE void meet() {
    fence_device();
    sync_workers();
    if (thread == 0) {
      const u64 came = cycles();
      const u64 all = num_blocks();
      const u64 until = (count_up(step.counter) / all + 1) * all;
      while (read_counter(step.counter) < until)
        if (cycles() - came > PATIENCE) give_up();
      if (TIMED) {
        u64* place = step.times + (block_id() * (8 * step.num_layers + 1) + met++) * 2;
        place[0] = came;
        place[1] = cycles();
      }
    }
    sync_workers();
  }

  // ---- the norm ----

  enum Source { FROM_TOKENS, FROM_ONE, FROM_SPLITS };

  // Adds what is new to a row's hidden state, and writes it normalised; a block a row.
  DEVICE void normalise(const u16* weight, Source source, bool as_bf16) {
    for (int row = block_id(); row < step.num_rows; row += num_blocks())
      normalise_row(row, weight, source, as_bf16);
    meet();
  }

  DEVICE void normalise_row(int row, const u16* weight, Source source, bool as_bf16) {
    constexpr int EACH = (HIDDEN / 8 + NUM_WORKERS - 1) / NUM_WORKERS;  // vectors of a thread
    Vec kept[EACH];
    float squares = 0.0f;
    const u16* token = step.embedding + step.token_ids[row] * HIDDEN;
    u16* hidden = step.hidden + row * HIDDEN;
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      int at = (i * NUM_WORKERS + thread) * 8;
      if (at >= HIDDEN) continue;
      kept[i] = load_fresh((source == FROM_TOKENS ? token : hidden) + at);
      if (source != FROM_TOKENS) {
        add_parts(kept[i], row, at, source == FROM_ONE ? 1 : SPLITS);
      }
      *reinterpret_cast<Vec*>(hidden + at) = kept[i];
      #pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        squares += low(kept[i].v[pair]) * low(kept[i].v[pair]);
        squares += high(kept[i].v[pair]) * high(kept[i].v[pair]);
      }
    }
    float factor = inverse_root(sum_of_all(squares) / HIDDEN + step.eps);
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      int at = (i * NUM_WORKERS + thread) * 8;
      if (at >= HIDDEN) continue;
      Vec weights = *reinterpret_cast<const Vec*>(weight + at), found;
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        u32 value = kept[i].v[pair], by = weights.v[pair];
        float a = low(value) * factor * low(by), b = high(value) * factor * high(by);
        found.v[pair] = as_bf16 ? pack_bf16(a, b) : as_operands(a, b);
      }
      *reinterpret_cast<Vec*>(step.normed + row * HIDDEN + at) = found;
    }
  }

  DEVICE void add_parts(Vec& kept, int row, int at, int count) {
    float sums[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[i] = 0.0f;
    for (int part = 0; part < count; ++part) {
      const float* from = step.parts + (static_cast<i64>(part) * step.num_rows + row) * HIDDEN + at;
      Vec halves[2] = {load_fresh(from), load_fresh(from + 4)};
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[i] += bits_float(halves[i / 4].v[i % 4]);
    }
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      u32& value = kept.v[pair];
      value = pack_bf16(low(value) + sums[2 * pair], high(value) + sums[2 * pair + 1]);
    }
  }

  DEVICE float sum_of_all(float value) {
    for (int mask = 16; mask; mask /= 2) value += shuffle_xor(value, mask);
    if (lane == 0) scratch.each[warp] = value;
    sync_workers();
    float total = 0.0f;
    for (int i = 0; i < WARPS; ++i) total += scratch.each[i];
    sync_workers();
    return total;
  }

  // ---- products ----

  // Fetches inputs [begin, begin + length) of every row.
  DEVICE void fetch(const u16* from, int num_inputs, int begin, int length) {
    int each = length / 8;
    for (int idx = thread; idx < step.num_rows * each; idx += NUM_WORKERS) {
      int row = idx / each, at = idx % each * 8;
      *reinterpret_cast<Vec*>(inputs + row * (length * 2 + 16) + at * 2) =
          load_fresh(from + static_cast<i64>(row) * num_inputs + begin + at);
    }
    sync_workers();
  }

  // Adds a place's share of a tile: the warp's blocks of 64 bytes, every WARPS-th.
  template <int KIND>
  DEVICE void multiply(float (&sums)[2][4], int first_input, int stride, int num_bytes) {
    const int group = lane / 4, quad = lane % 4;
    const u8* weights = ring.place() + group * ROW_STRIDE + quad * 16;
    const u8* upper = inputs + group * stride + first_input * 2;
    const u8* lower = upper + 8 * stride;
    const bool has_upper = group < step.num_rows;
    const bool has_lower = WIDE && group + 8 < step.num_rows;
    const Vec none = {{0, 0, 0, 0}};
    wait_for(ring.full + ring.at, ring.parity);
#pragma unroll 4
    for (int block = warp; block < num_bytes / 64; block += WARPS) {
      const Vec weight = *reinterpret_cast<const Vec*>(weights + block * 64);
      if (KIND == 0) {
        const int at = block * 64 + quad * 16;
        const Vec a = has_upper ? *reinterpret_cast<const Vec*>(upper + at) : none;
        const Vec b = has_lower ? *reinterpret_cast<const Vec*>(lower + at) : none;
        multiply_bf16(sums[0], a.v[0], b.v[0], a.v[1], b.v[1], weight.v[0], weight.v[1]);
        multiply_bf16(sums[1], a.v[2], b.v[2], a.v[3], b.v[3], weight.v[2], weight.v[3]);
      } else {
        const int at = block * 128 + quad * 32;
        const Vec a = has_upper ? *reinterpret_cast<const Vec*>(upper + at) : none;
        const Vec c = has_upper ? *reinterpret_cast<const Vec*>(upper + at + 16) : none;
        const Vec b = has_lower ? *reinterpret_cast<const Vec*>(lower + at) : none;
        const Vec d = has_lower ? *reinterpret_cast<const Vec*>(lower + at + 16) : none;
        multiply_f16(sums[0], a.v[0], b.v[0], a.v[1], b.v[1], widen<KIND>(weight.v[0]),
                     widen<KIND>(weight.v[0] >> 16));
        multiply_f16(sums[1], a.v[2], b.v[2], a.v[3], b.v[3], widen<KIND>(weight.v[1]),
                     widen<KIND>(weight.v[1] >> 16));
        multiply_f16(sums[0], c.v[0], d.v[0], c.v[1], d.v[1], widen<KIND>(weight.v[2]),
                     widen<KIND>(weight.v[2] >> 16));
        multiply_f16(sums[1], c.v[2], d.v[2], c.v[3], d.v[3], widen<KIND>(weight.v[3]),
                     widen<KIND>(weight.v[3] >> 16));
      }
    }
    give_back();
  }

  template <int KIND>
  DEVICE static u32 widen(u32 two) {
    return KIND == 1 ? widen_fp8(two & 0xffffu) : widen_int8(two & 0xffffu);
  }

  DEVICE void give_back() {
    sync_warp();
    if (lane == 0) arrive(ring.empty + ring.at);
    ring.next();
  }

  // Multiplies a tile, of one matrix or of two in turn, and calls
  // finish(row, output, first sums, second sums) for each pair of outputs.
  template <int KIND, int MATRICES, class Finish>
  DEVICE void tile(int tile, int num_outputs, int length, const Finish& finish) {
    constexpr int ITEM = KIND == 0 ? 2 : 1;
    float sums[MATRICES][2][4] = {};
    const int stride = length * 2 + 16;
    for (int at = 0; at < length * ITEM; at += ROW_BYTES) {
      int size = length * ITEM - at < ROW_BYTES ? length * ITEM - at : ROW_BYTES;
#pragma unroll
      for (int m = 0; m < MATRICES; ++m) multiply<KIND>(sums[m], at / ITEM, stride, size);
    }
    turn ^= 1;
    const int group = lane / 4, column = lane % 4 * 2;
#pragma unroll
    for (int m = 0; m < MATRICES; ++m) {
      float(*mine)[OUTPUTS] = scratch.sums[turn][m][warp];
      for (int i = 0; i < 2; ++i) {
        mine[group][column + i] = sums[m][0][i] + sums[m][1][i];
        if (WIDE) mine[group + 8][column + i] = sums[m][0][2 + i] + sums[m][1][2 + i];
      }
    }
    sync_workers();  // the other turn's sums are read by now
    const int row = thread / 4, pair = thread % 4 * 2, output = tile * OUTPUTS + pair;
    if (row >= step.num_rows || output >= num_outputs) return;
    float found[2][2] = {};
#pragma unroll
    for (int m = 0; m < MATRICES; ++m)
      for (int w = 0; w < WARPS; ++w)
        for (int i = 0; i < 2; ++i) found[m][i] += scratch.sums[turn][m][w][row][pair + i];
    finish(row, output, found[0], found[1]);
  }

  DEVICE static void scale_and_bias(const Linear& matrix, int output, float (&pair)[2],
                                    bool with_bias = true) {
    for (int i = 0; i < 2; ++i) {
      if (matrix.scale) pair[i] *= matrix.scale[output + i];
      if (matrix.bias && with_bias) pair[i] += low(matrix.bias[output + i]);
    }
  }

  DEVICE void write_qkv(const Layer& layer) {
    fetch(step.normed, HIDDEN, 0, HIDDEN);
    auto finish = [&](int row, int output, float (&pair)[2], float (&)[2]) {
      scale_and_bias(layer.qkv, output, pair);
      const i64 position = step.positions[row];
      if (output < NUM_QUERIES + NUM_KEYS) {
        const float* turn_by = step.rotations + ((position < 0 ? 0 : position) * (HEAD_DIM / 2) +
                                                 output % HEAD_DIM / 2) * 2;
        const float even = pair[0], odd = pair[1];
        pair[0] = even * turn_by[0] - odd * turn_by[1];
        pair[1] = odd * turn_by[0] + even * turn_by[1];
      }
      const u32 both = pack_bf16(pair[0], pair[1]);
      if (output < NUM_QUERIES) {
        *reinterpret_cast<u32*>(step.query + row * NUM_QUERIES + output) = both;
      } else if (position >= 0) {
        int key = output - NUM_QUERIES;
        u16* place = key < NUM_KEYS ? layer.keys : layer.values;
        key %= NUM_KEYS;
        place += step.slots[row] * step.slot_stride + key / HEAD_DIM * step.head_stride +
                 position * HEAD_DIM + key % HEAD_DIM;
        *reinterpret_cast<u32*>(place) = both;
      }
    };
    share.begin(tiles_of(NUM_QKV));
    for (int each = share.first; each < tiles_of(NUM_QKV); each += share.step)
      tile<WEIGHT_KIND, 1>(each, NUM_QKV, HIDDEN, finish);
    meet();
  }

  DEVICE void write_part(int part, int row, int output, const float (&pair)[2]) {
    float* place =
        step.parts + (static_cast<i64>(part) * step.num_rows + row) * HIDDEN + output;
    place[0] = pair[0];
    place[1] = pair[1];
  }

  DEVICE void add_out(const Linear& out) {
    fetch(step.attended, NUM_QUERIES, 0, NUM_QUERIES);
    auto finish = [&](int row, int output, float (&pair)[2], float (&)[2]) {
      scale_and_bias(out, output, pair);
      write_part(0, row, output, pair);
    };
    share.begin(tiles_of(HIDDEN));
    for (int each = share.first; each < tiles_of(HIDDEN); each += share.step)
      tile<WEIGHT_KIND, 1>(each, HIDDEN, NUM_QUERIES, finish);
    meet();
  }

  DEVICE void gate_up(const Linear& matrix) {
    fetch(step.normed, HIDDEN, 0, HIDDEN);
    auto finish = [&](int row, int output, float (&gate)[2], float (&up)[2]) {
      scale_and_bias(matrix, output, gate);
      scale_and_bias(matrix, INNER + output, up);
      for (int i = 0; i < 2; ++i) up[i] *= gate[i] / (1.0f + power_of_e(-gate[i]));
      *reinterpret_cast<u32*>(step.inner + static_cast<i64>(row) * INNER + output) =
          as_operands(up[0], up[1]);
    };
    share.begin(tiles_of(INNER));
    for (int each = share.first; each < tiles_of(INNER); each += share.step)
      tile<WEIGHT_KIND, 2>(each, INNER, HIDDEN, finish);
    meet();
  }

  DEVICE void add_down(const Linear& down) {
    Part part(INNER, 64 / WEIGHT_BYTES);
    fetch(step.inner, INNER, part.begin, part.length);
    auto finish = [&](int row, int output, float (&pair)[2], float (&)[2]) {
      scale_and_bias(down, output, pair, part.part == 0);
      write_part(part.part, row, output, pair);
    };
    for (int each = part.first; each < tiles_of(HIDDEN); each += part.step)
      tile<WEIGHT_KIND, 1>(each, HIDDEN, part.length, finish);
    meet();
  }

  DEVICE void project() {
    fetch(step.normed, HIDDEN, 0, HIDDEN);
    auto finish = [&](int row, int output, float (&pair)[2], float (&)[2]) {
      float* place = step.logits + static_cast<i64>(row) * NUM_TOKENS + output;
      place[0] = pair[0];
      if (output + 1 < NUM_TOKENS) place[1] = pair[1];
    };
    share.begin(tiles_of(NUM_TOKENS));
    for (int each = share.first; each < tiles_of(NUM_TOKENS); each += share.step)
      tile<0, 1>(each, NUM_TOKENS, HIDDEN, finish);
  }

#include "attend.cuh"
};
