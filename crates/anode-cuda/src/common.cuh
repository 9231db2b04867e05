// What all kernels share. A kernel is a device function of one argument, a plain struct of pointers and sizes; EXPORT
// gives it a name and a type. No kernel uses atomics: every number is summed by one thread in a fixed order, so bits
// repeat.
#pragma once

#ifdef ANODE_EMULATED
#include "emulator.h"
#else
// At most 128 registers per thread, so that two blocks of 256 threads share a multiprocessor.
#define EXPORT(NAME, THREADS, ARGUMENTS, BODY)                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, 512 / (THREADS)) NAME(const ARGUMENTS arguments) {          \
        BODY(arguments);                                                                                              \
    }
#endif

// Both precisions of a kernel that is a template of its number alone.
#define EXPORT_BOTH(NAME, THREADS, ARGUMENTS)                                                                         \
    EXPORT(NAME##_f32, THREADS, ARGUMENTS<float>, NAME<float>)                                                        \
    EXPORT(NAME##_f64, THREADS, ARGUMENTS<double>, NAME<double>)

// Threads of a block, unless a kernel says otherwise.
constexpr int THREADS = 256;

// Four numbers that are loaded and stored together.
template <class T> struct alignas(16) Four {
    T v[4];
};

// The number of this thread in the grid.
__device__ inline long long thread_number() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }

// The sum over a block of THREADS threads, along a fixed tree; every thread gets it.
__device__ inline double block_sum(double x) {
    __shared__ double sums[THREADS];
    sums[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    double total = sums[0];
    __syncthreads();
    return total;
}

// The same for the largest; no NaN is.
__device__ inline double block_most(double x) {
    __shared__ double most[THREADS];
    most[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) most[threadIdx.x] = fmax(most[threadIdx.x], most[threadIdx.x + half]);
        __syncthreads();
    }
    double largest = most[0];
    __syncthreads();
    return largest;
}

template <class T> __device__ inline bool is_finite(T x) { return x - x == T(0); }

__device__ inline float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return fma(a, b, c); }
