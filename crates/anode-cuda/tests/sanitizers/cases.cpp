// Runs every kernel with small odd shapes: `cases COUNT [FAMILY...]` draws COUNT shapes per kernel or tile. Compiled
// without sanitizers; only the kernels and the threads that run them are instrumented.
#include "emulator.h"

namespace {
#include "kernels.cu"
}

#include "conv_cases.h"
#include "norm_cases.h"
#include "pool_cases.h"
#include "vector_cases.h"

#include <chrono>

int main(int arguments, char **given) {
    const int count = arguments > 1 ? atoi(given[1]) : 1;
    const std::pair<const char *, void (*)(int)> families[] = {
        {"conv", cases::convolutions},
        {"conv_weights", cases::weights},
        {"norm", cases::norms},
        {"channels", [](int) { cases::many_channels(); }},
        {"pool", cases::pools},
        {"vector", cases::vectors},
        {"reduction", cases::reductions},
        {"activation", cases::activations},
        {"dense", cases::dense_products},
        // Only by its name: see there.
        {"flag", [](int) { cases::many_infinities_case<float>(3000), cases::many_infinities_case<double>(1025); }},
    };
    for (const auto &[name, run] : families) {
        bool wanted = arguments <= 2 && strcmp(name, "flag") != 0;
        for (int i = 2; i < arguments; i++) wanted = wanted || strcmp(given[i], name) == 0;
        if (!wanted) continue;
        const auto start = std::chrono::steady_clock::now();
        const long before = machine::runs();
        run(count);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        printf("family %s: %ld runs, %.1f s\n", name, machine::runs() - before, seconds);
        fflush(stdout);
    }
    machine::finish();
}
