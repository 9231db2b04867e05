// Runs every kernel with small odd shapes: `cases COUNT [FAMILY [sanitizers-only]]` draws COUNT shapes per kernel or
// tile. Compiled without sanitizers; only the kernels and the threads that run them are instrumented.
#include "emulator.h"

namespace {
#include "kernels.cu"
}

#include "bytes_cases.h"
#include "conv_cases.h"
#include "norm_cases.h"
#include "pool_cases.h"
#include "vector_cases.h"

#include <chrono>

int main(int arguments, char **given) {
    const int count = arguments > 1 ? atoi(given[1]) : 1;
    cases::comparing = arguments <= 3 || strcmp(given[3], "sanitizers-only") != 0;
    const std::pair<const char *, void (*)(int)> families[] = {
        {"conv", cases::convolutions},
        {"conv_weights", cases::weights},
        {"norm", cases::norms},
        {"channels", [](int) { cases::many_channels(); }},
        {"pool", cases::pools},
        {"bytes", cases::bytes},
        {"vector", cases::vectors},
        {"reduction", cases::reductions},
        {"activation", cases::activations},
        {"descent", cases::descents},
        {"dense", cases::dense_products},
        // Only by its name: see there.
        {"flag", [](int) { cases::many_infinities_case<float>(3000), cases::many_infinities_case<double>(1025); }},
    };
    for (const auto &[name, run] : families) {
        if (strcmp(name, arguments > 2 ? given[2] : "flag") == 0 ? arguments <= 2 : arguments > 2) continue;
        const auto start = std::chrono::steady_clock::now();
        const long before = machine::runs();
        run(count);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        printf("family %s: %ld runs, %.1f s\n", name, machine::runs() - before, seconds);
        fflush(stdout);
    }
    machine::finish();
}
