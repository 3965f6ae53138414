// Vectors of one instruction set. Compiled once per set, inside its own anonymous namespace, so
// that nothing built for a newer machine is linked into code that runs on an older one; for the
// same reason no header of the C++ library may be included here.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#elif defined(MF_NEON)
#include <arm_neon.h>
#endif

#define MF_INLINE static inline __attribute__((always_inline))

namespace {

// A sum as it stands in the code: added up in another order, sums would not fit the registers.
template <class Vector>
MF_INLINE Vector kept(Vector sum) {
#if defined(__AVX2__)
  __asm__ volatile("" : "+v"(sum));
#endif
  return sum;
}

#if defined(__AVX512F__)
#include "simd_avx512.h"
#elif defined(__AVX2__)
#include "simd_avx2.h"
#elif defined(MF_NEON)
#include "simd_neon.h"
#else
#include "simd_portable.h"
#endif

// e^x to about 2 units in the last place; exactly 1 at 0, exactly 0 below -87.3, NaN of NaN.
MF_INLINE Vec vexp(Vec x) {
  const Vec lowest = vset(-87.3f);
  Vec clamped = vclamp(x, lowest, vset(88.0f));
  IntVec n = vround(vmul(clamped, vset(1.44269504f)));
  Vec count = vfloat(n);
  Vec r = vfma(count, vset(-0.693359375f), clamped);
  r = vfma(count, vset(2.12194440e-4f), r);
  Vec p = vset(1.9875691500e-4f);
  p = vfma(p, r, vset(1.3981999507e-3f));
  p = vfma(p, r, vset(8.3334519073e-3f));
  p = vfma(p, r, vset(4.1665795894e-2f));
  p = vfma(p, r, vset(1.6666665459e-1f));
  p = vfma(p, r, vset(5.0000001201e-1f));
  p = vadd(vfma(vmul(r, r), p, r), vset(1.0f));
  return vzero_below(x, lowest, vmul(p, vpow2(n)));
}

// Bits of sizes order as the sizes do, infinity and NaN above all.
MF_INLINE IntVec size_bits(Vec a) { return vbits(vabs(a)); }

// The largest of sizes whose bits are given; NaN if one of them was no number.
MF_INLINE float largest_of(IntVec bits) {
  const int32_t most = lane_max(bits);
  float size;
  memcpy(&size, &most, 4);
  return most < 0x7f800000 ? size : __builtin_nanf("");
}

// What values are multiplied by so that the largest becomes 127.
MF_INLINE Vec to_127(float largest) { return vset(largest > 0.0f ? 127.0f / largest : 0.0f); }

// Rounds `count` values to signed bytes, the largest to 127; returns what 1 of them stands for, and
// their sum in `total`. Where a value is no number, bytes and sum are 0 and the rest is NaN.
MF_INLINE float round_to_int8(const float* from, int count, int8_t* to, int32_t* total) {
  IntVec most = iset(0);
  for (int i = 0; i < count; i += kLanes) most = imax(size_bits(vload(from + i)), most);
  const float largest = largest_of(most);
  if (largest != largest) {
    memset(to, 0, count);
    *total = 0;
    return largest;
  }
  const Vec inverse = to_127(largest);
  IntVec sum = iset(0);
  for (int i = 0; i < count; i += kLanes) {
    const IntVec whole = vround(vmul(vload(from + i), inverse));
    vstore_int8(to + i, whole);
    sum = iadd(sum, whole);
  }
  *total = lane_total(sum);
  return largest / 127.0f;
}

// The nearest bfloat16, ties to even.
MF_INLINE uint16_t narrow(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

MF_INLINE float widen(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

}  // namespace
