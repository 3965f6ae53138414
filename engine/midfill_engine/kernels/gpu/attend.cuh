// Attention: cut at fixed positions, each piece summed by itself, then all of a row combined.
#pragma once

struct Attending : Worker {
  using Worker::Worker;

  static constexpr int GROUP = NUM_HEADS / NUM_KV_HEADS;
  static constexpr int SHARERS = HEAD_DIM / 32;          // threads of a position's score
  static constexpr int PAIRS = HEAD_DIM / 2;             // threads of a part of the values
  static constexpr int PARTS = NUM_WORKERS / PAIRS;      // of a piece's positions
  static constexpr int EACH = PIECE / PARTS;             // positions of a part

  DEVICE void attend(const Layer& layer) {
    int total = Pieces::all(step);
    share.begin(total);
    Pieces pieces(step);
    for (int unit = share.first; unit < total; unit += share.step) {
      int piece, head;
      pieces.find(unit, piece, head);
      attend_piece(layer, pieces.group, piece, head);
    }
    meet();
  }

  DEVICE void attend_piece(const Layer& layer, int group, int piece, int head) {
    const int count = static_cast<int>(step.group_counts[group]);
    const int end = static_cast<int>(step.group_ends[group]);
    const int first_row = static_cast<int>(step.group_firsts[group]);
    const i64 start = step.group_slots[group] * step.slot_stride + head * step.head_stride;
    const int there = end - piece * PIECE < PIECE ? end - piece * PIECE : PIECE;
    const int old = end - count - piece * PIECE;  // positions that the loading warp asked for

    Ring values_at = ring;
    values_at.next();
    u8* keys = ring.place();
    u8* values = values_at.place();
    wait_for(ring.full + ring.at, ring.parity);
    wait_for(values_at.full + values_at.at, values_at.parity);
    if (old < there) {
      const int from = old < 0 ? 0 : old;
      constexpr int VECTORS = HEAD_DIM / 8;
      for (int idx = thread; idx < (there - from) * VECTORS; idx += NUM_WORKERS) {
        const int at = from * HEAD_DIM + idx * 8;
        const i64 place = start + static_cast<i64>(piece) * PIECE * HEAD_DIM + at;
        *reinterpret_cast<Vec*>(keys + at * 2) = load_fresh(layer.keys + place);
        *reinterpret_cast<Vec*>(values + at * 2) = load_fresh(layer.values + place);
      }
      sync_workers();
    }
    for (int first = 0; first < count * GROUP; first += TOGETHER) {
      const int queries = count * GROUP - first < TOGETHER ? count * GROUP - first : TOGETHER;
      fetch_queries(first_row, head, first, queries);
      score(keys, piece, end - count, first, queries, there);
      weigh(first_row, head, piece, first, queries);
      sum_values(values, queries, there);
      keep_totals(first_row, head, piece, first, queries);
    }
    if (old < there) fence_for_copies();
    give_back();  // keys
    give_back();  // values
  }

  DEVICE int pair_of(int first_row, int head, int query) const {
    return (first_row + query / GROUP) * NUM_HEADS + head * GROUP + query % GROUP;
  }

  DEVICE void fetch_queries(int first_row, int head, int first, int queries) {
    for (int idx = thread; idx < queries * (HEAD_DIM / 8); idx += NUM_WORKERS) {
      const int query = idx / (HEAD_DIM / 8), at = idx % (HEAD_DIM / 8) * 8;
      const Vec eight = load_fresh(step.query + pair_of(first_row, head, first + query) * HEAD_DIM + at);
  #pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        scratch.queries[query][at + 2 * pair] = low(eight.v[pair]);
        scratch.queries[query][at + 2 * pair + 1] = high(eight.v[pair]);
      }
    }
    sync_workers();
  }

  // Scores of every position, SHARERS threads each; threads begin at different banks.
  DEVICE void score(const u8* keys, int piece, int lowest, int first, int queries, int there) {
    const int position = thread / SHARERS, sharer = thread % SHARERS;
    const int crossed = position & (SHARERS == 4 ? 1 : 3);
    float key[4][8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = ((i ^ crossed) * SHARERS + sharer) * 8;
      const Vec eight = *reinterpret_cast<const Vec*>(keys + (position * HEAD_DIM + at) * 2);
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        key[i][2 * pair] = low(eight.v[pair]);
        key[i][2 * pair + 1] = high(eight.v[pair]);
      }
    }
    for (int query = 0; query < queries; ++query) {
      float total = 0.0f;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* by = scratch.queries[query] + ((i ^ crossed) * SHARERS + sharer) * 8;
        for (int dim = 0; dim < 8; ++dim) total += key[i][dim] * by[dim];
      }
      for (int mask = 1; mask < SHARERS; mask *= 2) total += shuffle_xor(total, mask);
      const bool seen =
          position < there && piece * PIECE + position <= lowest + (first + query) / GROUP;
      if (sharer == 0) scratch.scores[query][position] = seen ? total * step.scale : NONE;
    }
    sync_workers();
  }

  // Turns scores into weights, a warp a query, and keeps the largest score and the weights' sum.
  DEVICE void weigh(int first_row, int head, int piece, int first, int queries) {
    for (int query = warp; query < queries; query += WARPS) {
      float* scores = scratch.scores[query];
      float top = NONE, sum = 0.0f;
      for (int at = lane; at < PIECE; at += 32) top = scores[at] > top ? scores[at] : top;
      for (int mask = 16; mask; mask /= 2) {
        const float other = shuffle_xor(top, mask);
        top = other > top ? other : top;
      }
      const float anchor = top == NONE ? 0.0f : top;
      for (int at = lane; at < PIECE; at += 32) {
        scores[at] = power_of_2(scores[at] - anchor);
        sum += scores[at];
      }
      for (int mask = 16; mask; mask /= 2) sum += shuffle_xor(sum, mask);
      if (lane == 0) {
        const i64 pair = pair_of(first_row, head, first + query);
        float* place = step.piece_tops + (pair * step.max_pieces + piece) * 2;
        place[0] = top;
        place[1] = sum;
      }
    }
    sync_workers();
  }

  DEVICE void sum_values(const u8* values, int queries, int there) {
    const int part = thread / PAIRS, pair = thread % PAIRS, from = part * EACH;
    u32 value[EACH];
#pragma unroll
    for (int i = 0; i < EACH; ++i)
      value[i] = from + i < there
                     ? *reinterpret_cast<const u32*>(values + ((from + i) * HEAD_DIM + pair * 2) * 2)
                     : 0;  // what lies there may be no number
    for (int query = 0; query < queries; ++query) {
      const float* weights = scratch.scores[query] + from;
      float even = 0.0f, odd = 0.0f;
#pragma unroll
      for (int i = 0; i < EACH; ++i) {
        even += weights[i] * low(value[i]);
        odd += weights[i] * high(value[i]);
      }
      float* place = scratch.shares + (part * TOGETHER + query) * HEAD_DIM + pair * 2;
      place[0] = even;
      place[1] = odd;
    }
    sync_workers();
  }

  DEVICE void keep_totals(int first_row, int head, int piece, int first, int queries) {
    for (int idx = thread; idx < queries * HEAD_DIM; idx += NUM_WORKERS) {
      const int query = idx / HEAD_DIM, dim = idx % HEAD_DIM;
      float total = 0.0f;
      for (int part = 0; part < PARTS; ++part)
        total += scratch.shares[(part * TOGETHER + query) * HEAD_DIM + dim];
      const i64 pair = pair_of(first_row, head, first + query);
      step.piece_totals[(pair * step.max_pieces + piece) * HEAD_DIM + dim] = total;
    }
    sync_workers();
  }

  // Adds up the pieces of every row and head, a block each; a warp takes every WARPS-th piece.
  DEVICE void combine() {
    for (int group = 0, pair = 0; group < step.num_groups; ++group) {
      const int end = static_cast<int>(step.group_ends[group]);
      const int num_pieces = (end + PIECE - 1) / PIECE;
      const int pairs = static_cast<int>(step.group_counts[group]) * NUM_HEADS;
      const int first = static_cast<int>(step.group_firsts[group]) * NUM_HEADS;
      for (int each = 0; each < pairs; ++each, ++pair)
        if (pair % num_blocks() == block_id()) combine_pair(first + each, num_pieces);
    }
    meet();
  }

  DEVICE void combine_pair(int pair, int num_pieces) {
    const float* tops = step.piece_tops + static_cast<i64>(pair) * step.max_pieces * 2;
    const float* totals = step.piece_totals + static_cast<i64>(pair) * step.max_pieces * HEAD_DIM;
    float top = NONE;
    for (int piece = lane; piece < num_pieces; piece += 32) {
      const float here = load_fresh_float(tops + piece * 2);
      top = here > top ? here : top;
    }
    for (int mask = 16; mask; mask /= 2) {
      const float other = shuffle_xor(top, mask);
      top = other > top ? other : top;
    }
    constexpr int DIMS = HEAD_DIM / 32;  // of a lane
    float whole = 0.0f, total[DIMS] = {};
#pragma unroll 4
    for (int piece = warp; piece < num_pieces; piece += WARPS) {
      const float by = power_of_2(load_fresh_float(tops + piece * 2) - top);
      whole += by * load_fresh_float(tops + piece * 2 + 1);
#pragma unroll
      for (int i = 0; i < DIMS; ++i)
        total[i] += by * load_fresh_float(totals + piece * HEAD_DIM + i * 32 + lane);
    }
    for (int i = 0; i < DIMS; ++i) scratch.shares[warp * 129 + i * 32 + lane] = total[i];
    if (lane == 0) scratch.shares[warp * 129 + 128] = whole;
    sync_workers();
    if (thread < PAIRS) {
      float sums[3] = {};
      for (int w = 0; w < WARPS; ++w) {
        const float* mine = scratch.shares + w * 129;
        sums[0] += mine[thread * 2];
        sums[1] += mine[thread * 2 + 1];
        sums[2] += mine[128];
      }
      *reinterpret_cast<u32*>(step.attended + static_cast<i64>(pair) * HEAD_DIM + thread * 2) =
          as_operands(sums[0] / sums[2], sums[1] / sums[2]);
    }
    sync_workers();
  }
};
