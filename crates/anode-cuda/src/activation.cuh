// Activation functions and their slopes, one number per thread.
#pragma once
#include "common.cuh"

// The order of `Activation` in Rust.
enum Activation { NONE, RELU, LEAKY_RELU, SOFTPLUS, TANH };

template <class T> struct ActivationArguments {
    // Overwritten: the number itself, or the cotangent of the value.
    T *y;
    // Where a slope is taken; not read otherwise.
    const T *x;
    long long count;
    double a;
    int activation;
};

__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float logarithm_of_1_plus(float x) { return log1pf(x); }
__device__ inline double logarithm_of_1_plus(double x) { return log1p(x); }
__device__ inline float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ inline double hyperbolic_tangent(double x) { return tanh(x); }

// NaN stays NaN.
template <class T> __device__ inline T activation_of(int activation, T x) {
    switch (activation) {
    case RELU: return x <= T(0) ? T(0) : x;
    case LEAKY_RELU: return x <= T(0) ? T(0.01) * x : x;
    // max(x, 0) + log(1 + exp(-|x|)) does not overflow.
    case SOFTPLUS: return (x <= T(0) ? T(0) : x) + logarithm_of_1_plus(exponential(x <= T(0) ? x : -x));
    case TANH: return hyperbolic_tangent(x);
    default: return x;
    }
}

template <class T> __device__ inline T slope_of(int activation, T x) {
    switch (activation) {
    case RELU: return x > T(0) ? T(1) : T(0);
    case LEAKY_RELU: return x > T(0) ? T(1) : T(0.01);
    case SOFTPLUS: return T(1) / (T(1) + exponential(-x));
    case TANH: {
        T tanh_x = hyperbolic_tangent(x);
        return T(1) - tanh_x * tanh_x;
    }
    default: return T(1);
    }
}

// y = a activation(y).
template <class T> __device__ inline void activate(const ActivationArguments<T> &a) {
    const long long i = thread_number();
    if (i < a.count) a.y[i] = T(a.a) * activation_of(a.activation, a.y[i]);
}

// y = a activation'(x) y.
template <class T> __device__ inline void activate_vjp(const ActivationArguments<T> &a) {
    const long long i = thread_number();
    if (i < a.count) a.y[i] = T(a.a) * slope_of(a.activation, a.x[i]) * a.y[i];
}

EXPORT_BOTH(activate, THREADS, ActivationArguments)
EXPORT_BOTH(activate_vjp, THREADS, ActivationArguments)
