// Pooling over square windows that tile the image: one window per thread.
#pragma once
#include "common.cuh"

template <class T> struct PoolArguments {
    const T *x;
    T *y;
    const T *y_bar;
    T *x_bar;
    // Of all channels of all images.
    long long windows;
    int height, width, out_height, out_width, window;
};

// Calls f(place of the window in the output, place of its first number in the input).
template <class T, class F> __device__ inline void over_windows(const PoolArguments<T> &a, F f) {
    const long long i = thread_number();
    if (i >= a.windows) return;
    const long long plane = i / (a.out_height * a.out_width);
    const int place = i % (a.out_height * a.out_width);
    const int y = place / a.out_width * a.window, x = place % a.out_width * a.window;
    f(i, (plane * a.height + y) * a.width + x);
}

template <class T> __device__ inline T share(const PoolArguments<T> &a) { return T(1.0 / (a.window * a.window)); }

template <class T> __device__ inline void average_pool(const PoolArguments<T> &a) {
    over_windows(a, [&](long long i, long long first) {
        T sum = 0;
        for (int y = 0; y < a.window; y++)
            for (int x = 0; x < a.window; x++) sum += a.x[first + y * a.width + x];
        a.y[i] = sum * share(a);
    });
}

template <class T> __device__ inline void average_pool_vjp(const PoolArguments<T> &a) {
    over_windows(a, [&](long long i, long long first) {
        const T bar = a.y_bar[i] * share(a);
        for (int y = 0; y < a.window; y++)
            for (int x = 0; x < a.window; x++) a.x_bar[first + y * a.width + x] += bar;
    });
}

// The place of the first maximum of a window; NaN counts as largest.
template <class T> __device__ inline long long largest(const PoolArguments<T> &a, long long first) {
    long long found = first;
    for (int y = 0; y < a.window; y++)
        for (int x = 0; x < a.window; x++) {
            const long long place = first + y * a.width + x;
            const T old = a.x[found], here = a.x[place];
            if (here > old || (here != here && old == old)) found = place;
        }
    return found;
}

template <class T> __device__ inline void max_pool(const PoolArguments<T> &a) {
    over_windows(a, [&](long long i, long long first) { a.y[i] = a.x[largest(a, first)]; });
}

template <class T> __device__ inline void max_pool_vjp(const PoolArguments<T> &a) {
    over_windows(a, [&](long long i, long long first) { a.x_bar[largest(a, first)] += a.y_bar[i]; });
}

EXPORT_BOTH(average_pool, THREADS, PoolArguments)
EXPORT_BOTH(average_pool_vjp, THREADS, PoolArguments)
EXPORT_BOTH(max_pool, THREADS, PoolArguments)
EXPORT_BOTH(max_pool_vjp, THREADS, PoolArguments)
