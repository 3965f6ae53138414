// What the computing warps of a block do in each phase of a step; attention's are `Attending`'s.
#pragma once

struct Phases : Multiplying {
  using Multiplying::Multiplying;
  int state = 0;  // which of the two copies of the hidden states is the last one

  DEVICE void run() {
    for (int idx = 0; idx < step.num_layers; ++idx) {
      const Layer& layer = step.layers[idx];
      if (idx == 0) normalise<WEIGHT_KIND, 0>(layer.attention_norm);
      else normalise<WEIGHT_KIND, SPLITS>(layer.attention_norm);
      write_qkv(layer);
      attend(layer);
      combine();
      add_out(layer.out);
      normalise<WEIGHT_KIND, 1>(layer.mlp_norm);
      gate_up(layer.gate_up);
      add_down(layer.down);
    }
    normalise<0, SPLITS>(step.final_norm);
    project();
  }

  // Adds NUM_PARTS sums to the rows' hidden states, which begin as their tokens' embeddings where
  // there are none, and makes their norms the inputs of the next matrix, of a kind: a block a row,
  // or, of few rows, every block all of them, which saves a meeting.
  template <int KIND, int NUM_PARTS>
  DEVICE void normalise(const u16* weight) {
    if (step.num_rows <= ALONE_ROWS) {
      for (int row = 0; row < step.num_rows; ++row) {
        u16* out = reinterpret_cast<u16*>(inputs + row * input_stride(KIND, HIDDEN));
        normalise_row<KIND, NUM_PARTS>(row, weight, out, block_id() == row % num_blocks());
      }
      sync_workers();
    } else {
      for (int row = block_id(); row < step.num_rows; row += num_blocks())
        normalise_row<KIND, NUM_PARTS>(row, weight, step.normed + row * HIDDEN, true);
      meet();
      fetch<KIND>(step.normed, HIDDEN, 0, HIDDEN);
    }
    state ^= 1;
  }

  template <int KIND, int NUM_PARTS>
  DEVICE void normalise_row(int row, const u16* weight, u16* out, bool keeps) {
    constexpr int EACH = (HIDDEN / 8 + NUM_WORKERS - 1) / NUM_WORKERS;  // vectors of a thread
    Vec kept[EACH], weights[EACH], parts[EACH][2 * NUM_PARTS + 1];
    u16* states = step.hidden + row * HIDDEN;
    u16* after = states + (state ^ 1) * MOST_ROWS * HIDDEN;
    const u16* before = NUM_PARTS ? states + state * MOST_ROWS * HIDDEN
                                  : step.embedding + step.token_ids[row] * HIDDEN;
#pragma unroll
    for (int i = 0; i < EACH; ++i) {  // all loads before anything waits for one
      const int at = (i * NUM_WORKERS + thread) * 8;
      if (at >= HIDDEN) continue;
      kept[i] = load_fresh(before + at);
      weights[i] = *reinterpret_cast<const Vec*>(weight + at);
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
      Vec found;
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        u32 value = kept[i].v[pair], by = weights[i].v[pair];
        float a = low(value) * factor * low(by), b = high(value) * factor * high(by);
        found.v[pair] = KIND == 0 ? pack_bf16(a, b) : as_operands(a, b);
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

  struct Rotated : Ending {
    float cosine, sine;
  };

  // By value, here and below: what is read behind a barrier is else fetched anew.
  DEVICE void write_qkv(const Layer layer) {
    const bool is_mine = finished_row() < step.num_rows;
    const i64 position = is_mine ? step.positions[finished_row()] : -1;
    const i64 slot = is_mine ? step.slots[finished_row()] : 0;
    auto know = [&](int output) {
      Rotated known = {ending(layer.qkv, output), 0.0f, 0.0f};
      if (output < NUM_QUERIES + NUM_KEYS) {
        const float* turn_by = step.rotations + ((position < 0 ? 0 : position) * (HEAD_DIM / 2) +
                                                 output % HEAD_DIM / 2) * 2;
        known.cosine = turn_by[0];
        known.sine = turn_by[1];
      }
      return known;
    };
    auto finish = [&](int row, int output, const Rotated& known, float (&pair)[2], float (&)[2]) {
      known.finish(pair);
      if (output < NUM_QUERIES + NUM_KEYS) {
        const float even = pair[0], odd = pair[1];
        pair[0] = even * known.cosine - odd * known.sine;
        pair[1] = odd * known.cosine + even * known.sine;
      }
      const u32 both = pack_bf16(pair[0], pair[1]);
      if (output < NUM_QUERIES) {
        *reinterpret_cast<u32*>(step.query + row * NUM_QUERIES + output) = both;
      } else if (position >= 0) {
        int key = output - NUM_QUERIES;
        u16* place = key < NUM_KEYS ? layer.keys : layer.values;
        key %= NUM_KEYS;
        place += slot * step.slot_stride + key / HEAD_DIM * step.head_stride +
                 position * HEAD_DIM + key % HEAD_DIM;
        *reinterpret_cast<u32*>(place) = both;
      }
    };
    share.begin(tiles_of(NUM_QKV));
    for (int each = share.first; each < tiles_of(NUM_QKV); each += share.step)
      tile<WEIGHT_KIND, 1>(each, NUM_QKV, HIDDEN, know, finish);
    meet();
  }

  DEVICE void write_part(int part, int row, int output, const float (&pair)[2]) {
    float* place =
        step.parts + (static_cast<i64>(part) * step.num_rows + row) * HIDDEN + output;
    place[0] = pair[0];
    place[1] = pair[1];
  }

  DEVICE void add_out(const Linear out) {
    fetch<WEIGHT_KIND>(step.attended, NUM_QUERIES, 0, NUM_QUERIES);
    auto know = [&](int output) { return ending(out, output); };
    auto finish = [&](int row, int output, const Ending& known, float (&pair)[2], float (&)[2]) {
      known.finish(pair);
      write_part(0, row, output, pair);
    };
    share.begin(tiles_of(HIDDEN));
    for (int each = share.first; each < tiles_of(HIDDEN); each += share.step)
      tile<WEIGHT_KIND, 1>(each, HIDDEN, NUM_QUERIES, know, finish);
    meet();
  }

  struct Endings {
    Ending gate, up;
  };

  DEVICE void gate_up(const Linear matrix) {
    auto know = [&](int output) {
      return Endings{ending(matrix, output), ending(matrix, INNER + output)};
    };
    auto finish = [&](int row, int output, const Endings& known, float (&gate)[2], float (&up)[2]) {
      known.gate.finish(gate);
      known.up.finish(up);
      for (int i = 0; i < 2; ++i) up[i] *= gate[i] / (1.0f + power_of_e(-gate[i]));
      *reinterpret_cast<u32*>(step.inner + static_cast<i64>(row) * INNER + output) =
          as_operands(up[0], up[1]);
    };
    share.begin(tiles_of(INNER));
    for (int each = share.first; each < tiles_of(INNER); each += share.step)
      tile<WEIGHT_KIND, 2>(each, INNER, HIDDEN, know, finish);
    meet();
  }

  DEVICE void add_down(const Linear down) {
    Part part(INNER, 64 / WEIGHT_BYTES);
    fetch<WEIGHT_KIND>(step.inner, INNER, part.begin, part.length);
    auto know = [&](int output) { return ending(down, output, part.part == 0); };
    auto finish = [&](int row, int output, const Ending& known, float (&pair)[2], float (&)[2]) {
      known.finish(pair);
      write_part(part.part, row, output, pair);
    };
    for (int each = part.first; each < tiles_of(HIDDEN); each += part.step)
      tile<WEIGHT_KIND, 1>(each, HIDDEN, part.length, know, finish);
    meet();
  }

  DEVICE void project() {
    auto know = [](int) { return 0; };  // no scale, no bias
    auto finish = [&](int row, int output, int, float (&pair)[2], float (&)[2]) {
      float* place = step.logits + static_cast<i64>(row) * NUM_TOKENS + output;
      place[0] = pair[0];
      if (output + 1 < NUM_TOKENS) place[1] = pair[1];
    };
    share.begin(tiles_of(NUM_TOKENS));
    for (int each = share.first; each < tiles_of(NUM_TOKENS); each += share.step)
      tile<0, 1>(each, NUM_TOKENS, HIDDEN, know, finish);
  }
};
