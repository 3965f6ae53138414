// The threads of pool.h. Built for the plainest machine: no vectors here.
#include "pool.h"

#include <stdint.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__linux__) && !defined(__ANDROID__)
#define MF_HAS_CORES 1
#include <sched.h>
#endif

namespace {

// Between two tokens the caller samples, which takes less; waking a thread costs about 50 us.
constexpr std::chrono::microseconds kSpinBeforeSleep(200);

// About 30 us: the thread that has the last piece has lost its core. To sleep is better than to
// yield then, because the scheduler moves a waiting thread to a core that is idle, not to one that
// is busy yielding.
constexpr int kSpinsBeforeRest = 1000;

// How many forks this process is from the one that opened the library. A fork has none of the
// helpers, and who wakes them there may wait for them for good.
std::atomic<int> forks{0};

void watch_forks() {
#if !defined(_WIN32)
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  (void)watched;
#endif
}

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

uint64_t lane_state(uint32_t stage, int begin, int end) {
  return (uint64_t)stage << 32 | (uint64_t)begin << 16 | (uint64_t)end;
}

int part_begin(int count, int thread, int size) {
  return (int)((int64_t)count * thread / size);
}

// One thread's part of the pieces: stage << 32 | next << 16 | end. The stage makes it impossible
// to take a piece of another stage than the one that was looked at.
struct alignas(64) Lane {
  std::atomic<uint64_t> state{0};

  // Returns the piece taken, or -1; `seen` is what the state is thought to be.
  int take(uint32_t stage, uint64_t& seen) {
    while (seen >> 32 == stage && (seen >> 16 & 0xffff) < (seen & 0xffff))
      if (state.compare_exchange_weak(seen, seen + (1 << 16), std::memory_order_acq_rel)) {
        seen += 1 << 16;
        return (int)(seen >> 16 & 0xffff) - 1;
      }
    return -1;
  }
};

// What a thread looks at while it waits: one cache line.
struct alignas(64) Stage {
  std::atomic<uint32_t> number{0};
  // Read only by who has taken a piece of the stage.
  PoolWork work = nullptr;
  const void* context = nullptr;
};

}  // namespace

struct Pool {
  explicit Pool(int num_threads) : size(num_threads), lanes((size_t)num_threads) {}

  const int size;
  const int forks_before = forks.load();
  std::vector<Lane> lanes;
  Stage stage;
  alignas(64) std::atomic<uint32_t> helped{0};  // pieces that helpers have done, since ever
  alignas(64) std::atomic<int32_t> sleepers{0};
  std::atomic<bool> resting{false};
  std::atomic<bool> stopping{false};
  alignas(64) uint32_t owed = 0;  // the caller's: pieces that helpers have taken, since ever
  int avoided = -1;               // the caller's: the core that no helper may have
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable finished;
  std::vector<std::thread> threads;

  // Whether there is nobody to help the caller.
  bool is_alone() const {
    return size == 1 || forks.load(std::memory_order_relaxed) != forks_before;
  }

  // Runs what is left in a lane; returns how many pieces.
  int empty(Lane& lane, uint32_t number, int thread) {
    int count = 0;
    uint64_t seen = lane.state.load(std::memory_order_acquire);
    for (int piece = lane.take(number, seen); piece >= 0; piece = lane.take(number, seen), count++)
      stage.work(stage.context, piece, thread);
    return count;
  }

  void serve(int thread) {
    uint32_t seen = 0;
    while (!stopping.load(std::memory_order_relaxed)) {
      await_stage(seen);
      seen = stage.number.load(std::memory_order_acquire);
      for (int i = 0; i < size; i++) {
        const int count = empty(lanes[(size_t)((thread + i) % size)], seen, thread);
        if (!count) continue;
        helped.fetch_add((uint32_t)count);
        if (!resting.load()) continue;
        { std::lock_guard<std::mutex> lock(mutex); }
        finished.notify_one();
      }
    }
  }

  void await_stage(uint32_t seen) {
    for (int spins = 0; spins < 256; spins++) {
      if (stage.number.load(std::memory_order_acquire) != seen) return;
      relax();
    }
    const auto begin = std::chrono::steady_clock::now();
    for (int spins = 1; stage.number.load(std::memory_order_acquire) == seen; spins++) {
      relax();
      if (spins % 64 == 0 && std::chrono::steady_clock::now() - begin > kSpinBeforeSleep) break;
    }
    if (stage.number.load(std::memory_order_acquire) != seen) return;
    std::unique_lock<std::mutex> lock(mutex);
    sleepers.fetch_add(1);
    wake.wait(lock, [&] { return stage.number.load() != seen; });
    sleepers.fetch_sub(1);
  }

  // Keeps the helpers off the core that the caller has. The scheduler may wake one there, and then
  // they take turns in slices of milliseconds.
  void make_room() {
#if defined(MF_HAS_CORES)
    const int core = sched_getcpu();
    if (core == avoided || core < 0 || core >= CPU_SETSIZE) return;
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores)) return;
    if (CPU_COUNT(&cores) > 1) CPU_CLR(core, &cores);
    for (std::thread& thread : threads)
      pthread_setaffinity_np(thread.native_handle(), sizeof cores, &cores);
    avoided = core;
#endif
  }

  void wake_all() {
    if (!sleepers.load()) return;
    { std::lock_guard<std::mutex> lock(mutex); }
    wake.notify_all();
  }

  void await_helpers() {
    for (int spins = 0; spins < kSpinsBeforeRest; spins++) {
      if (helped.load(std::memory_order_acquire) == owed) return;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex);
    // An exchange, since emulators of ARM let a plain store pass the load that follows it.
    resting.exchange(true);
    finished.wait(lock, [&] { return helped.load() == owed; });
    resting.store(false);
  }
};

Pool* pool_create(int num_threads) {
  watch_forks();
  Pool* pool = new Pool(num_threads < 1 ? 1 : num_threads);
  try {
    for (int thread = 1; thread < pool->size; thread++) {
      pool->threads.emplace_back([pool, thread] { pool->serve(thread); });
#if defined(MF_HAS_CORES)
      pthread_setname_np(pool->threads.back().native_handle(), "midfill-helper");
#endif
    }
  } catch (const std::system_error&) {
    // A limit of threads that others share, who would find none left if all were taken.
    const int half = (int)pool->threads.size() / 2;
    pool_destroy(pool);
    return pool_create(1 + half);
  } catch (...) {
    pool_destroy(pool);
    throw;
  }
  return pool;
}

void pool_destroy(Pool* pool) {
  if (!pool) return;
  pool->stopping.store(true);
  pool->stage.number.fetch_add(1);
  pool->wake_all();
  for (std::thread& thread : pool->threads) thread.join();
  delete pool;
}

int pool_size(const Pool* pool) { return pool->size; }

void pool_for(Pool* pool, int count, PoolWork work, const void* context) {
  if (count == 1 || pool->is_alone()) {
    for (int piece = 0; piece < count; piece++) work(context, piece, 0);
    return;
  }
  pool->make_room();
  const uint32_t number = pool->stage.number.load(std::memory_order_relaxed) + 1;
  pool->stage.work = work;
  pool->stage.context = context;
  for (int thread = 0; thread < pool->size; thread++) {
    const uint64_t state = lane_state(number, part_begin(count, thread, pool->size),
                                      part_begin(count, thread + 1, pool->size));
    pool->lanes[(size_t)thread].state.store(state, std::memory_order_release);
  }
  pool->stage.number.store(number, std::memory_order_release);
  // In every stage: a piece of a long prompt takes longer than a thread spins, so that the one that
  // is done first sleeps in the middle of a step.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  pool->wake_all();
  int mine = 0;
  for (Lane& lane : pool->lanes) mine += pool->empty(lane, number, 0);
  pool->owed += (uint32_t)(count - mine);
  if (pool->helped.load(std::memory_order_acquire) != pool->owed) pool->await_helpers();
}
