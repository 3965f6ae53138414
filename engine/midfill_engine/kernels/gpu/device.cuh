// What whole_step.cu takes from the GPU (Hopper or later), one instruction each.
//
// tests/engine/gpu/emulator.h has the same functions for the CPU, so that the step's logic is
// tested without a GPU. Compiled by NVRTC, which has no standard headers.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

#define KERNEL extern "C" __global__ __launch_bounds__(NUM_THREADS, 1)
#define DEVICE __device__ __forceinline__

struct alignas(16) Vec {  // 16 bytes
  u32 v[4];
};

DEVICE int thread_id() { return threadIdx.x; }
DEVICE int block_id() { return blockIdx.x; }
DEVICE int num_blocks() { return gridDim.x; }

DEVICE u8* shared_memory() {
  extern __shared__ __align__(128) u8 memory[];
  return memory;
}

DEVICE u32 shared_address(const void* place) {
  return static_cast<u32>(__cvta_generic_to_shared(place));
}

// What other processors wrote a moment ago: past the first-level cache. Stays behind barriers, but
// not behind ordinary stores, so that several are on their way at a time.
DEVICE Vec load_fresh(const void* place) {
  Vec v;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.v[0]), "=r"(v.v[1]), "=r"(v.v[2]), "=r"(v.v[3])
               : "l"(place));
  return v;
}

DEVICE float load_fresh_float(const float* place) {
  float v;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(v) : "l"(place));
  return v;
}

DEVICE void sync_warp() { __syncwarp(); }

// Waits for the threads that compute, not for the warp that loads.
DEVICE void sync_workers() { asm volatile("bar.sync 1, %0;" ::"n"(NUM_WORKERS) : "memory"); }

DEVICE void sync_block() { __syncthreads(); }

DEVICE float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

DEVICE float power_of_2(float value) { return exp2f(value); }
DEVICE float power_of_e(float value) { return __expf(value); }
DEVICE float inverse_root(float value) { return rsqrtf(value); }

DEVICE float bits_float(u32 bits) { return __uint_as_float(bits); }

// Two numbers as a pair of bfloat16, the first in the low half.
DEVICE u32 pack_bf16(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

DEVICE u32 pack_f16(float low, float high) {
  u32 pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// Two e4m3 numbers (the low 16 bits) as a pair of float16.
DEVICE u32 widen_fp8(u32 two) {
  u32 pair;
  asm("{ .reg .b16 t; cvt.u16.u32 t, %1; cvt.rn.f16x2.e4m3x2 %0, t; }" : "=r"(pair) : "r"(two));
  return pair;
}

// Two int8 numbers (the low 16 bits) as a pair of float16: 1024 + 128 + n, less 1152, is exact.
DEVICE u32 widen_int8(u32 two) {
  u32 pair, raised = __byte_perm(two ^ 0x8080u, 0x64646464u, 0x4140);
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(raised), "r"(0x64806480u));
  return pair;
}

// sums[16 x 8] += a[16 x 16] * b[16 x 8], in the lanes' places that PTX's m16n8k16 gives.
DEVICE void multiply_bf16(float (&sums)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

DEVICE void multiply_f16(float (&sums)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// A barrier in shared memory that counts arrivals and bytes.
DEVICE void start_barrier(u64* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
}

// Makes started barriers known to the copy engine.
DEVICE void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

DEVICE void arrive(u64* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
               : "memory");
}

DEVICE void arrive_expecting(u64* barrier, int num_bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                   shared_address(barrier)),
               "r"(num_bytes)
               : "memory");
}

// Whether a barrier's phase of that parity is over; waits a moment for it.
DEVICE bool is_over(u64* barrier, u32 parity) {
  u32 over;
  asm volatile(
      "{ .reg .pred over;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
      "selp.u32 %0, 1, 0, over; }"
      : "=r"(over)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return over != 0;
}

// Copies from global to shared memory in the background; `barrier` counts the bytes. Places and
// sizes are multiples of 16.
DEVICE void copy_bulk(void* to, const void* from, int num_bytes, u64* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(to)),
      "l"(from), "r"(num_bytes), "r"(shared_address(barrier))
      : "memory");
}

// Before a place that threads wrote to is copied to again.
DEVICE void fence_for_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Adds one to a counter in global memory, all writes before it seen by who reads it; returns what
// it was.
DEVICE u64 count_up(u64* counter) {
  u64 before;
  asm volatile("atom.add.acq_rel.gpu.global.u64 %0, [%1], 1;"
               : "=l"(before)
               : "l"(counter)
               : "memory");
  return before;
}

DEVICE u64 read_counter(const u64* counter) {
  u64 value;
  asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(counter) : "memory");
  return value;
}

DEVICE u64 cycles() { return clock64(); }

// Ends the launch with an error.
DEVICE void give_up() { asm volatile("trap;"); }
