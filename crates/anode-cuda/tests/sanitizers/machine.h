// Runs kernels with one thread of the operating system per CUDA thread.
#pragma once
#include <cstddef>
#include <string>

namespace machine {

struct Grid {
    unsigned x = 1, y = 1, z = 1;
};

// Runs all blocks of a grid and waits for them. Blocks are divided between the slots, which run concurrently; the
// threads of two slots are synchronized only at the start and at the end. Ends the process if a kernel is used wrongly.
void launch(const std::string &kernel, Grid grid, const void *arguments, size_t bytes);

// Reports what is wrong and ends the process.
[[noreturn]] void fail(const std::string &what);

// How many kernels were run so far.
long runs();

// Prints one line per kernel: its name, how often it ran and the largest number of blocks. Ends the threads.
void finish();

} // namespace machine
