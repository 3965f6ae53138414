// Threads that help the caller through a step. The caller never waits for a thread to come, only
// for one that has taken a piece of work: on a busy machine a step then goes on with the threads
// that have a core. Who computes a piece does not change its result.
#pragma once

struct Pool;

// Runs piece [0, count) of something; `thread` is whose scratch memory may be used.
typedef void (*PoolWork)(const void* context, int piece, int thread);

// Takes fewer threads where so many cannot be had; throws std::bad_alloc.
Pool* pool_create(int num_threads);
void pool_destroy(Pool* pool);
int pool_size(const Pool* pool);
// Runs every piece on the caller, as thread 0, and on whoever comes; returns when all are done.
// Threads that sleep are woken.
// Every thread begins with its own part of the pieces, then takes what others have left.
void pool_for(Pool* pool, int count, PoolWork work, const void* context);
