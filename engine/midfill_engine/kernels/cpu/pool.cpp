// The threads of pool.h. Built for the plainest machine: no vectors here.
#include "pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

// Between two tokens the caller samples, which takes less; waking a thread costs about 50 us.
constexpr std::chrono::microseconds kSpinBeforeSleep(200);
// About 30 us: the other thread has lost its core. To sleep is better than to yield then, because
// the scheduler moves a waiting thread to a core that is idle, not to one that is busy yielding.
constexpr int kSpinsBeforeRest = 1000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace

struct Pool {
  int size = 1;
  alignas(64) std::atomic<int32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<int32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  void (*job)(const void*, int) = nullptr;
  const void* context = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  alignas(64) std::atomic<int32_t> resting{0};
  std::condition_variable arrived_all;
  std::vector<std::thread> threads;

  void announce() {
    epoch.fetch_add(1);
    if (sleepers.load() > 0) {
      { std::lock_guard<std::mutex> lock(mutex); }
      wake.notify_all();
    }
  }

  void await_epoch(uint32_t last) {
    const auto begin = std::chrono::steady_clock::now();
    for (int spins = 1; epoch.load(std::memory_order_acquire) == last; spins++) {
      relax();
      if (spins % 64) continue;
      if (std::chrono::steady_clock::now() - begin > kSpinBeforeSleep) break;
    }
    if (epoch.load(std::memory_order_acquire) != last) return;
    std::unique_lock<std::mutex> lock(mutex);
    sleepers.fetch_add(1);
    wake.wait(lock, [&] { return epoch.load() != last; });
    sleepers.fetch_sub(1);
  }

  void serve(int thread) {
    uint32_t last = 0;
    while (true) {
      await_epoch(last);
      last++;
      if (stopping.load()) return;
      job(context, thread);
    }
  }
};

Pool* pool_create(int num_threads) {
  Pool* pool = new Pool;
  pool->size = num_threads < 1 ? 1 : num_threads;
  try {
    for (int thread = 1; thread < pool->size; thread++)
      pool->threads.emplace_back([pool, thread] { pool->serve(thread); });
  } catch (...) {
    pool_destroy(pool);
    return nullptr;
  }
  return pool;
}

void pool_destroy(Pool* pool) {
  if (!pool) return;
  pool->stopping.store(true);
  pool->announce();
  for (std::thread& thread : pool->threads) thread.join();
  delete pool;
}

int pool_size(const Pool* pool) { return pool->size; }

void pool_run(Pool* pool, void (*job)(const void*, int), const void* context) {
  if (pool->size > 1) {
    pool->job = job;
    pool->context = context;
    pool->announce();
  }
  job(context, 0);
}

void pool_wait(Pool* pool) {
  if (pool->size == 1) return;
  const uint32_t mine = pool->generation.load(std::memory_order_acquire);
  if (pool->arrived.fetch_add(1, std::memory_order_acq_rel) == pool->size - 1) {
    pool->arrived.store(0, std::memory_order_relaxed);
    pool->generation.store(mine + 1);
    if (pool->resting.load() > 0) {
      { std::lock_guard<std::mutex> lock(pool->mutex); }
      pool->arrived_all.notify_all();
    }
    return;
  }
  for (int spins = 0; spins < kSpinsBeforeRest; spins++) {
    if (pool->generation.load(std::memory_order_acquire) != mine) return;
    relax();
  }
  std::unique_lock<std::mutex> lock(pool->mutex);
  pool->resting.fetch_add(1);
  pool->arrived_all.wait(lock, [&] { return pool->generation.load() != mine; });
  pool->resting.fetch_sub(1);
}
