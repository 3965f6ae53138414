// What every instruction set's code shares: one model's sizes, memory and threads.
#pragma once

#include "abi.h"
#include "pool.h"

struct Scratch {  // of one thread
  int64_t prepared;   // the stage that the rows below were prepared for
  float* sums;        // [kMaxRows][kPanel]
  float* norm;        // [widest]: one row between its norm and its quantisation
  float* values;      // [kPrivateRows][widest]
  int8_t* quants;
  float* scales;      // [kPrivateRows][widest / kInt4Block], the most there are
  int32_t* block_sums;
  float* queries;     // [tile][padded head]
  float* attended;    // [tile][padded head]
  float* scores;      // [tile][kSpan]
  float* peak;        // [tile]
  float* total;       // [tile][16]
  float* head;        // [kSpan][padded head]: keys, then values
  int8_t* whole_queries;  // [tile][padded head]; this and all below is for caches of int8
  float* query_units;     // [tile]: what 1 of them stands for
  int32_t* query_totals;  // [tile]: their sum
  int8_t* whole_weights;  // [tile][high, low][kSpan]
  float* weight_units;    // [tile]: what 1 of the high ones stands for
  int32_t* weight_totals;  // [tile][high, low]: their sums
  int32_t* dots;          // [tile][kSpan], then [tile][high, low][padded head]
};

// Up to here every thread prepares all rows for itself, which saves a stage.
constexpr int kPrivateRows = 4;
constexpr int kReadBeyond = 16;  // a tile of AMX always reads sixteen rows
constexpr int kSpan = 64;  // positions that attention takes at once
constexpr int kMaxHead = 256;  // dimensions of a head
constexpr int kTile = 32;  // query vectors that share the keys they read

struct Tile {  // rows [begin, end) of one slot
  int32_t begin, end;
};

// What a panel's logits of one row come to, so that a row's best is found while they are at hand.
struct PanelBest {
  float peak, total;  // the largest logit, NaN where one is; the sum of e^(logit - peak)
  int32_t token;
};

struct Engine {
  mf_model model;
  int32_t hidden_padded, intermediate_padded, attended_padded, head_padded, widest, tile;
  Pool* pool;
  Scratch* scratch;   // [thread]
  Tile* tiles;        // [kMaxRows]
  int64_t stage;      // counts products, so that a thread knows what it has prepared
  float* hidden;      // [kMaxRows][hidden_padded]
  float* query;       // [kMaxRows][num_heads * head_dim]
  float* fresh;       // [kMaxRows][key, value][num_kv_heads][head_padded], for caches of int8
  float* attended;    // [kMaxRows][attended_padded]
  float* gated;       // [kMaxRows][intermediate_padded]
  float* values;      // prepared rows, shared: as in Scratch for kMaxRows
  int8_t* quants;
  float* scales;
  int32_t* block_sums;
  PanelBest* bests;  // [num_logits][vocab's panels], of one step
};

struct Step {
  Engine* engine;
  const mf_batch* batch;  // at most kMaxRows rows
};

// Runs a step; compiled once per instruction set.
typedef void (*StepFunction)(const Step& step);
