// whole_step.cu on the CPU; see emulator.h. Built and called by test_whole_step.py.
#include "emulator.h"
#include "../../../engine/midfill_engine/kernels/gpu/whole_step.cu"

static Step told;

static void run_thread() { whole_step(told); }

extern "C" void emulate(const Step* step, int num_blocks, int shared_bytes, bool lag) {
  told = *step;
  lagging = lag;
  run_blocks(num_blocks, shared_bytes, run_thread);
}

extern "C" int stride_of_inputs(int kind, int num_inputs) {
  return input_stride(kind, num_inputs);
}
extern "C" int scratch_bytes() { return sizeof(Scratch); }
extern "C" int step_bytes() { return sizeof(Step); }
