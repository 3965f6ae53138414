// A matrix times the rows of a step, tile by tile, as the ring brings its weights.
#pragma once

struct Multiplying : Attending {
  using Attending::Attending;
  int turn = 0;  // of the sums in scratch memory

  // Fetches inputs [begin, begin + length) of every row, four vectors of a thread at a time, for a
  // matrix of a kind.
  template <int KIND>
  DEVICE void fetch(const u16* from, int num_inputs, int begin, int length) {
    const int each = length / 8, all = step.num_rows * each;
    for (int first = thread; first < all; first += 4 * NUM_WORKERS) {
      Vec found[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int idx = first + i * NUM_WORKERS;
        if (idx < all)
          found[i] = load_fresh(from + static_cast<i64>(idx / each) * num_inputs + begin +
                                idx % each * 8);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int idx = first + i * NUM_WORKERS;
        if (idx < all)
          *reinterpret_cast<Vec*>(inputs + idx / each * input_stride(KIND, length) +
                                  idx % each * 16) = found[i];
      }
    }
    sync_workers();
  }

  // Adds a place's share of a tile: the warp's blocks of 64 bytes, every WARPS-th.
  template <int KIND, bool WIDE>  // WIDE: more than 8 rows
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

  // Multiplies a tile, of one matrix or of two in turn, and calls
  // finish(row, output, known, first sums, second sums) for each pair of outputs. What know(output)
  // returns is fetched while the weights come: behind the barrier every load would be waited for.
  template <int KIND, int MATRICES, class Know, class Finish>
  DEVICE void tile(int tile, int num_outputs, int length, const Know& know, const Finish& finish) {
    constexpr int ITEM = KIND == 0 ? 2 : 1;
    const int row = finished_row(), pair = thread % 4 * 2, output = tile * OUTPUTS + pair;
    const bool finishes = row < step.num_rows && output < num_outputs;
    auto known = decltype(know(output)){};
    if (finishes) known = know(output);
    float sums[MATRICES][2][4] = {};
    const int stride = input_stride(KIND, length);
    for (int at = 0; at < length * ITEM; at += ROW_BYTES) {
      int size = length * ITEM - at < ROW_BYTES ? length * ITEM - at : ROW_BYTES;
#pragma unroll
      for (int m = 0; m < MATRICES; ++m) {
        if (step.num_rows > 8) multiply<KIND, true>(sums[m], at / ITEM, stride, size);
        else multiply<KIND, false>(sums[m], at / ITEM, stride, size);
      }
    }
    turn ^= 1;
    const int group = lane / 4, column = lane % 4 * 2;
#pragma unroll
    for (int m = 0; m < MATRICES; ++m) {
      float(*mine)[OUTPUTS] = scratch.sums[turn][m][warp];
      for (int i = 0; i < 2; ++i) {
        mine[group][column + i] = sums[m][0][i] + sums[m][1][i];
        if (step.num_rows > 8) mine[group + 8][column + i] = sums[m][0][2 + i] + sums[m][1][2 + i];
      }
    }
    sync_workers();  // the other turn's sums are read by now
    if (!finishes) return;
    float found[2][2] = {};
#pragma unroll
    for (int m = 0; m < MATRICES; ++m)
      for (int w = 0; w < WARPS; ++w)
        for (int i = 0; i < 2; ++i) found[m][i] += scratch.sums[turn][m][w][row][pair + i];
    finish(row, output, known, found[0], found[1]);
  }

  // The row whose outputs this thread finishes, or none of the step's.
  DEVICE int finished_row() const { return thread / 4; }

  // What a matrix does to a pair of sums, as it is fetched: nothing is computed yet, or waited for.
  struct Ending {
    float scale[2];
    u16 bias[2];
    bool scales, adds;

    DEVICE void finish(float (&pair)[2]) const {
      for (int i = 0; i < 2; ++i) {
        if (scales) pair[i] *= scale[i];
        if (adds) pair[i] += low(bias[i]);
      }
    }
  };

  DEVICE static Ending ending(const Linear& matrix, int output, bool with_bias = true) {
    Ending found = {};
    found.scales = matrix.scale;
    found.adds = matrix.bias && with_bias;
    for (int i = 0; i < 2; ++i) {
      if (found.scales) found.scale[i] = matrix.scale[output + i];
      if (found.adds) found.bias[i] = matrix.bias[output + i];
    }
    return found;
  }
};
