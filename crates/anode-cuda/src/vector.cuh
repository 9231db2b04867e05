// Vectors: y += a x, scaling, inner products, ReLU. Four numbers per thread. Bound by memory bandwidth.
#pragma once
#include "common.cuh"

template <class T> struct VectorArguments {
    T *y;
    const T *x;
    const T *z;
    long long count;
    double a;
    // Where not null: set to `serial` if it is zero and a number of the result is not finite. Threads that meet there
    // write the same value.
    unsigned *flag;
    unsigned serial;
};

// Calls f(first, how many) for the four numbers of this thread, or the fewer at the end.
template <class F> __device__ inline void by_fours(long long count, F f) {
    long long first = 4 * thread_number();
    if (first < count) f(first, count - first < 4 ? int(count - first) : 4);
}

// y = f(y, x, z), elementwise; READ_Y, READ_X and READ_Z say what is read.
template <bool READ_Y, bool READ_X, bool READ_Z, class T, class F>
__device__ inline void elementwise(const VectorArguments<T> &a, F f) {
    by_fours(a.count, [&](long long first, int n) {
        bool finite = true;
        if (n == 4) {
            Four<T> y, x, z;
            if (READ_Y) y = *(const Four<T> *)(a.y + first);
            if (READ_X) x = *(const Four<T> *)(a.x + first);
            if (READ_Z) z = *(const Four<T> *)(a.z + first);
            for (int i = 0; i < 4; i++) {
                y.v[i] = f(READ_Y ? y.v[i] : T(0), READ_X ? x.v[i] : T(0), READ_Z ? z.v[i] : T(0));
                finite = finite && is_finite(y.v[i]);
            }
            *(Four<T> *)(a.y + first) = y;
        } else {
            for (long long i = first; i < first + n; i++) {
                a.y[i] = f(READ_Y ? a.y[i] : T(0), READ_X ? a.x[i] : T(0), READ_Z ? a.z[i] : T(0));
                finite = finite && is_finite(a.y[i]);
            }
        }
        if (a.flag && !finite && *a.flag == 0) *a.flag = a.serial;
    });
}

template <class T> __device__ inline void axpy(const VectorArguments<T> &a) {
    T s = T(a.a);
    elementwise<true, true, false>(a, [&](T y, T x, T) { return multiply_add(s, x, y); });
}

// y = s x, with the bits of axpy onto zeros: negative zeros become positive.
template <class T> __device__ inline void set_scaled(const VectorArguments<T> &a) {
    T s = T(a.a);
    elementwise<false, true, false>(a, [&](T, T x, T) { return multiply_add(s, x, T(0)); });
}

template <class T> __device__ inline void scale(const VectorArguments<T> &a) {
    elementwise<true, false, false>(a, [&](T y, T, T) { return T(a.a) * y; });
}

// NaN stays NaN here and below.
template <class T> __device__ inline void relu(const VectorArguments<T> &a) {
    elementwise<false, true, false>(a, [](T, T x, T) { return x <= T(0) ? T(0) : x; });
}

template <class T> __device__ inline void add_relu(const VectorArguments<T> &a) {
    elementwise<true, true, false>(a, [](T y, T x, T) {
        T sum = y + x;
        return sum <= T(0) ? T(0) : sum;
    });
}

// y = z where x > 0, else 0: the vjp of ReLU at x, or at its value.
template <class T> __device__ inline void masked(const VectorArguments<T> &a) {
    elementwise<false, true, true>(a, [](T, T x, T z) { return x > T(0) ? z : T(0); });
}

// Sets the flag where x is not finite.
template <class T> __device__ inline void look(const VectorArguments<T> &a) {
    by_fours(a.count, [&](long long first, int n) {
        bool finite = true;
        for (int i = 0; i < n; i++) finite = finite && is_finite(a.x[first + i]);
        if (!finite && *a.flag == 0) *a.flag = a.serial;
    });
}

template <class T> struct DotArguments {
    const T *x;
    const T *y;
    double *parts;
    long long count;
    long long count_a_part;
};

// A part of sum x y a block.
template <class T> __device__ inline void dot(const DotArguments<T> &a) {
    long long first = blockIdx.x * a.count_a_part;
    long long end = first + a.count_a_part < a.count ? first + a.count_a_part : a.count;
    double sum = 0;
    for (long long i = first + threadIdx.x; i < end; i += THREADS) sum += double(a.x[i]) * double(a.y[i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0) a.parts[blockIdx.x] = sum;
}

template <class T> struct WeightedArguments {
    const T *x;
    const T *y;
    const T *z;
    double *parts;
    long long count;
    long long count_a_part;
    // The smallest weight, and the share of max(|y|, |z|) that is added to it.
    double a;
    double b;
};

template <class T> __device__ inline double larger(const WeightedArguments<T> &a, long long i) {
    return fmax(fabs(double(a.y[i])), fabs(double(a.z[i])));
}

// A part of sum (x / (a + b max(|y|, |z|)))^2 a block.
template <class T> __device__ inline void weighted_squares(const WeightedArguments<T> &a) {
    long long first = blockIdx.x * a.count_a_part;
    long long end = first + a.count_a_part < a.count ? first + a.count_a_part : a.count;
    double sum = 0;
    for (long long i = first + threadIdx.x; i < end; i += THREADS) {
        double ratio = double(a.x[i]) / (a.a + a.b * larger(a, i));
        sum += ratio * ratio;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) a.parts[blockIdx.x] = sum;
}

// The most of a block's |x| / max(|y|, |z|, a).
template <class T> __device__ inline void weighted_most(const WeightedArguments<T> &a) {
    long long first = blockIdx.x * a.count_a_part;
    long long end = first + a.count_a_part < a.count ? first + a.count_a_part : a.count;
    double most = 0;
    for (long long i = first + threadIdx.x; i < end; i += THREADS) {
        most = fmax(most, fabs(double(a.x[i])) / fmax(larger(a, i), a.a));
    }
    most = block_most(most);
    if (threadIdx.x == 0) a.parts[blockIdx.x] = most;
}

struct SumArguments {
    const double *parts;
    double *sum;
    long long count;
};

// The most of all parts, by one block.
__device__ inline void most_of_parts(const SumArguments &a) {
    double most = 0;
    for (long long i = threadIdx.x; i < a.count; i += THREADS) most = fmax(most, a.parts[i]);
    most = block_most(most);
    if (threadIdx.x == 0) *a.sum = most;
}

// The sum of all parts, by one block.
__device__ inline void sum_of_parts(const SumArguments &a) {
    double sum = 0;
    for (long long i = threadIdx.x; i < a.count; i += THREADS) sum += a.parts[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *a.sum = sum;
}

EXPORT_BOTH(axpy, THREADS, VectorArguments)
EXPORT_BOTH(set_scaled, THREADS, VectorArguments)
EXPORT_BOTH(scale, THREADS, VectorArguments)
EXPORT_BOTH(relu, THREADS, VectorArguments)
EXPORT_BOTH(add_relu, THREADS, VectorArguments)
EXPORT_BOTH(masked, THREADS, VectorArguments)
EXPORT_BOTH(look, THREADS, VectorArguments)
EXPORT_BOTH(dot, THREADS, DotArguments)
EXPORT_BOTH(weighted_squares, THREADS, WeightedArguments)
EXPORT_BOTH(weighted_most, THREADS, WeightedArguments)
EXPORT(sum_parts, THREADS, SumArguments, sum_of_parts)
EXPORT(most_parts, THREADS, SumArguments, most_of_parts)
