// The library's C interface: what kernels/library.py mirrors in ctypes. Plain data, no ownership:
// every pointer stays the caller's and must live until mf_destroy (model) or mf_step's end (batch).
//
// A packed matrix [C inputs, N outputs] is a row of panels of kPanel outputs, inputs padded to
// kPadding, both with zeros:
//   float32   [panel][input][32] float
//   bfloat16  [panel][input / 2][32][2] uint16
//   int8      [panel][input / 64] blocks of 32 bfloat16 scales, [16][32][4] uint8: weight + 128
//   int6      [panel][input / 64] blocks of 32 bfloat16 scales, [4][3][32][4] uint8: weight +
//             32: input 16i + 4t + j of a block in the low six bits of [i][t][output][j], and two
//             bits of input 16i + 12 + j in the upper two, [i][0]'s its lowest
//   int4      [panel][input / 32] blocks of 32 bfloat16 scales, 32 bfloat16 minima, then [4][32][4]
//             uint8: input 4i + j of a block in the low half of [i][output][j], input 16 + 4i + j
//             in the high half; a weight is its minimum + scale * number
// gate_up holds 16 gates, then the 16 ups that belong to them, in every panel.
#pragma once

#include <stdint.h>

#if defined(_WIN32)
#define MF_EXPORT extern "C" __declspec(dllexport)
#else
#define MF_EXPORT extern "C" __attribute__((visibility("default")))
#endif

constexpr int32_t kAbiVersion = 9;
constexpr int kPanel = 32;
constexpr int kPadding = 64;
constexpr int kInt8Block = 64, kInt4Block = 32;  // inputs that share a scale; int6 as int8
constexpr int kMaxRows = 256;  // of one pass; longer steps are taken in portions
// weight_kind; of head and embedding not int4
constexpr int32_t kFloat32 = 0, kBfloat16 = 1, kInt8 = 2, kInt6 = 3, kInt4 = 4;
constexpr int32_t kCacheFloat32 = 0, kCacheBfloat16 = 1, kCacheInt8 = 2;  // cache_kind

struct mf_layer {
  const float* attention_norm;  // [hidden padded]
  const void* qkv;              // queries, keys, values; pairs to rotate are neighbours
  const float* qkv_bias;        // null for none; biases are padded to whole panels
  const void* out;
  const float* out_bias;
  const float* mlp_norm;
  const void* gate_up;
  const float* gate_up_bias;
  const void* down;
  const float* down_bias;
  int64_t window;  // positions a query reads, itself included; 0 reads all
};

struct mf_model {
  int32_t weight_kind, head_kind, cache_kind;  // head_kind: of head and embedding
  int32_t num_layers, hidden, intermediate, num_heads, num_kv_heads, head_dim, vocab;
  int32_t max_len, num_threads;
  float eps, score_scale;
  const float* rotations;  // [max_len][head_dim / 2] cosine, sine
  const void* embedding;   // packed like head, and with tied embeddings the same memory
  const void* head;
  const float* final_norm;
  const mf_layer* layers;
};

// One step: row r is token_ids[r] at positions[r] of slots[r]. It writes its keys and values there
// and reads [0, positions[r]]. Rows of one slot come in ascending positions.
struct mf_batch {
  int32_t num_rows, num_logits;
  const int32_t* token_ids;
  const int32_t* positions;
  const int32_t* slots;
  const int32_t* logit_rows;  // ascending
  void* keys;                 // [layer][slot][head][max_len][head_dim], contiguous in the last two
  void* values;
  float* key_scales;  // [layer][slot][head][position], contiguous; of kCacheInt8 alone
  float* value_scales;
  int64_t layer_stride, slot_stride, head_stride;  // in elements
  float* logits;       // [num_logits][vocab], or null where only the best are wanted
  int32_t* best;       // [num_logits] the token with the largest logit, the lowest among equals
  float* best_logprob;  // [num_logits] its log-probability; NaN where a logit is NaN or infinite
};

// What guesses rest on; runtime/draft.py tells of each.
struct mf_drafts {
  const int32_t* text;  // prompt and answer so far
  const int32_t* hint;
  int32_t text_len, hint_len, hint_at;
  int32_t at, in_hint, agreed;  // where the guess is read; at < 0: to be found
  const float* rates;           // [2][9]: of guesses in the text, then in the hint
  const int32_t* cost_rows;     // ascending, at least two
  const double* cost_ms;        // of steps of so many rows
  int32_t num_costs;
};

struct mf_ahead_step {
  int32_t num_rows, num_tokens;  // run, made
  double ms;
};

// Steps of one sequence, greedy, until a token that ends it, or one whose log-probability is NaN.
struct mf_ahead {
  int32_t slot, last, position;  // the last token, not in the cache yet, and its place there
  int32_t most_tokens;           // at least 1
  const uint8_t* ends;           // [vocab] whether no step follows a token; null: never
  const volatile int32_t* interrupt;  // no step follows once it is not 0
  double budget_ms;                   // nor after so long
  const mf_drafts* drafts;            // null: nothing is drafted
  int32_t* tokens;                    // [most_tokens] what was made
  float* logprobs;
  mf_ahead_step* steps;  // [most_tokens]
  int32_t num_tokens, num_steps;
};

MF_EXPORT int32_t mf_abi_version(void);
// Names of the instruction sets that this machine runs and this build has, best first, by commas.
MF_EXPORT const char* mf_instruction_sets(void);
// Null where the instruction set is not among them or memory is short.
MF_EXPORT void* mf_create(const mf_model* model, const char* instruction_set);
// Of its steps, the caller's included: fewer than asked for where so many cannot be had.
MF_EXPORT int32_t mf_num_threads(const void* engine);
// False where memory is short; then nothing was computed.
MF_EXPORT bool mf_step(void* engine, const mf_batch* batch);
// As many steps as `ahead` says, with the cache that `cache` names, whose rows are not read. False
// where memory is short; what `ahead` tells of was made all the same.
MF_EXPORT bool mf_run_ahead(void* engine, const mf_batch* cache, mf_ahead* ahead);
MF_EXPORT void mf_destroy(void* engine);
// Asks the kernel for huge pages behind [address, address + bytes); a hint only.
MF_EXPORT void mf_advise_huge(void* address, int64_t bytes);
