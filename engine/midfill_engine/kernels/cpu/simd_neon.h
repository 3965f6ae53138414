// Four lanes: NEON of 64-bit ARM, with or without its dot products. Included inside simd.h's
// namespace.
using Vec = float32x4_t;
using IntVec = int32x4_t;
constexpr int kLanes = 4;
constexpr int kMaxTile = 6;
constexpr int kMaxSums = 24;  // of a float tile, in 32 registers
constexpr int kMaxHalfTile = 4;
constexpr int kMaxHalfSums = 16;
constexpr bool kUnpackMany = true;
constexpr int kMaxIntTile = 6;
constexpr int kMaxIntVecs = 2;
constexpr int kMaxIntSums = 12;
constexpr int kMaxWide = 2;
constexpr int64_t kFetchAhead = 16;  // positions: so early keys and values are asked for
constexpr int kFetchLevel = 3;  // into the first-level cache

MF_INLINE Vec vload(const float* p) { return vld1q_f32(p); }
MF_INLINE void vstore(float* p, Vec a) { vst1q_f32(p, a); }
MF_INLINE Vec vset(float x) { return vdupq_n_f32(x); }
MF_INLINE Vec vadd(Vec a, Vec b) { return vaddq_f32(a, b); }
MF_INLINE Vec vsub(Vec a, Vec b) { return vsubq_f32(a, b); }
MF_INLINE Vec vmul(Vec a, Vec b) { return vmulq_f32(a, b); }
MF_INLINE Vec vdiv(Vec a, Vec b) { return vdivq_f32(a, b); }
MF_INLINE Vec vmax(Vec a, Vec b) { return vmaxnmq_f32(a, b); }  // the number, beside a NaN
MF_INLINE Vec vmin(Vec a, Vec b) { return vminnmq_f32(a, b); }
MF_INLINE Vec vfma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
MF_INLINE Vec vabs(Vec a) { return vabsq_f32(a); }
MF_INLINE IntVec vround(Vec a) { return vcvtnq_s32_f32(a); }
MF_INLINE Vec vfloat(IntVec a) { return vcvtq_f32_s32(a); }
MF_INLINE IntVec vbits(Vec a) { return vreinterpretq_s32_f32(a); }
MF_INLINE IntVec imax(IntVec a, IntVec b) { return vmaxq_s32(a, b); }
MF_INLINE IntVec iset(int32_t x) { return vdupq_n_s32(x); }
MF_INLINE Vec vpow2(IntVec n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, iset(127)), 23));
}
MF_INLINE Vec vkeep_from(Vec x, Vec bound, Vec a) {
  return vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(x, bound), vreinterpretq_u32_f32(a)));
}
MF_INLINE Vec vzero_below(Vec x, Vec bound, Vec a) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), vcltq_f32(x, bound)));
}
MF_INLINE Vec vclamp(Vec x, Vec low, Vec high) { return vminq_f32(high, vmaxq_f32(low, x)); }
MF_INLINE Vec vwiden(const uint16_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
MF_INLINE IntVec iload(const void* p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t*)p)); }
MF_INLINE Vec vlow16(IntVec pair) { return vreinterpretq_f32_s32(vshlq_n_s32(pair, 16)); }
MF_INLINE Vec vhigh16(IntVec pair) {
  return vreinterpretq_f32_s32(vandq_s32(pair, iset((int32_t)0xffff0000)));
}
MF_INLINE Vec vrotate(Vec pair, Vec turn) {
  const Vec cosine = vtrn1q_f32(turn, turn);
  const Vec sine = vtrn2q_f32(vnegq_f32(turn), turn);  // negative for the first of a pair
  return vfmaq_f32(vmulq_f32(vrev64q_f32(pair), sine), pair, cosine);
}
constexpr bool kUnsignedWeights = false;
struct Weights8 {
  int8x16_t numbers;
};
MF_INLINE Weights8 wload(const uint8_t* p) {
  return {vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)))};
}
#if defined(MF_DOT)
MF_INLINE IntVec dot4(IntVec sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }
#else
MF_INLINE IntVec dot4(IntVec sum, int8x16_t a, int8x16_t b) {
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
  return vaddq_s32(sum, vpaddq_s32(low, high));
}
#endif
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  return dot4(sum, w.numbers, vreinterpretq_s8_s32(x));
}
MF_INLINE IntVec nibbles_low(IntVec a) {
  return vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(a), vdupq_n_u8(15)));
}
MF_INLINE IntVec nibbles_high(IntVec a) {
  return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(a), 4));
}
MF_INLINE IntVec six_low(IntVec a) {
  return vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(a), vdupq_n_u8(63)));
}
MF_INLINE IntVec six_rest(IntVec a, IntVec b, IntVec c) {
  const uint8x16_t low = vshrq_n_u8(vreinterpretq_u8_s32(a), 6);
  const uint8x16_t middle = vshrq_n_u8(vreinterpretq_u8_s32(b), 6);
  const uint8x16_t high = vshrq_n_u8(vreinterpretq_u8_s32(c), 6);
  return vreinterpretq_s32_u8(vsliq_n_u8(vsliq_n_u8(low, middle, 2), high, 4));
}
constexpr bool kWideSmallDots = true;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  return dot4(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}
MF_INLINE IntVec small_total(IntVec sum) { return sum; }
MF_INLINE void vstore_int8(int8_t* p, IntVec a) {
  const int16x4_t half = vqmovn_s32(a);
  const int8x8_t bytes = vqmovn_s16(vcombine_s16(half, half));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);
  memcpy(p, &four, 4);
}
MF_INLINE IntVec iadd(IntVec a, IntVec b) { return vaddq_s32(a, b); }
MF_INLINE int32_t lane_total(IntVec a) { return vaddvq_s32(a); }
MF_INLINE float lane_sum(Vec a) { return vaddvq_f32(a); }
MF_INLINE float lane_max(Vec a) { return vmaxnmvq_f32(a); }
MF_INLINE int32_t lane_max(IntVec a) { return vmaxvq_s32(a); }

// The sums of four vectors' lanes.
MF_INLINE void four_sums(const Vec* a, float* out) {
  vst1q_f32(out, vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3])));
}
