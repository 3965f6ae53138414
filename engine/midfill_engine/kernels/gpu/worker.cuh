// A computing thread of a block, and what all phases of a step share.
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

// A pair as the layers' matrices take it; float16 ends at its largest, NaN stays.
DEVICE u32 as_operands(float a, float b) {
  if (WEIGHT_KIND == 0) return pack_bf16(a, b);
  a = a > 65504.0f ? 65504.0f : a < -65504.0f ? -65504.0f : a;
  b = b > 65504.0f ? 65504.0f : b < -65504.0f ? -65504.0f : b;
  return pack_f16(a, b);
}

// Bytes from one row of a matrix's inputs to the next. Eight lanes at a time read of two rows: 64
// bytes side by side, or every other 16 of 128 where a weight is one byte, and never from the same
// banks. Inputs come in whole 64 bytes of weights, so adding is setting a bit.
DEVICE constexpr int input_stride(int kind, int num_inputs) {
  return num_inputs * 2 | (kind == 0 ? 64 : 16);
}

struct Worker {
  const Step& step;
  Ring ring;
  Scratch& scratch;
  u8* inputs;  // the rows that a matrix takes: [rows, inputs], `input_stride` apart
  const int thread, warp, lane;
  Share share;
  int met = 0;

  DEVICE Worker(const Step& s, Ring r, Scratch& sc, u8* in)
      : step(s), ring(r), scratch(sc), inputs(in), thread(thread_id()), warp(thread / 32),
        lane(thread % 32) {}

  // Waits until every block is here; what was written before is seen after it: one thread's count
  // releases what its block's barrier has gathered.
  DEVICE void meet() {
    sync_workers();
    if (thread == 0) {
      const u64 came = cycles();
      const u64 all = num_blocks();
      const u64 until = (count_up(step.counter) / all + 1) * all;
      while (read_counter(step.counter) < until)
        if (is_hopeless(came)) give_up();
      if (TIMED) {
        u64* place = step.times + (block_id() * (8 * step.num_layers + 1) + met++) * 2;
        place[0] = came;
        place[1] = cycles();
      }
    }
    sync_workers();
  }

  // Tells the loading warp that the next place is read.
  DEVICE void give_back() {
    sync_warp();
    if (lane == 0) arrive(ring.empty + ring.at);
    ring.next();
  }
};
