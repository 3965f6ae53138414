// Many rows with weights of whole numbers in AMX's tiles, sixteen rows at a time. They are summed
// exactly, block by block, and the float sums in WholeTile's order: the same bits.
#pragma once

#include "whole_block.h"

#if defined(__AMX_INT8__)

namespace {

constexpr int kAmxRows = 16;
constexpr int kAmxFrom = 7;    // rows; fewer are as fast in vectors

// The shapes of tiles: 0 to 3 sums [row][output] of a half panel, in turn two for a block; 4
// activations [row][input of a block]; 5 and 6 weights [input / 4][output][4]. A thread's tiles are
// set for one product and given back, because they cost a switch of threads 8 KB, and because the
// caller's may be in use for something else.
struct AmxTiles {
  AmxTiles(int block, int num_rows) {
    alignas(64) uint8_t shapes[64] = {1};  // the palette
    const uint16_t row_bytes[] = {64, 64, 64, 64, (uint16_t)block, 64, 64};
    const uint8_t fours = (uint8_t)(block / 4);
    const uint8_t most = (uint8_t)(num_rows < kAmxRows ? num_rows : kAmxRows);
    const uint8_t rows[] = {most, most, most, most, most, fours, fours};
    memcpy(shapes + 16, row_bytes, sizeof(row_bytes));
    memcpy(shapes + 48, rows, sizeof(rows));
    __asm__ volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~AmxTiles() { __asm__ volatile("tilerelease"); }
};

// The compilers' own intrinsics want a literal for a tile's number, and GCC 12's do not say that
// they read memory, so that what was stored for them may be left out.
template <int kTile>
MF_INLINE void tile_load(const void* from, int64_t row_stride) {
  __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0"
                   :
                   : "i"(kTile), "r"(from), "r"(row_stride)
                   : "memory");
}
template <int kTile>
MF_INLINE void tile_store(void* to, int64_t row_stride) {
  __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)"
                   :
                   : "i"(kTile), "r"(to), "r"(row_stride)
                   : "memory");
}
template <int kTile>
MF_INLINE void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
template <int kSum, int kLeft, int kRight>
MF_INLINE void tile_dot() {  // of signed bytes
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}

template <int kSum, int kLeft, int kRight>
MF_INLINE void tile_dot_unsigned() {  // of signed bytes on the left and unsigned ones on the right
  __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}

// A block's numbers, signed, as tiles take them: [input / 4][output][4].
MF_INLINE void unpack_numbers(Int8Weights, const uint8_t* from, int8_t* to) {
  for (int i = 0; i < Int8Weights::kInputs * kPanel; i += 64)
    _mm512_store_si512(to + i, _mm512_xor_si512(iload(from + i), _mm512_set1_epi8((char)0x80)));
}
MF_INLINE void unpack_numbers(Int6Weights, const uint8_t* from, int8_t* to) {
  const IntVec added = _mm512_set1_epi8(32);
  unpack_sixes(from, [&](int at, IntVec numbers) {
    _mm512_store_si512(to + at, _mm512_sub_epi8(numbers, added));
  });
}
MF_INLINE void unpack_numbers(Int4Weights, const uint8_t* from, int8_t* to) {
  constexpr int kHalf = Int4Weights::kInputs * kPanel / 2;
  for (int i = 0; i < kHalf; i += 64) {
    _mm512_store_si512(to + i, nibbles_low(iload(from + i)));
    _mm512_store_si512(to + kHalf + i, nibbles_high(iload(from + i)));
  }
}

template <class Weights>
struct AmxTile {
  static constexpr int kBlock = Weights::kInputs;
  static constexpr int kAmxStretch = 4;  // blocks whose sums are taken up together
  static constexpr int kBlockBytes = Weights::kBytes;

  struct Memory {  // of a stretch; small enough to stay in the first-level cache beside the rest
    alignas(64) int8_t weights[kAmxStretch][kBlock * kPanel];
    alignas(64) float scales[kAmxStretch][kPanel];
    alignas(64) float minima[Weights::kHasMinima ? kAmxStretch : 1][kPanel];
    alignas(64) int32_t dots[kAmxStretch][kVecs][kAmxRows][kLanes];
  };

  // One panel's sums of all rows; `job` is of its first inputs, `num_blocks` of them.
  static __attribute__((noinline)) void run(TileJob job, int num_rows, int num_blocks) {
    const AmxTiles tiles(kBlock, num_rows);
    Memory own;
    for (int at = 0; at < num_blocks; at += kAmxStretch) {
      job.depth = num_blocks - at < kAmxStretch ? num_blocks - at : kAmxStretch;
      job.fresh = at == 0;
      for (int b = 0; b < job.depth; b++) unpack(job.weights + b * kBlockBytes, own, b);
      for (int row = 0; row < num_rows; row += kAmxRows) {
        job.fetch = row == 0;
        multiply(job, own, row, num_rows - row < kAmxRows ? num_rows - row : kAmxRows);
      }
      job.weights += kAmxStretch * kBlockBytes;
      job.x.quants += kAmxStretch * kBlock;
      job.x.scales += kAmxStretch;
      job.x.sums += kAmxStretch;
    }
  }

  // One block's numbers and scales.
  MF_INLINE void unpack(const uint8_t* block, Memory& own, int b) {
    unpack_numbers(Weights(), block + Weights::kScaleBytes, own.weights[b]);
    const uint16_t* halves = (const uint16_t*)block;
    for (int v = 0; v < kPanel; v += kLanes) {
      vstore(own.scales[b] + v, vwiden(halves + v));
      if constexpr (Weights::kHasMinima) vstore(own.minima[b] + v, vwiden(halves + kPanel + v));
    }
  }

  // A stretch of up to sixteen rows.
  MF_INLINE void multiply(const TileJob& job, Memory& own, int row, int num_rows) {
    const int8_t* rows = job.x.quants + row * job.x.stride;
    for (int b = 0; b < job.depth; b += 2) {
      begin<0>(job, own, rows, b);
      if (b > 0) end<2>(own, b - 1);
      if (b + 1 < job.depth) begin<2>(job, own, rows, b + 1);
      end<0>(own, b);
    }
    if (job.depth % 2 == 0) end<2>(own, job.depth - 1);
    int first = 0;
    for (; first + kGroup <= num_rows; first += kGroup)
      if (job.depth == kAmxStretch)
        take_up<kGroup>(job, own, kAmxStretch, row, first);
      else
        take_up<kGroup>(job, own, job.depth, row, first);
    for (; first < num_rows; first++) take_up<1>(job, own, job.depth, row, first);
  }

  // Multiplies one block, both halves of the panel, in tiles kFirst and kFirst + 1.
  template <int kFirst>
  MF_INLINE void begin(const TileJob& job, const Memory& own, const int8_t* rows, int b) {
    fetch(job, b, 0, kLinesInTiles);
    tile_load<4>(rows + b * kBlock, job.x.stride);
    tile_load<5>(own.weights[b], kPanel * 4);
    tile_zero<kFirst>();
    tile_dot<kFirst, 4, 5>();
    tile_load<6>(own.weights[b] + 64, kPanel * 4);
    tile_zero<kFirst + 1>();
    tile_dot<kFirst + 1, 4, 6>();
  }

  template <int kFirst>
  MF_INLINE void end(Memory& own, int b) {
    tile_store<kFirst>(own.dots[b][0], 64);
    tile_store<kFirst + 1>(own.dots[b][1], 64);
  }

  static constexpr int kGroup = 4;  // rows whose sums are in registers
  static constexpr int kLines = kBlockBytes / 64;
  static constexpr int kLinesInGroup = kLines / 8, kLinesInTiles = kLines - 4 * kLinesInGroup;

  // Asks for lines [begin, end) of a block of the next panel: a few at a time, all along.
  MF_INLINE void fetch(const TileJob& job, int b, int begin, int end) {
    const uint8_t* next = job.weights + job.panel_bytes + b * kBlockBytes;
    if (job.fetch) ask_for(next, begin * 64, end * 64);
  }

  // Adds a stretch's whole numbers, scaled, to the sums of R rows of a tile, from `first` on.
  template <int R>
  MF_INLINE void take_up(const TileJob& job, const Memory& own, int depth, int row, int first) {
    const int64_t per_row = job.x.stride / kBlock, from = (row + first) * per_row;
    Vec sum[R][kVecs];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < kVecs; v++)
        sum[r][v] = job.fresh ? vset(0.0f) : vload(sums_of(job, row + first + r, 0, v));
    for (int b = 0; b < depth; b++) {
      const int line = kLinesInTiles + first / kGroup * kLinesInGroup;
      if (R == kGroup) fetch(job, b, line, line + kLinesInGroup);
      for (int r = 0; r < R; r++) {
        const int64_t block = from + r * per_row + b;
        const Vec unit = vset(job.x.scales[block]);
        for (int v = 0; v < kVecs; v++) {
          if constexpr (Weights::kHasMinima) {
            const Vec total = vset(Weights::total(job.x, block));
            sum[r][v] = vfma(vload(own.minima[b] + v * kLanes), total, sum[r][v]);
          }
          const Vec both = vmul(vload(own.scales[b] + v * kLanes), unit);
          sum[r][v] = vfma(vfloat(iload(own.dots[b][v][first + r])), both, sum[r][v]);
        }
      }
    }
    for (int r = 0; r < R; r++)
      for (int v = 0; v < kVecs; v++) vstore(sums_of(job, row + first + r, 0, v), sum[r][v]);
  }
};

}  // namespace

#endif
