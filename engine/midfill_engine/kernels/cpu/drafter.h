// Guesses of what a sequence will say next, and how many of them pay: runtime/draft.py,
// runtime/speculate.py and runtime/step_costs.py over again, for steps that follow each other in
// one call. A wrong guess costs time only, so the two need not agree to the last bit.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <vector>

#include "abi.h"

class Drafter {
 public:
  // Null guesses nothing.
  explicit Drafter(const mf_drafts* drafts) : drafts_(drafts) {
    if (!drafts_) return;
    text_.assign(drafts_->text, drafts_->text + drafts_->text_len);
    at_ = drafts_->at;
    in_hint_ = drafts_->in_hint != 0;
    agreed_ = drafts_->agreed;
    hint_at_ = drafts_->hint_at;
    std::copy(drafts_->rates, drafts_->rates + 2 * kRates, rates_);
  }

  // Writes the guesses that are worth verifying, at most `most`; returns how many.
  int guess(int most, int32_t* guessed) {
    if (!drafts_ || most < 1) return 0;
    if (at_ < 0) find();
    if (at_ < 0) return 0;
    const int left = in_hint_ ? drafts_->hint_len - at_ : most;
    const int count = best_length(std::min({most, left, kMaxDraft}));
    const int period = (int)text_.size() - at_;  // a repetition goes on repeating
    for (int i = 0; i < count; i++)
      guessed[i] = in_hint_ ? drafts_->hint[at_ + i] : text_[(size_t)(at_ + i % period)];
    return count;
  }

  // Takes in the next token of the sequence.
  void accept(int32_t token) {
    if (!drafts_) return;
    if (at_ >= 0) {
      const bool right = token == (in_hint_ ? drafts_->hint[at_] : text_[(size_t)at_]);
      float& rate = rates_[in_hint_ * kRates + std::min(agreed_, kRates - 1)];
      rate += ((float)right - rate) / 32;
      at_++;
      agreed_++;
      if (in_hint_ && right) hint_at_ = at_;
      if (!right || (in_hint_ && at_ == drafts_->hint_len)) at_ = -1;
    }
    text_.push_back(token);
  }

 private:
  static constexpr int kRates = 9;
  static constexpr int kMaxDraft = 16;
  static constexpr float kSmallestRate = 0.05f;

  // The latest place of the longest match; the hint goes first, from where it stood on.
  void find() {
    const int len = (int)text_.size();
    for (const int count : {8, 4, 3, 2, 1}) {
      if (count > len) continue;
      const int32_t* pattern = text_.data() + len - count;
      const int32_t* hint = drafts_->hint;
      for (int at = std::max(hint_at_ - count, 0); at + count < drafts_->hint_len; at++)
        if (std::equal(pattern, pattern + count, hint + at)) return begin(true, at + count, count);
      for (int at = len - 1 - count; at >= 0; at--)
        if (text_[(size_t)(at + count - 1)] == pattern[count - 1] &&
            std::equal(pattern, pattern + count, text_.data() + at))
          return begin(false, at + count, count);
    }
  }

  void begin(bool in_hint, int at, int agreed) {
    in_hint_ = in_hint;
    at_ = at;
    agreed_ = agreed;
  }

  // The length that yields the most tokens per millisecond of the step; 0 where none pays.
  int best_length(int most) const {
    const float* rates = rates_ + in_hint_ * kRates;
    if (rates[std::min(agreed_, kRates - 1)] < kSmallestRate) return 0;
    double best_speed = 1.0 / step_ms(1), gain = 0.0, chance = 1.0;
    int best = 0;
    for (int length = 1; length <= most; length++) {
      chance *= rates[std::min(agreed_ + length - 1, kRates - 1)];
      gain += chance;
      const bool weighed = length <= 4 || length == 6 || length == 8 || length == 12;
      if (!weighed && length < most) continue;
      const double speed = (1.0 + gain) / step_ms(1 + length);
      if (speed > best_speed) {
        best_speed = speed;
        best = length;
      }
    }
    return best;
  }

  double step_ms(int rows) const {
    int idx = 0;
    while (idx + 2 < drafts_->num_costs && drafts_->cost_rows[idx + 1] <= rows) idx++;
    const int32_t* sizes = drafts_->cost_rows + idx;
    const double *ms = drafts_->cost_ms + idx, rise = std::max(ms[1] - ms[0], 0.0);
    return ms[0] + rise * (rows - sizes[0]) / (sizes[1] - sizes[0]);
  }

  const mf_drafts* drafts_;
  std::vector<int32_t> text_;
  bool in_hint_ = false;
  int at_ = -1, agreed_ = 0, hint_at_ = 0;  // at_ < 0: to be found
  float rates_[2 * kRates] = {};
};
