// Gradient descent with momentum and weight decay, four numbers per thread. Bound by memory bandwidth.
#pragma once
#include "vector.cuh"

template <class T> struct DescentArguments {
    T *theta;
    T *velocity;
    const T *gradient;
    long long count;
    // The first ones decay.
    long long decaying;
    double learning_rate;
    double momentum;
    double weight_decay;
};

template <class T> __device__ inline void descend_one(const DescentArguments<T> &a, bool decays, T &theta, T &v, T g) {
    if (decays) g = multiply_add(T(a.weight_decay), theta, g);
    v = multiply_add(T(a.momentum), v, g);
    theta = multiply_add(-T(a.learning_rate), v, theta);
}

// velocity = (gradient + weight_decay theta) + momentum velocity; theta -= learning_rate velocity.
template <class T> __device__ inline void descend(const DescentArguments<T> &a) {
    by_fours(a.count, [&](long long first, int n) {
        if (n == 4) {
            Four<T> theta = *(const Four<T> *)(a.theta + first), v = *(const Four<T> *)(a.velocity + first);
            const Four<T> g = *(const Four<T> *)(a.gradient + first);
            for (int i = 0; i < 4; i++) descend_one(a, first + i < a.decaying, theta.v[i], v.v[i], g.v[i]);
            *(Four<T> *)(a.theta + first) = theta;
            *(Four<T> *)(a.velocity + first) = v;
        } else {
            for (long long i = first; i < first + n; i++)
                descend_one(a, i < a.decaying, a.theta[i], a.velocity[i], a.gradient[i]);
        }
    });
}

EXPORT_BOTH(descend, THREADS, DescentArguments)
