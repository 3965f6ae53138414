// The GPU's short floating-point numbers on a CPU that does not know them, and its integers' names.
#pragma once
#include <math.h>
#include <string.h>

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

inline float bits_float(u32 bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
inline u32 float_bits(float value) {
  u32 bits;
  memcpy(&bits, &value, 4);
  return bits;
}

inline u32 to_bf16(float value) {
  u32 bits = float_bits(value);
  if (value != value) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline u32 to_f16(float value) {
  u32 sign = float_bits(value) >> 16 & 0x8000;
  float size = fabsf(value);
  if (value != value) return 0x7fff;
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent;
  frexpf(size, &exponent);
  if (exponent < -13) exponent = -13;
  float steps = nearbyintf(ldexpf(size, 11 - exponent));  // of the last place
  u32 whole = static_cast<u32>(steps);
  if (whole < 1024) return sign | whole;
  return sign | (static_cast<u32>(exponent + 13) << 10) + whole;
}
inline float from_f16(u32 bits) {
  float sign = bits & 0x8000 ? -1.0f : 1.0f;
  int exponent = static_cast<int>(bits >> 10 & 31), rest = static_cast<int>(bits & 1023);
  if (exponent == 31) return rest ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * ldexpf(static_cast<float>(rest), -24);
  return sign * ldexpf(static_cast<float>(rest + 1024), exponent - 25);
}
inline float from_fp8(u32 bits) {
  float sign = bits & 0x80 ? -1.0f : 1.0f;
  int exponent = static_cast<int>(bits >> 3 & 15), rest = static_cast<int>(bits & 7);
  if (exponent == 15 && rest == 7) return NAN;
  if (exponent == 0) return sign * ldexpf(static_cast<float>(rest), -9);
  return sign * ldexpf(static_cast<float>(rest + 8), exponent - 10);
}
