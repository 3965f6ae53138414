// Sixteen lanes: AVX-512, with or without VNNI. Included inside simd.h's namespace.
using Vec = __m512;
using IntVec = __m512i;
constexpr int kLanes = 16;
constexpr int kMaxTile = 12;  // rows of a float tile
constexpr int kMaxSums = 24;  // of it, in 32 registers
constexpr int kMaxHalfTile = 12;  // the same of a bfloat16 tile
constexpr int kMaxHalfSums = 24;
constexpr bool kUnpackMany = false;  // whether it unpacks all weights of an input before the rows
constexpr int kMaxIntTile = 8;
constexpr int kMaxIntVecs = 2;  // of a panel, for several rows at once
#if defined(__AVX512VNNI__)
constexpr int kMaxIntSums = 16;  // of them and the rows
#else
constexpr int kMaxIntSums = 8;
#endif
constexpr int kMaxWide = 4;  // panels side by side where there is one row
constexpr int64_t kFetchAhead = 32;  // positions: so early keys and values are asked for
constexpr int kFetchLevel = 2;  // into the second-level cache

MF_INLINE Vec vload(const float* p) { return _mm512_loadu_ps(p); }
MF_INLINE void vstore(float* p, Vec a) { _mm512_storeu_ps(p, a); }
MF_INLINE Vec vset(float x) { return _mm512_set1_ps(x); }
MF_INLINE Vec vadd(Vec a, Vec b) { return _mm512_add_ps(a, b); }
MF_INLINE Vec vsub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
MF_INLINE Vec vmul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
MF_INLINE Vec vdiv(Vec a, Vec b) { return _mm512_div_ps(a, b); }
MF_INLINE Vec vmax(Vec a, Vec b) { return _mm512_max_ps(a, b); }
MF_INLINE Vec vmin(Vec a, Vec b) { return _mm512_min_ps(a, b); }
MF_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
MF_INLINE Vec vabs(Vec a) { return _mm512_abs_ps(a); }
MF_INLINE IntVec vround(Vec a) { return _mm512_cvtps_epi32(a); }
MF_INLINE Vec vfloat(IntVec a) { return _mm512_cvtepi32_ps(a); }
MF_INLINE IntVec vbits(Vec a) { return _mm512_castps_si512(a); }
MF_INLINE IntVec imax(IntVec a, IntVec b) { return _mm512_max_epi32(a, b); }
MF_INLINE IntVec iset(int32_t x) { return _mm512_set1_epi32(x); }
MF_INLINE Vec vpow2(IntVec n) {  // 2^n for n in [-126, 127]
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, iset(127)), 23));
}
// a where x >= bound, else 0.
MF_INLINE Vec vkeep_from(Vec x, Vec bound, Vec a) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_GE_OQ), a);
}
// 0 where x < bound, else a.
MF_INLINE Vec vzero_below(Vec x, Vec bound, Vec a) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_NLT_UQ), a);
}
MF_INLINE Vec vclamp(Vec x, Vec low, Vec high) { return vmin(high, vmax(low, x)); }  // NaN stays
MF_INLINE Vec vwiden(const uint16_t* p) {  // bfloat16 to float
  IntVec wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
MF_INLINE IntVec iload(const void* p) { return _mm512_loadu_si512(p); }
MF_INLINE Vec vlow16(IntVec pair) { return _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)); }
MF_INLINE Vec vhigh16(IntVec pair) {
  return _mm512_castsi512_ps(_mm512_and_si512(pair, iset((int32_t)0xffff0000)));
}
// Neighbours (x, y) turned by (cosine, sine).
MF_INLINE Vec vrotate(Vec pair, Vec turn) {
  Vec swapped = _mm512_permute_ps(pair, 0xb1);
  Vec other = _mm512_mul_ps(swapped, _mm512_movehdup_ps(turn));
  return _mm512_fmaddsub_ps(pair, _mm512_moveldup_ps(turn), other);
}
#if defined(__AVX512VNNI__)
constexpr bool kUnsignedWeights = true;  // sums carry 128 times the activations
struct Weights8 {
  IntVec raw;
};
MF_INLINE Weights8 wload(const uint8_t* p) { return {iload(p)}; }
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  return _mm512_dpbusd_epi32(sum, w.raw, x);
}
#else
constexpr bool kUnsignedWeights = false;
struct Weights8 {
  IntVec size;
  __mmask64 negative;
};
MF_INLINE Weights8 wload(const uint8_t* p) {
  IntVec w = _mm512_xor_si512(iload(p), _mm512_set1_epi8((char)0x80));
  return {_mm512_abs_epi8(w), _mm512_movepi8_mask(w)};
}
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  IntVec turned = _mm512_mask_sub_epi8(x, w.negative, _mm512_setzero_si512(), x);
  IntVec pairs = _mm512_maddubs_epi16(w.size, turned);
  return kept(_mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
}
#endif
MF_INLINE IntVec nibbles_low(IntVec a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
MF_INLINE IntVec nibbles_high(IntVec a) { return nibbles_low(_mm512_srli_epi16(a, 4)); }
// Of three bytes the low six bits; and their upper two together, the first's lowest.
MF_INLINE IntVec six_low(IntVec a) { return _mm512_and_si512(a, _mm512_set1_epi8(63)); }
MF_INLINE IntVec six_rest(IntVec a, IntVec b, IntVec c) {
  const int kKeepAndAdd = 0xea;  // (x & mask) | y
  const IntVec low = _mm512_and_si512(_mm512_srli_epi16(a, 6), _mm512_set1_epi8(3));
  const IntVec two = _mm512_ternarylogic_epi64(_mm512_srli_epi16(b, 4), _mm512_set1_epi8(12), low,
                                               kKeepAndAdd);
  return _mm512_ternarylogic_epi64(_mm512_srli_epi16(c, 2), _mm512_set1_epi8(48), two,
                                   kKeepAndAdd);
}
// Products of numbers without sign: of nibbles eight may be added up before small_total, of six
// bits two; where kWideSmallDots, any number.
#if defined(__AVX512VNNI__)
constexpr bool kWideSmallDots = true;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  return _mm512_dpbusd_epi32(sum, w, x);
}
MF_INLINE IntVec small_total(IntVec sum) { return sum; }
#else
constexpr bool kWideSmallDots = false;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  return _mm512_add_epi16(sum, _mm512_maddubs_epi16(w, x));
}
MF_INLINE IntVec small_total(IntVec sum) {
  return _mm512_madd_epi16(sum, _mm512_set1_epi16(1));
}
#endif
MF_INLINE void vstore_int8(int8_t* p, IntVec a) {
  _mm_storeu_si128((__m128i*)p, _mm512_cvtsepi32_epi8(a));
}
MF_INLINE IntVec iadd(IntVec a, IntVec b) { return _mm512_add_epi32(a, b); }
MF_INLINE int32_t lane_total(IntVec a) { return _mm512_reduce_add_epi32(a); }
MF_INLINE float lane_sum(Vec a) { return _mm512_reduce_add_ps(a); }
MF_INLINE float lane_max(Vec a) { return _mm512_reduce_max_ps(a); }
MF_INLINE int32_t lane_max(IntVec a) { return _mm512_reduce_max_epi32(a); }

// The sums of four vectors' lanes.
MF_INLINE void four_sums(const Vec* a, float* out) {
  Vec first = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
  Vec second = _mm512_add_ps(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));
  Vec both = _mm512_add_ps(_mm512_shuffle_ps(first, second, 0x44),
                           _mm512_shuffle_ps(first, second, 0xee));
  both = _mm512_add_ps(both, _mm512_shuffle_f32x4(both, both, 0x4e));
  both = _mm512_add_ps(both, _mm512_shuffle_f32x4(both, both, 0xb1));
  _mm_storeu_ps(out, _mm512_castps512_ps128(both));
}
