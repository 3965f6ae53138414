// The GPU that kernels/gpu/device.cuh asks things of, on one CPU thread: every thread of every
// block is a fiber that runs until it waits for another.
//
// Copies in the background end only when everybody waits, and until then their place holds
// no numbers, so that reading too early or writing over too early shows. When nothing moves
// any more the process ends, and says where everybody waits.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <deque>
#include <vector>

#include "numbers.h"

#define KERNEL static
#define DEVICE inline

struct alignas(16) Vec {
  u32 v[4];
};

constexpr int STACK_BYTES = 1 << 17;

struct Warp {
  int arrived[2] = {0, 0};
  u32 told[2][32][8];
};

struct Barrier {  // of threads
  int arrived = 0;
  u64 round = 0;
};

struct Block {
  std::vector<u8> memory;
  Warp warps[(NUM_THREADS + 31) / 32];
  Barrier workers, all;
};

struct Fiber {
  ucontext_t context;  // of its start; later switches are jumps, which ask nothing of the system
  jmp_buf place;
  bool begun = false;
  std::vector<u8> stack;
  int block, thread;
  u32 turn = 0;  // of the warp's common operations
  bool done = false;
  const char* waits = "";
};

struct Copy {
  void* to;
  const void* from;
  int num_bytes;
  u64* barrier;
};

struct Counted {  // a barrier in shared memory: 8 bytes
  u8 arrivals, phase;
  u16 missing;
  int bytes;
};

inline std::deque<Fiber> fibers;
inline std::vector<Block> blocks;
inline std::vector<Copy> copies;
inline Fiber* running = nullptr;
inline jmp_buf scheduler_place;
inline u64 moves = 0;
inline bool lagging = false;  // lanes of the loading warp, but for its first, go on last of all

inline void yield(const char* why) {
  running->waits = why;
  if (_setjmp(running->place) == 0) _longjmp(scheduler_place, 1);
}

DEVICE int thread_id() { return running->thread; }
DEVICE int block_id() { return running->block; }
DEVICE int num_blocks() { return static_cast<int>(blocks.size()); }
inline Block& block() { return blocks[static_cast<size_t>(running->block)]; }
DEVICE u8* shared_memory() {
  u8* start = block().memory.data();
  return start + (128 - reinterpret_cast<size_t>(start) % 128) % 128;
}

DEVICE Vec load_fresh(const void* place) {
  if (reinterpret_cast<size_t>(place) % 16) fprintf(stderr, "a load is not aligned\n"), abort();
  return *static_cast<const Vec*>(place);
}
DEVICE float load_fresh_float(const float* place) { return *place; }

inline void meet_at(Barrier& barrier, int count, const char* why) {
  u64 round = barrier.round;
  ++moves;
  if (++barrier.arrived == count) {
    barrier.arrived = 0;
    ++barrier.round;
  }
  while (barrier.round == round) yield(why);
}

DEVICE void sync_workers() { meet_at(block().workers, NUM_WORKERS, "sync_workers"); }
DEVICE void sync_block() { meet_at(block().all, NUM_THREADS, "sync_block"); }

// Tells the warp `count` words and returns what all told; the next operation uses the other turn.
inline u32 (*tell_warp(const u32* words, int count))[8] {
  Warp& warp = block().warps[running->thread / 32];
  u32 turn = running->turn;
  running->turn ^= 1;
  memcpy(warp.told[turn][running->thread % 32], words, static_cast<size_t>(count) * 4);
  ++moves;
  if (++warp.arrived[turn] == 32) warp.arrived[turn ^ 1] = 0;
  while (warp.arrived[turn] < 32) yield("a warp's operation");
  return warp.told[turn];
}

DEVICE void sync_warp() {
  u32 none = 0;
  tell_warp(&none, 1);
}

DEVICE float shuffle_xor(float value, int mask) {
  u32 bits = float_bits(value);
  return bits_float(tell_warp(&bits, 1)[(running->thread % 32) ^ mask][0]);
}

DEVICE float power_of_2(float value) { return exp2f(value); }
DEVICE float power_of_e(float value) { return expf(value); }
DEVICE float inverse_root(float value) { return 1.0f / sqrtf(value); }

DEVICE u32 pack_bf16(float low, float high) { return to_bf16(low) | to_bf16(high) << 16; }
DEVICE u32 pack_f16(float low, float high) { return to_f16(low) | to_f16(high) << 16; }
DEVICE u32 widen_fp8(u32 two) { return pack_f16(from_fp8(two & 255), from_fp8(two >> 8 & 255)); }
DEVICE u32 widen_int8(u32 two) {
  return pack_f16(static_cast<signed char>(two & 255), static_cast<signed char>(two >> 8 & 255));
}

template <class Widen>
void multiply_pairs(float (&sums)[4], const u32 (&words)[6], const Widen& widen) {
  u32(*told)[8] = tell_warp(words, 6);
  int lane = running->thread % 32, group = lane / 4, column = lane % 4 * 2;
  for (int idx = 0; idx < 4; ++idx) {
    int lower = idx / 2, output = column + idx % 2;
    for (int quad = 0; quad < 4; ++quad)
      for (int half = 0; half < 2; ++half)
        for (int at = 0; at < 2; ++at) {
          u32 a = told[group * 4 + quad][half * 2 + lower] >> 16 * at & 0xffff;
          u32 b = told[output * 4 + quad][4 + half] >> 16 * at & 0xffff;
          sums[idx] += widen(a) * widen(b);
        }
  }
}
DEVICE void multiply_bf16(float (&sums)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  multiply_pairs(sums, {a0, a1, a2, a3, b0, b1}, [](u32 bits) { return bits_float(bits << 16); });
}
DEVICE void multiply_f16(float (&sums)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  multiply_pairs(sums, {a0, a1, a2, a3, b0, b1}, from_f16);
}

inline Counted& counted(u64* barrier) { return *reinterpret_cast<Counted*>(barrier); }
inline void settle(Counted& barrier) {
  ++moves;
  if (barrier.missing == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1;
    barrier.missing = barrier.arrivals;
  }
}

DEVICE void start_barrier(u64* barrier, int arrivals) {
  counted(barrier) = {static_cast<u8>(arrivals), 0, static_cast<u16>(arrivals), 0};
}
DEVICE void publish_barriers() {}
DEVICE void arrive(u64* barrier) {
  --counted(barrier).missing;
  settle(counted(barrier));
}
DEVICE void arrive_expecting(u64* barrier, int num_bytes) {
  counted(barrier).bytes += num_bytes;
  arrive(barrier);
}
DEVICE bool is_over(u64* barrier, u32 parity) {
  if (counted(barrier).phase == parity) yield("a barrier in shared memory");
  return counted(barrier).phase != parity;
}
DEVICE void copy_bulk(void* to, const void* from, int num_bytes, u64* barrier) {
  if ((reinterpret_cast<size_t>(to) | reinterpret_cast<size_t>(from) |
       static_cast<size_t>(num_bytes)) % 16)
    fprintf(stderr, "a copy is not aligned\n"), abort();
  memset(to, 0xff, static_cast<size_t>(num_bytes));
  copies.push_back({to, from, num_bytes, barrier});
  ++moves;
}
DEVICE void fence_for_copies() {}
DEVICE u64 count_up(u64* counter) {
  ++moves;
  return (*counter)++;
}
DEVICE u64 read_counter(const u64* counter) {
  yield("the other blocks");
  return *counter;
}
// Goes back, unless it is what is asked for: a wait may begin by one clock and end by another.
DEVICE u64 cycles() { return TIMED ? moves : 0 - moves; }
DEVICE void give_up() { fprintf(stderr, "a wait took too long\n"), abort(); }

inline void end_copies() {
  for (; !copies.empty(); copies.pop_back()) {
    const Copy& copy = copies.back();
    memcpy(copy.to, copy.from, static_cast<size_t>(copy.num_bytes));
    counted(copy.barrier).bytes -= copy.num_bytes;
    settle(counted(copy.barrier));
  }
}

inline void (*kernel_of_all)();

inline void run_fiber() {
  kernel_of_all();
  running->waits = nullptr;
  running->done = true;
  _longjmp(scheduler_place, 1);
}

// Lets a fiber run until it waits or is done.
inline void resume(Fiber& fiber) {
  running = &fiber;
  if (_setjmp(scheduler_place) != 0) return;
  if (fiber.begun) _longjmp(fiber.place, 1);
  fiber.begun = true;
  setcontext(&fiber.context);
}

// Runs `kernel` in every thread of every block, and returns when all are done.
inline void run_blocks(int count, int shared_bytes, void (*kernel)()) {
  kernel_of_all = kernel;
  blocks.assign(static_cast<size_t>(count), Block());
  for (Block& each : blocks) each.memory.assign(static_cast<size_t>(shared_bytes) + 128, 0xff);
  fibers.clear();
  for (int idx = 0; idx < count * NUM_THREADS; ++idx) {
    Fiber& fiber = fibers.emplace_back();
    fiber.block = idx / NUM_THREADS;
    fiber.thread = idx % NUM_THREADS;
    fiber.stack.resize(STACK_BYTES);
    getcontext(&fiber.context);
    fiber.context.uc_stack = {fiber.stack.data(), 0, STACK_BYTES};
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
  }
  bool late = false;  // nobody else can go on
  for (size_t left = fibers.size(); left > 0;) {
    u64 before = moves;
    for (Fiber& fiber : fibers) {
      if (fiber.done || (lagging && fiber.thread > NUM_WORKERS && !late)) continue;
      resume(fiber);
      if (fiber.done) {
        --left;
        ++moves;
      }
    }
    if (moves != before || left == 0) {
      late = false;
      continue;
    }
    if (!copies.empty()) {
      end_copies();
      continue;
    }
    if (lagging && !late) {
      late = true;
      continue;
    }
    for (Fiber& fiber : fibers)
      if (!fiber.done && fiber.thread % 32 == 0)
        fprintf(stderr, "block %d thread %d waits for %s\n", fiber.block, fiber.thread, fiber.waits);
    abort();
  }
  fibers.clear();
}
