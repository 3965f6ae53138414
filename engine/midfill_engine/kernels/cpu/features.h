// What the processor has and the operating system lets be used, by the names of the instruction
// sets that need it.
#pragma once

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

#include <initializer_list>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Read off cpuid: the compilers' own question, __builtin_cpu_supports, does not know the same names
// in all of them.
namespace {

struct Features {
  bool avx2 = false;  // with FMA and F16C
  bool avxvnni = false;  // for registers of 32 bytes
  bool avx512 = false;  // F, BW, DQ and VL
  bool avx512vnni = false;
  bool amx = false;  // tiles of bytes
};

// State that the operating system saves: bit by bit as in XCR0.
inline uint64_t saved_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// A process must ask Linux for AMX's tiles before its first use.
inline bool may_use_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

inline Features features() {
  Features found;
  const auto all = [](uint32_t word, std::initializer_list<int> bits) {
    for (int bit : bits)
      if (!(word >> bit & 1)) return false;
    return true;
  };
  uint32_t a, b, c, d, more = 0;
  constexpr int kFma = 12, kXsave = 27, kAvx = 28, kF16c = 29;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !all(c, {kFma, kXsave, kAvx, kF16c})) return found;
  const uint64_t state = saved_state();
  const auto saves = [&](uint64_t parts) { return (state & parts) == parts; };
  if (!saves(0x6) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const uint32_t leaves = a, basic = b, vnni = c, tiles = d;
  if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) more = a;
  found.avx2 = all(basic, {5});
  found.avxvnni = found.avx2 && all(more, {4});
  found.avx512 = found.avx2 && saves(0xe6) && all(basic, {16, 17, 30, 31});
  found.avx512vnni = found.avx512 && all(vnni, {11});
  found.amx = found.avx512vnni && saves(0x60000) && all(tiles, {24, 25}) && may_use_tiles();
  return found;
}

}  // namespace

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace {

struct Features {
  bool neon = true;  // of every such machine
  bool neondot = false;  // dot products of bytes: ARMv8.4, most of 8.2
};

inline Features features() {
  Features found;
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1 << 20;  // HWCAP_ASIMDDP
  found.neondot = getauxval(AT_HWCAP) & kDotProducts;
#elif defined(__APPLE__)
  int there = 0;
  size_t size = sizeof(there);
  const char* name = "hw.optional.arm.FEAT_DotProd";
  found.neondot = sysctlbyname(name, &there, &size, nullptr, 0) == 0 && there;
#endif
  return found;
}

}  // namespace

#else

namespace {

struct Features {};

inline Features features() { return {}; }

}  // namespace

#endif
