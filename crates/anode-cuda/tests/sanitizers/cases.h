// Buffers of exact length, random numbers and comparisons for the cases.
#pragma once
#include "machine.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cases {

using machine::Grid;
using std::string;
using std::vector;
typedef long long integer;

constexpr unsigned BLOCK = 256;

inline integer divide_up(integer a, integer b) { return (a + b - 1) / b; }
inline integer multiple(integer a, integer b) { return divide_up(a, b) * b; }

// A grid with a thread for each of `count` numbers.
inline Grid grid_for(integer count) { return {unsigned(divide_up(count, BLOCK))}; }

struct Random {
    uint64_t state;
    uint64_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
    // In [-1, 1), exactly representable in both precisions.
    double number() { return double(integer(next() >> 41) - (1 << 22)) / (1 << 22); }
};

inline Random random{0x9E3779B97F4A7C15u};

// Draws the values of one dimension of a shape, each once before any is repeated.
template <class V> struct Dimension {
    vector<V> values;
    size_t at = 0;
    const V &draw() {
        if (at == 0)
            for (size_t i = values.size(); i > 1; i--) std::swap(values[i - 1], values[random.next() % i]);
        const V &value = values[at];
        at = (at + 1) % values.size();
        return value;
    }
};

// A buffer on the device: a heap block that ends with the last number, so that AddressSanitizer sees accesses behind
// it. With `odd` it starts one number into its heap block, as parts of a parameter vector do.
template <class T> class Array {
    T *block_;
    size_t before_, size_;

  public:
    explicit Array(size_t size, bool odd = false) : before_(odd), size_(size) {
        block_ = static_cast<T *>(malloc((before_ + size) * sizeof(T)));
        for (size_t i = 0; i < before_ + size; i++) block_[i] = std::numeric_limits<T>::quiet_NaN();
    }
    ~Array() {
        // NaN is unequal to itself.
        if (before_ && block_[0] == block_[0]) machine::fail("a kernel wrote before a buffer");
        free(block_);
    }
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;

    T *data() { return block_ + before_; }
    size_t size() const { return size_; }
    T &operator[](size_t i) { return data()[i]; }

    Array &fill() {
        for (size_t i = 0; i < size_; i++) data()[i] = T(random.number());
        return *this;
    }
    vector<double> copy() { return vector<double>(data(), data() + size_); }
};

// Names the case in messages; set before each.
inline string current;

template <class T> const char *suffix() { return sizeof(T) == 4 ? "_f32" : "_f64"; }

template <class T> bool equal(T a, double b) { return double(a) == b || (a != a && b != b); }

// Whether results are compared. If not, only sanitizers find faults.
inline bool comparing = true;

// Requires equality up to rounding, relative to the largest number.
template <class T> void expect(const char *what, Array<T> &found, const vector<double> &expected) {
    if (!comparing) return;
    if (found.size() != expected.size()) machine::fail(current + ", " + what + ": another length");
    double scale = 1;
    for (double x : expected)
        if (std::isfinite(x)) scale = std::fmax(scale, std::fabs(x));
    const double tolerance = (sizeof(T) == 4 ? 1e-5 : 1e-13) * scale;
    for (size_t i = 0; i < expected.size(); i++) {
        const double x = double(found[i]), y = expected[i];
        if (equal(x, y) || std::fabs(x - y) <= tolerance) continue;
        char text[200];
        snprintf(text, sizeof text, ", %s: number %zu is %.17g, the reference %.17g", what, i, x, y);
        machine::fail(current + text);
    }
}

// Launches a kernel by its whole name.
template <class A> void launch(const string &kernel, Grid grid, const A &arguments) {
    machine::launch(kernel, grid, &arguments, sizeof arguments);
}

} // namespace cases
