// The library's entry points: which instruction sets there are, an engine's memory, and steps in
// portions of at most kMaxRows rows. Built for the plainest machine.
#include "engine.h"

#include "features.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

// MF_SETS is what the build has for this kind of machine, best first: MF_SET(one) MF_SET(other).
#define MF_SET(name) void step_##name(const Step& step);
MF_SETS
MF_SET(portable)
#undef MF_SET

namespace {

struct InstructionSet {
  const char* name;
  StepFunction step;
};

// Those that this machine runs, best first.
std::vector<InstructionSet> available() {
  std::vector<InstructionSet> found;
  [[maybe_unused]] static const Features machine = features();
#define MF_SET(name) \
  if (machine.name) found.push_back({#name, step_##name});
  MF_SETS
#undef MF_SET
  found.push_back({"portable", step_portable});
  return found;
}

int32_t padded(int32_t count, int32_t unit = kPadding) {
  return (count + unit - 1) / unit * unit;
}

// An engine and all memory that it owns; zeroed, aligned to cache lines.
struct Owned {
  Engine engine{};
  StepFunction step = nullptr;
  std::vector<mf_layer> layers;
  std::vector<Scratch> scratch;
  std::vector<void*> blocks;
  std::vector<PanelBest> bests;

  template <class T>
  T* take(int64_t count) {
    const size_t bytes = (sizeof(T) * (size_t)count + 127) / 64 * 64;
    char* raw = static_cast<char*>(std::malloc(bytes + 64));
    if (!raw) throw std::bad_alloc();
    blocks.push_back(raw);
    std::memset(raw, 0, bytes + 64);
    return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(raw) + 63) / 64 * 64);
  }

  ~Owned() {
    pool_destroy(engine.pool);
    for (void* block : blocks) std::free(block);
  }
};

void size_up(Engine& engine) {
  const mf_model& model = engine.model;
  engine.hidden_padded = padded(model.hidden);
  engine.intermediate_padded = padded(model.intermediate);
  engine.attended_padded = padded(model.num_heads * model.head_dim);
  engine.head_padded = padded(model.head_dim, kPanel);
  engine.widest = engine.hidden_padded;
  for (int32_t width : {engine.intermediate_padded, engine.attended_padded})
    if (width > engine.widest) engine.widest = width;
  const int32_t group = model.num_heads / model.num_kv_heads;
  engine.tile = group > kTile ? group : kTile;
}

Scratch scratch_of_one(Owned& owned) {
  const Engine& engine = owned.engine;
  const int64_t wide = engine.widest, head = engine.head_padded, tile = engine.tile;
  Scratch own{};
  own.prepared = -1;
  own.sums = owned.take<float>(kMaxRows * kPanel);
  own.norm = owned.take<float>(wide);
  own.values = owned.take<float>(kPrivateRows * wide);
  own.quants = owned.take<int8_t>(kPrivateRows * wide);
  own.scales = owned.take<float>(kPrivateRows * wide / kInt4Block);
  own.block_sums = owned.take<int32_t>(kPrivateRows * wide / kInt4Block);
  own.queries = owned.take<float>(tile * head);
  own.attended = owned.take<float>(tile * head);
  own.scores = owned.take<float>(tile * kSpan);
  own.peak = owned.take<float>(tile);
  own.total = owned.take<float>(tile * 16);
  own.head = owned.take<float>(head * kSpan);
  if (engine.model.cache_kind != kCacheInt8) return own;
  own.whole_queries = owned.take<int8_t>((tile + kReadBeyond) * head);
  own.whole_weights = owned.take<int8_t>((2 * tile + kReadBeyond) * kSpan);
  own.query_units = owned.take<float>(tile);
  own.query_totals = owned.take<int32_t>(tile);
  own.weight_units = owned.take<float>(tile);
  own.weight_totals = owned.take<int32_t>(2 * tile);
  own.dots = owned.take<int32_t>((2 * tile + kReadBeyond) * (head > kSpan ? head : kSpan));
  return own;
}

void allocate(Owned& owned) {
  Engine& engine = owned.engine;
  const mf_model& model = engine.model;
  const int64_t wide = engine.widest;
  engine.hidden = owned.take<float>((int64_t)kMaxRows * engine.hidden_padded);
  engine.query = owned.take<float>((int64_t)kMaxRows * model.num_heads * model.head_dim);
  if (model.cache_kind == kCacheInt8)
    engine.fresh = owned.take<float>((int64_t)kMaxRows * 2 * model.num_kv_heads *
                                     engine.head_padded);
  engine.attended = owned.take<float>((int64_t)kMaxRows * engine.attended_padded);
  engine.gated = owned.take<float>((int64_t)kMaxRows * engine.intermediate_padded);
  engine.values = owned.take<float>(kMaxRows * wide);
  engine.quants = owned.take<int8_t>((kMaxRows + kReadBeyond) * wide);
  engine.scales = owned.take<float>(kMaxRows * wide / kInt4Block);
  engine.block_sums = owned.take<int32_t>(kMaxRows * wide / kInt4Block);
  engine.tiles = owned.take<Tile>(kMaxRows);
  for (int i = 0; i < model.num_threads; i++) owned.scratch.push_back(scratch_of_one(owned));
  engine.scratch = owned.scratch.data();
}

}  // namespace

int32_t mf_abi_version(void) { return kAbiVersion; }

const char* mf_instruction_sets(void) {
  static const std::string names = [] {
    std::string joined;
    for (const InstructionSet& each : available())
      joined += (joined.empty() ? "" : ",") + std::string(each.name);
    return joined;
  }();
  return names.c_str();
}

void* mf_create(const mf_model* model, const char* instruction_set) {
  Owned* owned = new (std::nothrow) Owned;
  if (!owned) return nullptr;
  try {
    for (const InstructionSet& each : available())
      if (!std::strcmp(each.name, instruction_set)) owned->step = each.step;
    owned->engine.model = *model;
    owned->layers.assign(model->layers, model->layers + model->num_layers);
    owned->engine.model.layers = owned->layers.data();
    size_up(owned->engine);
    allocate(*owned);
    owned->engine.pool = pool_create(model->num_threads);
    if (owned->step) return owned;
  } catch (const std::bad_alloc&) {
  }
  delete owned;
  return nullptr;
}

int32_t mf_num_threads(const void* engine) {
  return pool_size(static_cast<const Owned*>(engine)->engine.pool);
}

bool mf_step(void* engine, const mf_batch* batch) {
  Owned* owned = static_cast<Owned*>(engine);
  const int32_t vocab = owned->engine.model.vocab;
  const size_t most = (size_t)(batch->num_logits < kMaxRows ? batch->num_logits : kMaxRows);
  try {
    const size_t count = most * (size_t)(padded(vocab, kPanel) / kPanel);
    if (owned->bests.size() < count) owned->bests.resize(count);
  } catch (const std::bad_alloc&) {
    return false;
  }
  owned->engine.bests = owned->bests.data();
  int32_t logit_rows[kMaxRows];
  int32_t done = 0;
  for (int32_t begin = 0; begin < batch->num_rows; begin += kMaxRows) {
    mf_batch part = *batch;
    part.num_rows = batch->num_rows - begin < kMaxRows ? batch->num_rows - begin : kMaxRows;
    part.token_ids += begin;
    part.positions += begin;
    part.slots += begin;
    part.num_logits = 0;
    if (part.logits) part.logits += (int64_t)done * vocab;
    part.best += done;
    part.best_logprob += done;
    for (; done < batch->num_logits && batch->logit_rows[done] < begin + part.num_rows; done++)
      logit_rows[part.num_logits++] = batch->logit_rows[done] - begin;
    part.logit_rows = logit_rows;
    const Step step{&owned->engine, &part};
    owned->step(step);
  }
  return true;
}

void mf_destroy(void* engine) { delete static_cast<Owned*>(engine); }

void mf_advise_huge(void* address, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t page = 4096, from = reinterpret_cast<uintptr_t>(address) & ~(page - 1);
  madvise(reinterpret_cast<void*>(from), (size_t)bytes, MADV_HUGEPAGE);
#else
  (void)address;
  (void)bytes;
#endif
}
