// The kernels' library as a program: calls come on its input and are answered on its output, so
// that an emulator of another machine can run it. What they point to lies in a file that both
// sides map; the first answer is where it is here. See remote.py.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "abi.h"

namespace {

struct Call {
  int64_t name, first, second;
};

void* memory(int64_t address) { return (void*)(uintptr_t)address; }

int64_t answer(const Call& call) {
  switch (call.name) {
    case 'v':
      return mf_abi_version();
    case 'n':
      return snprintf((char*)memory(call.first), (size_t)call.second, "%s",
                      mf_instruction_sets());
    case 'c':
      return (int64_t)(uintptr_t)mf_create((const mf_model*)memory(call.first),
                                           (const char*)memory(call.second));
    case 's':
      return mf_step(memory(call.first), (const mf_batch*)memory(call.second));
    case 'a': {
      const int64_t* both = (const int64_t*)memory(call.second);
      return mf_run_ahead(memory(call.first), (const mf_batch*)memory(both[0]),
                          (mf_ahead*)memory(both[1]));
    }
    case 'd':
      mf_destroy(memory(call.first));
      return 0;
    default:
      exit(2);
  }
}

void tell(int64_t number) {
  fwrite(&number, sizeof(number), 1, stdout);
  fflush(stdout);
}

}  // namespace

int main(int, char** arguments) {
  const int file = open(arguments[1], O_RDWR);
  struct stat about;
  if (file < 0 || fstat(file, &about)) return 1;
  void* shared = mmap(nullptr, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared == MAP_FAILED) return 1;
  tell((int64_t)(uintptr_t)shared);
  for (Call call; fread(&call, sizeof(call), 1, stdin) == 1;) tell(answer(call));
  return 0;
}
