// Products of one matrix with one vector, summed in double precision for both types; the bound is the memory of the
// matrix.
#pragma once
#include "common.cuh"

template <class T> struct DenseArguments {
    // [rows, columns].
    const T *w;
    const T *x;
    T *y;
    const T *y_bar;
    T *x_bar;
    T *w_bar;
    long long rows, columns;
};

// y = w x: one row per block.
template <class T> __device__ inline void dense(const DenseArguments<T> &a) {
    const T *row = a.w + blockIdx.x * a.columns;
    double sum = 0;
    for (long long j = threadIdx.x; j < a.columns; j += THREADS) sum += double(row[j]) * double(a.x[j]);
    sum = block_sum(sum);
    if (threadIdx.x == 0) a.y[blockIdx.x] = T(sum);
}

// x_bar += w^T y_bar: one column per thread.
template <class T> __device__ inline void dense_vjp_input(const DenseArguments<T> &a) {
    const long long j = thread_number();
    if (j >= a.columns) return;
    double sum = a.x_bar[j];
    for (long long i = 0; i < a.rows; i++) sum += double(a.w[i * a.columns + j]) * double(a.y_bar[i]);
    a.x_bar[j] = T(sum);
}

// w_bar += y_bar x^T: one number per thread.
template <class T> __device__ inline void dense_vjp_weights(const DenseArguments<T> &a) {
    const long long k = thread_number();
    if (k < a.rows * a.columns) a.w_bar[k] += a.y_bar[k / a.columns] * a.x[k % a.columns];
}

EXPORT_BOTH(dense, THREADS, DenseArguments)
EXPORT_BOTH(dense_vjp_input, THREADS, DenseArguments)
EXPORT_BOTH(dense_vjp_weights, THREADS, DenseArguments)
