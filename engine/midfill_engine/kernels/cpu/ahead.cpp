// Steps of one sequence that follow each other in one call: each takes the best token of the one
// before, or verifies guesses of what it will be. The caller's own work between two steps takes
// three times as long as it would alone, since a step has pushed it out of the machine's caches.
#include <chrono>
#include <new>

#include "abi.h"
#include "drafter.h"

namespace {

constexpr int kMostRows = 17;  // a token and its drafts

double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

// Whether a token is the last that may be made here; one that is no number is for the caller.
bool is_last(const mf_ahead& ahead, int32_t token, float logprob) {
  return logprob != logprob || (ahead.ends && ahead.ends[token]);
}

}  // namespace

bool mf_run_ahead(void* engine, const mf_batch* cache, mf_ahead* ahead) try {
  const auto begin = std::chrono::steady_clock::now();
  ahead->num_steps = ahead->num_tokens = 0;
  Drafter drafter(ahead->drafts);
  int32_t last = ahead->last;
  for (bool going = true; going;) {
    int32_t rows[kMostRows], positions[kMostRows], slots[kMostRows], logit_rows[kMostRows];
    int32_t best[kMostRows];
    float logprobs[kMostRows];
    const int left = ahead->most_tokens - ahead->num_tokens;
    const int count = 1 + drafter.guess(left - 1, rows + 1);
    rows[0] = last;
    for (int i = 0; i < count; i++) {
      positions[i] = ahead->position + ahead->num_tokens + i;
      slots[i] = ahead->slot;
      logit_rows[i] = i;
    }
    mf_batch batch = *cache;
    batch.num_rows = batch.num_logits = count;
    batch.token_ids = rows;
    batch.positions = positions;
    batch.slots = slots;
    batch.logit_rows = logit_rows;
    batch.logits = nullptr;
    batch.best = best;
    batch.best_logprob = logprobs;
    const auto step_begin = std::chrono::steady_clock::now();
    if (!mf_step(engine, &batch)) return false;
    int made = 0;
    for (bool stands = true; going && stands; made++) {
      last = best[made];
      drafter.accept(last);
      ahead->tokens[ahead->num_tokens] = last;
      ahead->logprobs[ahead->num_tokens++] = logprobs[made];
      going = !is_last(*ahead, last, logprobs[made]) && ahead->num_tokens < ahead->most_tokens;
      stands = made + 1 < count && rows[made + 1] == last;
    }
    ahead->steps[ahead->num_steps++] = {count, made, ms_since(step_begin)};
    going = going && !*ahead->interrupt && ms_since(begin) < ahead->budget_ms;
  }
  return true;
} catch (const std::bad_alloc&) {
  return false;
}
