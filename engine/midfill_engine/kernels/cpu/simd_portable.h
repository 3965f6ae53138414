// The same for any machine: four lanes of the compiler's own vectors (SSE, NEON). Included inside
// simd.h's namespace.
typedef float Vec __attribute__((vector_size(16)));
typedef int32_t IntVec __attribute__((vector_size(16)));
constexpr int kLanes = 4;
constexpr int kMaxTile = 1;
constexpr int kMaxSums = 8;
constexpr int kMaxHalfTile = 1;
constexpr int kMaxHalfSums = 8;
constexpr bool kUnpackMany = false;
constexpr int kMaxIntTile = 2;
constexpr int kMaxIntVecs = 1;
constexpr int kMaxIntSums = 2;
constexpr int kMaxWide = 1;
constexpr int64_t kFetchAhead = 16;  // positions: so early keys and values are asked for
constexpr int kFetchLevel = 3;  // into the first-level cache

MF_INLINE Vec vload(const float* p) {
  Vec a;
  memcpy(&a, p, 16);
  return a;
}
MF_INLINE void vstore(float* p, Vec a) { memcpy(p, &a, 16); }
MF_INLINE Vec vset(float x) { return Vec{x, x, x, x}; }
MF_INLINE Vec vadd(Vec a, Vec b) { return a + b; }
MF_INLINE Vec vsub(Vec a, Vec b) { return a - b; }
MF_INLINE Vec vmul(Vec a, Vec b) { return a * b; }
MF_INLINE Vec vdiv(Vec a, Vec b) { return a / b; }
MF_INLINE Vec vselect(IntVec mask, Vec a, Vec b) {
  return (Vec)((mask & (IntVec)a) | (~mask & (IntVec)b));
}
MF_INLINE Vec vmax(Vec a, Vec b) { return vselect(a > b, a, b); }
MF_INLINE Vec vmin(Vec a, Vec b) { return vselect(a < b, a, b); }
MF_INLINE Vec vfma(Vec a, Vec b, Vec c) { return a * b + c; }
MF_INLINE IntVec iset(int32_t x) { return IntVec{x, x, x, x}; }
MF_INLINE IntVec vbits(Vec a) { return (IntVec)a; }
MF_INLINE IntVec imax(IntVec a, IntVec b) {
  const IntVec more = a > b;
  return (more & a) | (~more & b);
}
MF_INLINE Vec vabs(Vec a) { return (Vec)((IntVec)a & iset(0x7fffffff)); }
MF_INLINE IntVec vround(Vec a) {  // to nearest, ties to even; |a| < 2^22
  Vec shift = vset(12582912.0f);
  return (IntVec)(a + shift) - (IntVec)shift;
}
MF_INLINE Vec vfloat(IntVec a) {
  return Vec{(float)a[0], (float)a[1], (float)a[2], (float)a[3]};
}
MF_INLINE Vec vpow2(IntVec n) { return (Vec)((n + iset(127)) << iset(23)); }
MF_INLINE Vec vkeep_from(Vec x, Vec bound, Vec a) { return (Vec)((x >= bound) & (IntVec)a); }
MF_INLINE Vec vzero_below(Vec x, Vec bound, Vec a) { return (Vec)(~(x < bound) & (IntVec)a); }
MF_INLINE Vec vclamp(Vec x, Vec low, Vec high) {
  x = vselect(x < low, low, x);
  return vselect(x > high, high, x);
}
MF_INLINE Vec vwiden(const uint16_t* p) {
  return (Vec)(IntVec{p[0] << 16, p[1] << 16, p[2] << 16, p[3] << 16});
}
MF_INLINE IntVec iload(const void* p) {
  IntVec a;
  memcpy(&a, p, 16);
  return a;
}
MF_INLINE Vec vlow16(IntVec pair) { return (Vec)(pair << iset(16)); }
MF_INLINE Vec vhigh16(IntVec pair) { return (Vec)(pair & iset((int32_t)0xffff0000)); }
MF_INLINE Vec vrotate(Vec pair, Vec turn) {
  return Vec{pair[0] * turn[0] - pair[1] * turn[1], pair[1] * turn[0] + pair[0] * turn[1],
             pair[2] * turn[2] - pair[3] * turn[3], pair[3] * turn[2] + pair[2] * turn[3]};
}
constexpr bool kUnsignedWeights = false;
struct Weights8 {
  IntVec part[4];
};
MF_INLINE Weights8 wload(const uint8_t* p) {  // four inputs of four outputs, spread to 32 bits
  IntVec w = iload(p) ^ iset((int32_t)0x80808080);
  return {{(w << iset(24)) >> iset(24), (w << iset(16)) >> iset(24), (w << iset(8)) >> iset(24),
           w >> iset(24)}};
}
MF_INLINE IntVec idot(IntVec sum, const Weights8& w, IntVec x) {
  int32_t four = x[0];
  return sum + w.part[0] * iset((int8_t)four) + w.part[1] * iset((int8_t)(four >> 8)) +
         w.part[2] * iset((int8_t)(four >> 16)) + w.part[3] * iset((int8_t)(four >> 24));
}
MF_INLINE IntVec nibbles_low(IntVec a) { return a & iset(0x0f0f0f0f); }
MF_INLINE IntVec nibbles_high(IntVec a) { return (a >> iset(4)) & iset(0x0f0f0f0f); }
MF_INLINE IntVec six_low(IntVec a) { return a & iset(0x3f3f3f3f); }
MF_INLINE IntVec six_rest(IntVec a, IntVec b, IntVec c) {
  return ((a >> iset(6)) & iset(0x03030303)) | ((b >> iset(4)) & iset(0x0c0c0c0c)) |
         ((c >> iset(2)) & iset(0x30303030));
}
constexpr bool kWideSmallDots = true;
MF_INLINE IntVec small_dot(IntVec sum, IntVec w, IntVec x) {
  const IntVec low = iset(255);
  int32_t four = x[0];
  return sum + (w & low) * iset((int8_t)four) + ((w >> iset(8)) & low) * iset((int8_t)(four >> 8)) +
         ((w >> iset(16)) & low) * iset((int8_t)(four >> 16)) +
         ((w >> iset(24)) & low) * iset((int8_t)(four >> 24));
}
MF_INLINE IntVec small_total(IntVec sum) { return sum; }
MF_INLINE void vstore_int8(int8_t* p, IntVec a) {
  for (int i = 0; i < 4; i++) p[i] = (int8_t)a[i];
}
MF_INLINE IntVec iadd(IntVec a, IntVec b) { return a + b; }
MF_INLINE int32_t lane_total(IntVec a) { return a[0] + a[1] + a[2] + a[3]; }
MF_INLINE float lane_sum(Vec a) { return (a[0] + a[2]) + (a[1] + a[3]); }
MF_INLINE float lane_max(Vec a) {
  float first = a[0] > a[1] ? a[0] : a[1], second = a[2] > a[3] ? a[2] : a[3];
  return first > second ? first : second;
}
MF_INLINE int32_t lane_max(IntVec a) {
  const int32_t first = a[0] > a[1] ? a[0] : a[1], second = a[2] > a[3] ? a[2] : a[3];
  return first > second ? first : second;
}
MF_INLINE void four_sums(const Vec* a, float* out) {
  for (int i = 0; i < 4; i++) out[i] = lane_sum(a[i]);
}
