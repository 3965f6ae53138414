// What the computing warps of a block do in each phase of a step; attention's are `Attending`'s.
#pragma once

struct Phases : Multiplying {
  using Multiplying::Multiplying;
  int state = 0;  // which of the two copies of the hidden states is the last one

  DEVICE void run() {
    for (int idx = 0; idx < step.num_layers; ++idx) {
      const Layer& layer = step.layers[idx];
      if (idx == 0) normalise<0>(layer.attention_norm, WEIGHT_KIND == 0);
      else normalise<SPLITS>(layer.attention_norm, WEIGHT_KIND == 0);
      write_qkv(layer);
      attend(layer);
      combine();
      add_out(layer.out);
      normalise<1>(layer.mlp_norm, WEIGHT_KIND == 0);
      gate_up(layer.gate_up);
      add_down(layer.down);
    }
    normalise<SPLITS>(step.final_norm, true);
    project();
  }

  // Adds NUM_PARTS sums to the rows' hidden states, which begin as their tokens' embeddings where
  // there are none, and makes their norms the inputs of the next matrix: a block a row, or, of few
  // rows, every block all of them, which saves a meeting.
  template <int NUM_PARTS>
  DEVICE void normalise(const u16* weight, bool as_bf16) {
    if (step.num_rows <= ALONE_ROWS) {
      for (int row = 0; row < step.num_rows; ++row) {
        u16* out = reinterpret_cast<u16*>(inputs + row * (HIDDEN * 2 + 16));
        normalise_row<NUM_PARTS>(row, weight, as_bf16, out, block_id() == row % num_blocks());
      }
      sync_workers();
    } else {
      for (int row = block_id(); row < step.num_rows; row += num_blocks())
        normalise_row<NUM_PARTS>(row, weight, as_bf16, step.normed + row * HIDDEN, true);
      meet();
      fetch(step.normed, HIDDEN, 0, HIDDEN);
    }
    state ^= 1;
  }

  template <int NUM_PARTS>
  DEVICE void normalise_row(int row, const u16* weight, bool as_bf16, u16* out, bool keeps) {
    constexpr int EACH = (HIDDEN / 8 + NUM_WORKERS - 1) / NUM_WORKERS;  // vectors of a thread
    Vec kept[EACH], parts[EACH][2 * NUM_PARTS + 1];
    u16* states = step.hidden + row * HIDDEN;
    u16* after = states + (state ^ 1) * MOST_ROWS * HIDDEN;
    const u16* before = NUM_PARTS ? states + state * MOST_ROWS * HIDDEN
                                  : step.embedding + step.token_ids[row] * HIDDEN;
#pragma unroll
    for (int i = 0; i < EACH; ++i) {  // all loads before anything waits for one
      const int at = (i * NUM_WORKERS + thread) * 8;
      if (at >= HIDDEN) continue;
      kept[i] = load_fresh(before + at);
#pragma unroll
      for (int half = 0; half < 2 * NUM_PARTS; ++half) {
        const i64 part_row = static_cast<i64>(half / 2) * step.num_rows + row;
        parts[i][half] = load_fresh(step.parts + part_row * HIDDEN + at + half % 2 * 4);
      }
    }
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      const int at = (i * NUM_WORKERS + thread) * 8;
      if (at >= HIDDEN) continue;
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        float sums[2] = {};
#pragma unroll
        for (int part = 0; part < NUM_PARTS; ++part)
          for (int k = 0; k < 2; ++k)
            sums[k] += bits_float(parts[i][2 * part + pair / 2].v[pair % 2 * 2 + k]);
        u32& value = kept[i].v[pair];
        value = pack_bf16(low(value) + sums[0], high(value) + sums[1]);
        squares += low(value) * low(value);
        squares += high(value) * high(value);
      }
      if (keeps) *reinterpret_cast<Vec*>(after + at) = kept[i];
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
      *reinterpret_cast<Vec*>(out + at) = found;
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

  DEVICE void write_qkv(const Layer& layer) {
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
    auto finish = [&](int row, int output, float (&pair)[2], float (&)[2]) {
      float* place = step.logits + static_cast<i64>(row) * NUM_TOKENS + output;
      place[0] = pair[0];
      if (output + 1 < NUM_TOKENS) place[1] = pair[1];
    };
    share.begin(tiles_of(NUM_TOKENS));
    for (int each = share.first; each < tiles_of(NUM_TOKENS); each += share.step)
      tile<0, 1>(each, NUM_TOKENS, HIDDEN, finish);
  }
};
