// What the kernels need of CUDA, if each thread of a block is a thread of the operating system. Shared memory is a
// static array of the slot that runs the block: kernels.cpp is compiled once per slot, in an unnamed namespace, so
// that each slot has its own arrays and AddressSanitizer puts a red zone behind each of them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#define __device__
#define __shared__ static
#define __align__(N) __attribute__((aligned(N)))

using std::max;
using std::min;

namespace emulator {

struct Place {
    unsigned x = 0, y = 0, z = 0;
};

inline thread_local Place thread, block, block_size, grid_size;

// Waits for the other threads of the block. The barrier's position in the source is compared between threads.
void meet(const char *position);

using Body = void (*)(const void *arguments);

// Registers a kernel for one slot.
struct Registration {
    Registration(int slot, const char *name, unsigned threads, size_t bytes_of_arguments, Body body);
};

} // namespace emulator

#define threadIdx emulator::thread
#define blockIdx emulator::block
#define blockDim emulator::block_size
#define gridDim emulator::grid_size
#define EMULATOR_TEXT_OF(X) #X
#define EMULATOR_TEXT(X) EMULATOR_TEXT_OF(X)
#define __syncthreads() emulator::meet(__FILE__ ":" EMULATOR_TEXT(__LINE__))

#ifdef SLOT
#define EXPORT(NAME, COUNT, ARGUMENTS, BODY)                                                                           \
    const emulator::Registration NAME##_registration(SLOT, #NAME, COUNT, sizeof(ARGUMENTS), [](const void *a) {        \
        BODY(*static_cast<const ARGUMENTS *>(a));                                                                      \
    });
#else
// Only the types of the arguments are needed.
#define EXPORT(NAME, COUNT, ARGUMENTS, BODY)
#endif
