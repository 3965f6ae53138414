// Tiles of the kinds whose blocks are summed in whole numbers: int8, int6 and int4.
#pragma once

#include "whole_block.h"

namespace {

template <class Weights>
struct WholeTile {
  static constexpr int kBlock = Weights::kInputs;
  static constexpr int kRows = kMaxIntTile;
  static constexpr int kChunk = 1024;

  // Several rows go over a panel in parts, where not all of their sums fit the registers: in
  // stretches, so that memory is kept busy in every part (docs/log.md, 2026-11-26).
  template <int R, int P>
  static __attribute__((noinline)) void run(const TileJob& job) {
    constexpr int kGroup = R > 1 ? vecs_at_once(R, kMaxIntSums, kMaxIntVecs) : kVecs;
    static_assert(P == 1 || kGroup == kVecs, "ahead_of knows whole panels");
    const int most = kGroup < kVecs && job.fetch ? Weights::kStretch : job.depth;
    for (int at = 0; at < job.depth; at += most) {
      TileJob stretch = job;
      stretch.weights += at * job.input_bytes;
      stretch.x.quants += at * kBlock;
      stretch.x.scales += at;
      stretch.x.sums += at;
      stretch.depth = job.depth - at < most ? job.depth - at : most;
      stretch.fresh = job.fresh && at == 0;
      for (int v = 0; v < kVecs; v += kGroup) part<R, P, kGroup>(stretch, v);
    }
  }

  template <int R, int P, int G>
  MF_INLINE void part(const TileJob& job, int first) {
    Vec sum[R][P][G];
    load_sums<R, P, G>(job, first, sum);
    const uint8_t* w = job.weights;
    for (int b = 0; b < job.depth; b++, w += job.input_bytes)
      for (int p = 0; p < P; p++) {
        const uint8_t* block = w + p * job.panel_bytes;
        Weights::template block<R, G>(job, block, ahead_of<P>(job, block, b), b, first,
                                      &sum[0][p], P);
      }
    store_sums<R, P, G>(job, first, sum);
  }

  // What is to be asked for along with block b: what the tile comes to kAhead blocks later, in the
  // same panel or the one that is P panels on, or else job.next.
  template <int P>
  MF_INLINE const uint8_t* ahead_of(const TileJob& job, const uint8_t* block, int b) {
    if (!job.fetch) return nullptr;
    if constexpr (!Weights::kInMemory) return job.next + b * Weights::kPackedBytes;
    const int64_t jump = b + Weights::kAhead < job.depth ? 0 : (P - 1) * job.panel_bytes;
    return block + Weights::kAhead * Weights::kBytes + jump;
  }
};

}  // namespace
