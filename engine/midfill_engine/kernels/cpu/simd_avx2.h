// Eight lanes: AVX2 with FMA, with or without VNNI. Included inside simd.h's namespace.
using Vec = __m256;
using IntVec = __m256i;
constexpr int kLanes = 8;
constexpr int kMaxTile = 6;
constexpr int kMaxSums = 12;  // of a float tile, in 16 registers
constexpr int kMaxHalfTile = 4;
constexpr int kMaxHalfSums = 8;
constexpr bool kUnpackMany = true;
constexpr int kMaxIntTile = 6;
constexpr int kMaxIntVecs = 2;
#if defined(__AVXVNNI__)
constexpr int kMaxIntSums = 12;
#else
constexpr int kMaxIntSums = 6;  // a product takes three instructions and their registers
#endif
constexpr int kMaxWide = 2;
constexpr int64_t kFetchAhead = 16;  // positions: so early keys and values are asked for
constexpr int kFetchLevel = 2;  // into the second-level cache

MF_INLINE Vec vload(const float* p) { return _mm256_loadu_ps(p); }
MF_INLINE void vstore(float* p, Vec a) { _mm256_storeu_ps(p, a); }
MF_INLINE Vec vset(float x) { return _mm256_set1_ps(x); }
MF_INLINE Vec vadd(Vec a, Vec b) { return _mm256_add_ps(a, b); }
MF_INLINE Vec vsub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
MF_INLINE Vec vmul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
MF_INLINE Vec vdiv(Vec a, Vec b) { return _mm256_div_ps(a, b); }
MF_INLINE Vec vmax(Vec a, Vec b) { return _mm256_max_ps(a, b); }
MF_INLINE Vec vmin(Vec a, Vec b) { return _mm256_min_ps(a, b); }
MF_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
MF_INLINE Vec vabs(Vec a) { return _mm256_andnot_ps(vset(-0.0f), a); }
MF_INLINE IntVec vround(Vec a) { return _mm256_cvtps_epi32(a); }
MF_INLINE Vec vfloat(IntVec a) { return _mm256_cvtepi32_ps(a); }
MF_INLINE IntVec vbits(Vec a) { return _mm256_castps_si256(a); }
MF_INLINE IntVec imax(IntVec a, IntVec b) { return _mm256_max_epi32(a, b); }
MF_INLINE IntVec iset(int32_t x) { return _mm256_set1_epi32(x); }
MF_INLINE Vec vpow2(IntVec n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, iset(127)), 23));
}
MF_INLINE Vec vkeep_from(Vec x, Vec bound, Vec a) {
  return _mm256_and_ps(_mm256_cmp_ps(x, bound, _CMP_GE_OQ), a);
}
MF_INLINE Vec vzero_below(Vec x, Vec bound, Vec a) {
  return _mm256_and_ps(_mm256_cmp_ps(x, bound, _CMP_NLT_UQ), a);
}
MF_INLINE Vec vclamp(Vec x, Vec low, Vec high) { return vmin(high, vmax(low, x)); }
MF_INLINE Vec vwiden(const uint16_t* p) {
  IntVec wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
MF_INLINE IntVec iload(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
MF_INLINE Vec vlow16(IntVec pair) { return _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)); }
MF_INLINE Vec vhigh16(IntVec pair) {
  return _mm256_castsi256_ps(_mm256_and_si256(pair, iset((int32_t)0xffff0000)));
}
MF_INLINE Vec vrotate(Vec pair, Vec turn) {
  Vec swapped = _mm256_permute_ps(pair, 0xb1);
  Vec other = _mm256_mul_ps(swapped, _mm256_movehdup_ps(turn));
  return _mm256_fmaddsub_ps(pair, _mm256_moveldup_ps(turn), other);
}
#if defined(__AVXVNNI__)
constexpr bool kUnsignedWeights = true;
struct Weights8 {
  IntVec raw;
};
MF_INLINE Weights8 wload(const uint8_t* p) { return {iload(p)}; }
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  return _mm256_dpbusd_avx_epi32(sum, w.raw, x);
}
#else
constexpr bool kUnsignedWeights = false;
struct Weights8 {
  IntVec size, sign;
};
MF_INLINE Weights8 wload(const uint8_t* p) {
  IntVec w = _mm256_xor_si256(iload(p), _mm256_set1_epi8((char)0x80));
  return {_mm256_abs_epi8(w), w};
}
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  IntVec pairs = _mm256_maddubs_epi16(w.size, _mm256_sign_epi8(x, w.sign));
  return kept(_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
}
#endif
MF_INLINE IntVec nibbles_low(IntVec a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
MF_INLINE IntVec nibbles_high(IntVec a) { return nibbles_low(_mm256_srli_epi16(a, 4)); }
MF_INLINE IntVec six_low(IntVec a) { return _mm256_and_si256(a, _mm256_set1_epi8(63)); }
MF_INLINE IntVec six_rest(IntVec a, IntVec b, IntVec c) {
  const IntVec low = _mm256_and_si256(_mm256_srli_epi16(a, 6), _mm256_set1_epi8(3));
  const IntVec middle = _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(12));
  const IntVec high = _mm256_and_si256(_mm256_srli_epi16(c, 2), _mm256_set1_epi8(48));
  return _mm256_or_si256(_mm256_or_si256(low, middle), high);
}
#if defined(__AVXVNNI__)
constexpr bool kWideSmallDots = true;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  return _mm256_dpbusd_avx_epi32(sum, w, x);
}
MF_INLINE IntVec small_total(IntVec sum) { return sum; }
#else
constexpr bool kWideSmallDots = false;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
}
MF_INLINE IntVec small_total(IntVec sum) {
  return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}
#endif
MF_INLINE void vstore_int8(int8_t* p, IntVec a) {
  __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64((__m128i*)p, _mm_packs_epi16(half, half));
}
MF_INLINE IntVec iadd(IntVec a, IntVec b) { return _mm256_add_epi32(a, b); }
MF_INLINE int32_t lane_total(IntVec a) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
MF_INLINE float lane_sum(Vec a) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
MF_INLINE float lane_max(Vec a) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
MF_INLINE int32_t lane_max(IntVec a) {
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

// The sums of four vectors' lanes.
MF_INLINE void four_sums(const Vec* a, float* out) {
  Vec first = _mm256_add_ps(_mm256_unpacklo_ps(a[0], a[1]), _mm256_unpackhi_ps(a[0], a[1]));
  Vec second = _mm256_add_ps(_mm256_unpacklo_ps(a[2], a[3]), _mm256_unpackhi_ps(a[2], a[3]));
  Vec both = _mm256_add_ps(_mm256_shuffle_ps(first, second, 0x44),
                           _mm256_shuffle_ps(first, second, 0xee));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1)));
}
