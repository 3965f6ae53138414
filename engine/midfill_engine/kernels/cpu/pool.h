// Threads that one engine keeps: they spin for a moment after a step, then sleep.
#pragma once

#include <stdint.h>

struct Pool;

Pool* pool_create(int num_threads);
void pool_destroy(Pool* pool);
int pool_size(const Pool* pool);
// Runs job(context, thread) on every thread, the caller's as thread 0; returns when the caller's
// part is done, which must therefore end in pool_wait.
void pool_run(Pool* pool, void (*job)(const void* context, int thread), const void* context);
// Returns when every thread of the pool has called it.
void pool_wait(Pool* pool);
