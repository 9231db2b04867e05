// Runs CUDA kernels on a CPU, so that the very source of the device is tested where there is none. A block's threads
// are fibers that change at barriers, in an order drawn from a seed; blocks run one after the other, in an order drawn
// from it too. A kernel whose numbers depend on the order, or whose threads do not all meet at a barrier, is found out.
#pragma once
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <ucontext.h>
#include <vector>

#define __device__
#define __shared__ static
#define __align__(N) __attribute__((aligned(N)))

using std::max;
using std::min;

namespace emulator {

struct Place {
    unsigned x = 0, y = 0, z = 0;
};

using Body = void (*)(const void *);

struct Fiber {
    jmp_buf at;
    ucontext_t start;
    std::vector<char> stack;
    bool begun = false, done = true;
};

constexpr unsigned MOST = 1024;
constexpr size_t STACK = 64 << 10;

inline Place thread, block, block_size, grid_size;
inline Fiber fibers[MOST];
inline jmp_buf scheduler;
inline Body body;
inline const void *arguments;
inline std::mutex one_at_a_time;

inline void leave() {
    if (_setjmp(fibers[thread.x].at) == 0) _longjmp(scheduler, 1);
}

// A fiber runs one body after the other, for ever.
inline void live() {
    for (;;) {
        body(arguments);
        fibers[thread.x].done = true;
        leave();
    }
}

inline void enter(unsigned i) {
    thread.x = i;
    Fiber &fiber = fibers[i];
    if (_setjmp(scheduler) != 0) return;
    if (fiber.begun) _longjmp(fiber.at, 1);
    fiber.begun = true;
    fiber.stack.resize(STACK);
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = STACK;
    makecontext(&fiber.start, live, 0);
    setcontext(&fiber.start);
}

// Puts 0, 1, ... in an order drawn from the seed; 0 leaves them as they are.
struct Order {
    uint64_t seed;
    void draw(std::vector<unsigned> &numbers) {
        if (seed == 0) return;
        for (size_t i = numbers.size(); i > 1; i--) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            std::swap(numbers[i - 1], numbers[seed % i]);
        }
    }
};

// Runs a grid; null, or what was wrong.
inline const char *run(Place grid, unsigned threads, uint64_t seed, Body what, const void *with) {
    std::lock_guard<std::mutex> guard(one_at_a_time);
    if (threads == 0 || threads > MOST) return "a block of too many threads";
    const bool empty = grid.x == 0 || grid.y == 0 || grid.z == 0;
    if (grid.y > 65535 || grid.z > 65535 || empty) return "a grid that no device takes";
    body = what;
    arguments = with;
    block_size = {threads, 1, 1};
    grid_size = grid;
    std::vector<unsigned> blocks(grid.x * grid.y * grid.z), order(threads);
    std::iota(blocks.begin(), blocks.end(), 0u);
    std::iota(order.begin(), order.end(), 0u);
    Order drawn{seed};
    drawn.draw(blocks);
    for (unsigned number : blocks) {
        block = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
        for (unsigned i = 0; i < threads; i++) fibers[i].done = false;
        for (unsigned running = threads; running > 0;) {
            drawn.draw(order);
            unsigned ended = 0;
            for (unsigned i : order) {
                enter(i);
                ended += fibers[i].done;
            }
            if (ended > 0 && ended < running) return "some threads of a block ended while others wait at a barrier";
            running -= ended;
        }
    }
    return nullptr;
}

} // namespace emulator

#define threadIdx emulator::thread
#define blockIdx emulator::block
#define blockDim emulator::block_size
#define gridDim emulator::grid_size
#define __syncthreads() emulator::leave()

#define EXPORT(NAME, COUNT, ARGUMENTS, BODY)                                                                          \
    extern "C" const unsigned NAME##_bytes = sizeof(ARGUMENTS);                                                       \
    extern "C" const char *NAME(const void *with, const unsigned *grid, unsigned threads, uint64_t seed) {            \
        if (threads != (COUNT)) return "another number of threads than the kernel is written for";                    \
        return emulator::run({grid[0], grid[1], grid[2]}, threads, seed,                                              \
                             [](const void *a) { BODY(*static_cast<const ARGUMENTS *>(a)); }, with);                  \
    }
