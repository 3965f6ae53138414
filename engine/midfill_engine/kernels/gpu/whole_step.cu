// A whole step of a decoder of the Llama family as one launch: up to 16 rows of any sequences.
//
// As many blocks as processors, all there at once. In a block one warp loads (ring.cuh), the
// others compute: every layer is eight phases, after which all blocks wait for each other (of few
// rows six, every block computes the norms by itself).
// What is summed up in which order depends on no row but the one it is for, and not on the number
// of blocks.
//
// Built with: WEIGHT_KIND (0 bfloat16, 1 float8_e4m3fn, 2 int8), HIDDEN, INNER, NUM_HEADS,
// NUM_KV_HEADS, HEAD_DIM (64 or 128), NUM_TOKENS, SPLITS, NUM_WORKERS, NUM_THREADS, ALONE_ROWS,
// TIMED. Arguments and
// layouts are `Step`'s; `kernels.whole_step` fills it in. The reference is `gpu_plain`.

constexpr int NUM_QUERIES = NUM_HEADS * HEAD_DIM;
constexpr int NUM_KEYS = NUM_KV_HEADS * HEAD_DIM;
constexpr int NUM_QKV = NUM_QUERIES + 2 * NUM_KEYS;
constexpr int WARPS = NUM_WORKERS / 32;
constexpr int MOST_ROWS = 16;
constexpr float NONE = -3.0e38f;  // the score of a position that a query does not see
constexpr int TOGETHER = 8;  // queries that go over a piece at once

struct Linear {  // weight [outputs, inputs]; scale [outputs] or null; bias [outputs] bfloat16 or null
  const u8* weight;
  const float* scale;
  const u16* bias;
};

struct Layer {
  const u16* attention_norm;
  Linear qkv, out;
  const u16* mlp_norm;
  Linear gate_up, down;
  u16 *keys, *values;  // [slots, NUM_KV_HEADS, positions, HEAD_DIM] bfloat16
};

struct Step {
  const Layer* layers;
  const u16* embedding;   // [NUM_TOKENS, HIDDEN] bfloat16
  const u16* final_norm;  // [HIDDEN] bfloat16
  const u8* head;         // [NUM_TOKENS, HIDDEN] bfloat16
  const float* rotations;  // [positions, HEAD_DIM / 2, 2]: cosine, sine
  const i64 *token_ids, *positions, *slots;                       // [num_rows]
  const i64 *group_slots, *group_firsts, *group_counts, *group_ends;  // [num_groups]
  u16* hidden;    // [2, MOST_ROWS, HIDDEN] bfloat16: read from one, written to the other
  u16* normed;    // [rows, HIDDEN], as the next matrix takes it
  u16* query;     // [rows, NUM_QUERIES] bfloat16
  u16* attended;  // [rows, NUM_QUERIES]
  u16* inner;     // [rows, INNER]
  float* parts;   // [SPLITS, rows, HIDDEN]: sums that the next norm adds to hidden
  float* piece_totals;  // [rows, NUM_HEADS, max_pieces, HEAD_DIM]
  float* piece_tops;    // [rows, NUM_HEADS, max_pieces, 2]: largest score, sum of weights
  float* logits;        // [rows, NUM_TOKENS]
  u64* counter;         // of arrivals, never reset
  u64* times;           // [blocks, 8 num_layers + 1, 2]: cycles at which a block came and went on; TIMED
  i64 slot_stride, head_stride;  // of keys and values, in numbers
  float eps, scale;              // scale: of scores, times log2(e)
  int num_layers, num_rows, num_groups, max_pieces, num_places, inputs_bytes;
};

#include "ring.cuh"
#include "worker.cuh"
#include "attend.cuh"
#include "products.cuh"
#include "phases.cuh"

KERNEL void whole_step(const Step step) {
  u8* memory = shared_memory();
  u64* full = reinterpret_cast<u64*>(memory);
  u64* empty = full + 64;
  Scratch& scratch = *reinterpret_cast<Scratch*>(memory + 1024);
  u8* inputs = memory + 1024 + sizeof(Scratch);
  Ring ring{inputs + step.inputs_bytes, full, empty, step.num_places};
  if (thread_id() == 0) {
    for (int place = 0; place < step.num_places; ++place) {
      start_barrier(full + place, 1);
      start_barrier(empty + place, WARPS);
    }
    publish_barriers();
  }
  sync_block();
  if (thread_id() >= NUM_WORKERS) {
    load_all(step, ring, thread_id() - NUM_WORKERS);
  } else {
    Phases(step, ring, scratch, inputs).run();
  }
}
