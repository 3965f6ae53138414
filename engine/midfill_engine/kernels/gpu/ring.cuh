// A step's weights and cached keys on their way into a processor's shared memory.
//
// One warp of a block asks for everything that the block will multiply with, in the order in which
// the others will want it, as far ahead as the ring has places. It waits for no result, so memory
// stays busy while the blocks wait for each other.
#pragma once

constexpr int ROW_BYTES = 2048;              // of one output's weights that lie in a place
constexpr int ROW_STRIDE = ROW_BYTES + 64;   // so that eight rows lie in different banks
constexpr int OUTPUTS = 8;                   // of a tile
constexpr int PLACE_BYTES = OUTPUTS * ROW_STRIDE;
constexpr int PIECE_BYTES = 16384;           // keys, or values, of one piece
constexpr int PIECE = PIECE_BYTES / (2 * HEAD_DIM);  // positions of one
constexpr int WEIGHT_BYTES = WEIGHT_KIND == 0 ? 2 : 1;

constexpr i64 PATIENCE = 40000000000;  // cycles, some 20 s: an error is better than a hang

// Whether a wait has lasted too long. Signed: each processor has a clock of its own.
DEVICE bool is_hopeless(u64 since) { return static_cast<i64>(cycles() - since) > PATIENCE; }

DEVICE void wait_for(u64* barrier, u32 parity) {
  for (u64 since = cycles(); !is_over(barrier, parity);)
    if (is_hopeless(since)) give_up();
}

struct Ring {
  u8* places;
  u64* full;
  u64* empty;
  int count;  // of places
  int at = 0;
  u32 parity = 0;

  DEVICE u8* place() const { return places + at * PLACE_BYTES; }

  DEVICE void next() {
    if (++at == count) {
      at = 0;
      parity ^= 1;
    }
  }
};

// Which tiles of a product are this block's: every n-th, begun where the product before ended, so
// that no block has more than its share of all of them.
struct Share {
  int first, step, cursor = 0;

  DEVICE void begin(int num_tiles) {
    step = num_blocks();
    first = block_id() - cursor;
    if (first < 0) first += step;
    cursor = (cursor + num_tiles) % step;
  }
};

// Of the products whose inputs are cut into SPLITS parts a block has one part.
struct Part {
  int part, first, step, begin, length;  // inputs [begin, begin + length)

  DEVICE Part(int num_inputs, int unit) {
    part = block_id() % SPLITS;
    first = block_id() / SPLITS;
    step = (num_blocks() - part + SPLITS - 1) / SPLITS;
    int each = (num_inputs / unit + SPLITS - 1) / SPLITS * unit;
    begin = part * each;
    if (begin > num_inputs) begin = num_inputs;
    length = num_inputs - begin < each ? num_inputs - begin : each;
  }
};

DEVICE int tiles_of(int num_outputs) { return (num_outputs + OUTPUTS - 1) / OUTPUTS; }

// The pieces of all groups, numbered: group by group, piece by piece, head by head.
struct Pieces {
  const Step& step;
  int group = 0, before = 0;  // units of the groups before

  DEVICE explicit Pieces(const Step& s) : step(s) {}

  DEVICE static int of(const Step& s, int group) {
    int end = static_cast<int>(s.group_ends[group]);
    return s.group_counts[group] > 0 ? (end + PIECE - 1) / PIECE * NUM_KV_HEADS : 0;
  }

  DEVICE static int all(const Step& s) {
    int total = 0;
    for (int group = 0; group < s.num_groups; ++group) total += of(s, group);
    return total;
  }

  // Goes on to the group of a unit, which must not be below the one before.
  DEVICE void find(int unit, int& piece, int& head) {
    for (int own = of(step, group); unit - before >= own; own = of(step, group)) {
      before += own;
      ++group;
    }
    piece = (unit - before) / NUM_KV_HEADS;
    head = (unit - before) % NUM_KV_HEADS;
  }
};

struct Loader {
  Ring ring;
  int lane;

  DEVICE void wait_for_place() { wait_for(ring.empty + ring.at, ring.parity ^ 1); }

  // Asks for `num_rows` rows of `num_bytes`, one a lane.
  DEVICE void rows(const u8* from, i64 stride, int num_rows, int num_bytes) {
    wait_for_place();
    if (lane == 0) arrive_expecting(ring.full + ring.at, num_rows * num_bytes);
    sync_warp();
    if (lane < num_rows)
      copy_bulk(ring.place() + lane * ROW_STRIDE, from + lane * stride, num_bytes,
                ring.full + ring.at);
    ring.next();
  }

  // Asks for a tile's rows, part after part; of two matrices in turn where there is a second.
  DEVICE void tile(const u8* weight, const u8* second, int tile, int num_outputs, i64 stride,
                   int first_byte, int num_bytes) {
    int num_rows = num_outputs - tile * OUTPUTS < OUTPUTS ? num_outputs - tile * OUTPUTS : OUTPUTS;
    i64 start = tile * OUTPUTS * stride + first_byte;
    for (int at = 0; at < num_bytes; at += ROW_BYTES) {
      int size = num_bytes - at < ROW_BYTES ? num_bytes - at : ROW_BYTES;
      rows(weight + start + at, stride, num_rows, size);
      if (second) rows(second + start + at, stride, num_rows, size);
    }
  }

  DEVICE void matrix(Share& share, const u8* weight, const u8* second, int num_outputs,
                     int num_bytes) {
    share.begin(tiles_of(num_outputs));
    for (int each = share.first; each < tiles_of(num_outputs); each += share.step)
      tile(weight, second, each, num_outputs, num_bytes, 0, num_bytes);
  }

  DEVICE void split_matrix(const u8* weight, int num_outputs, int num_inputs, int item) {
    Part part(num_inputs, 64 / item);
    for (int each = part.first; each < tiles_of(num_outputs); each += part.step)
      tile(weight, nullptr, each, num_outputs, static_cast<i64>(num_inputs) * item,
           part.begin * item, part.length * item);
  }

  // Asks for the keys and values that were there before this step.
  DEVICE void cache(Share& share, const Step& step, const u16* keys, const u16* values) {
    int total = Pieces::all(step);
    share.begin(total);
    Pieces pieces(step);
    for (int unit = share.first; unit < total; unit += share.step) {
      int piece, head;
      pieces.find(unit, piece, head);
      int group = pieces.group;
      int old = static_cast<int>(step.group_ends[group] - step.group_counts[group]) - piece * PIECE;
      int size = (old < 0 ? 0 : old < PIECE ? old : PIECE) * HEAD_DIM * 2;
      i64 start = step.group_slots[group] * step.slot_stride + head * step.head_stride +
                  static_cast<i64>(piece) * PIECE * HEAD_DIM;
      for (const u16* from : {keys, values}) {
        wait_for_place();
        sync_warp();  // a lane that looks after the place was read again waits for ever
        if (lane == 0) {
          arrive_expecting(ring.full + ring.at, size);
          if (size) copy_bulk(ring.place(), from + start, size, ring.full + ring.at);
        }
        ring.next();
      }
    }
  }
};

// The whole step of one block's loading warp.
DEVICE void load_all(const Step& step, Ring ring, int lane) {
  Loader loader{ring, lane};
  Share share;
  for (int idx = 0; idx < step.num_layers; ++idx) {
    const Layer& layer = step.layers[idx];
    loader.matrix(share, layer.qkv.weight, nullptr, NUM_QKV, HIDDEN * WEIGHT_BYTES);
    loader.cache(share, step, layer.keys, layer.values);
    loader.matrix(share, layer.out.weight, nullptr, HIDDEN, NUM_QUERIES * WEIGHT_BYTES);
    loader.matrix(share, layer.gate_up.weight,
                  layer.gate_up.weight + static_cast<i64>(INNER) * HIDDEN * WEIGHT_BYTES, INNER,
                  HIDDEN * WEIGHT_BYTES);
    loader.split_matrix(layer.down.weight, HIDDEN, INNER, WEIGHT_BYTES);
  }
  loader.matrix(share, step.head, nullptr, NUM_TOKENS, HIDDEN * 2);
}
