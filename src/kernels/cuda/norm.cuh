// Batch norm, alone or with ReLU: moments, forward and vjp; sums of channels. Images are [image, channel, pixel].
//
// A block sums a channel of a fixed group of images in double precision; a second kernel joins the groups in their order.
#pragma once
#include "common.cuh"

template <class T> struct NormArguments {
    const T *x;
    const T *y_bar;
    T *y;
    const T *weight;
    const T *bias;
    T *weight_bar;
    T *bias_bar;
    double *mean;
    double *variance;
    // For each channel, its parts one after the other, two numbers each.
    double *parts;
    // For each channel scale and shift of y = a x + b, then the p and q of the vjp.
    T *lines;
    // Running means, then variances; null where they stay.
    double *running;
    double momentum, epsilon;
    int images, channels, pixels, images_a_part, number;
    int relu;
};

// Calls f(place) for this thread's places in a channel of the images of its block.
template <class T, class F> __device__ inline void over_channel(const NormArguments<T> &a, F f) {
    const int channel = blockIdx.x, first = blockIdx.y * a.images_a_part;
    const int end = min(first + a.images_a_part, a.images);
    int image = first + int(threadIdx.x) / a.pixels, pixel = int(threadIdx.x) % a.pixels;
    const int images = THREADS / a.pixels, rest = THREADS % a.pixels;
    while (image < end) {
        f(((long long)image * a.channels + channel) * a.pixels + pixel);
        image += images;
        pixel += rest;
        if (pixel >= a.pixels) {
            pixel -= a.pixels;
            image++;
        }
    }
}

template <class T> __device__ inline double *part_of_block(const NormArguments<T> &a) {
    return a.parts + 2 * (blockIdx.x * (long long)a.number + blockIdx.y);
}

template <class T> __device__ inline double count_of_part(const NormArguments<T> &a, int part) {
    const int first = part * a.images_a_part;
    return double(min(a.images_a_part, a.images - first)) * a.pixels;
}

// The mean of a group and its sum of squared distances from it.
template <class T> __device__ inline void moments_of_parts(const NormArguments<T> &a) {
    double sum = 0, squares = 0;
    over_channel(a, [&](long long i) { sum += double(a.x[i]); });
    const double mean = block_sum(sum) / count_of_part(a, blockIdx.y);
    over_channel(a, [&](long long i) { squares += (double(a.x[i]) - mean) * (double(a.x[i]) - mean); });
    squares = block_sum(squares);
    if (threadIdx.x == 0) {
        part_of_block(a)[0] = mean;
        part_of_block(a)[1] = squares;
    }
}

// Mean and variance of a channel, a thread, from those of its groups (Chan, Golub & LeVeque 1979); PyTorch's update of the
// running ones, with the unbiased variance.
template <class T> __device__ inline void moments(const NormArguments<T> &a) {
    const int c = int(thread_number());
    if (c >= a.channels) return;
    const double *parts = a.parts + 2LL * c * a.number;
    const double count = double(a.images) * a.pixels;
    double mean = 0, squares = 0;
    for (int i = 0; i < a.number; i++) mean += parts[2 * i] * (count_of_part(a, i) / count);
    for (int i = 0; i < a.number; i++) {
        const double distance = parts[2 * i] - mean;
        squares += parts[2 * i + 1] + count_of_part(a, i) * distance * distance;
    }
    a.mean[c] = mean;
    a.variance[c] = squares / count;
    if (a.running) {
        const double unbiased = squares / (count > 2 ? count - 1 : 1.0);
        a.running[c] += a.momentum * (mean - a.running[c]);
        a.running[a.channels + c] += a.momentum * (unbiased - a.running[a.channels + c]);
    }
}

// The sums of a channel in a group of images.
template <class T> __device__ inline void channel_sums(const NormArguments<T> &a) {
    double sum = 0;
    over_channel(a, [&](long long i) { sum += double(a.x[i]); });
    sum = block_sum(sum);
    if (threadIdx.x == 0) part_of_block(a)[0] = sum;
}

// bias_bar += the sums of the groups.
template <class T> __device__ inline void add_channel_sums(const NormArguments<T> &a) {
    const int c = int(thread_number());
    if (c >= a.channels) return;
    double sum = 0;
    for (int i = 0; i < a.number; i++) sum += a.parts[2 * (c * (long long)a.number + i)];
    a.bias_bar[c] += T(sum);
}

// Scale and shift of each channel: y = a x + b.
template <class T> __device__ inline void norm_lines(const NormArguments<T> &a) {
    const int c = int(thread_number());
    if (c >= a.channels) return;
    const double scale = double(a.weight[c]) / sqrt(a.variance[c] + a.epsilon);
    a.lines[4 * c] = T(scale);
    a.lines[4 * c + 1] = T(double(a.bias[c]) - scale * a.mean[c]);
}

// Calls f(first place, how many, channel) for runs of four places that lie in one channel, or for single ones.
template <class T, class F> __device__ inline void over_images(const NormArguments<T> &a, F f) {
    const long long count = (long long)a.images * a.channels * a.pixels;
    const bool fours = a.pixels % 4 == 0;
    const long long first = (fours ? 4 : 1) * thread_number();
    if (first < count) f(first, fours, int(first / a.pixels % a.channels));
}

// Writes the norm of x to y; they may be the same.
template <class T> __device__ inline void norm(const NormArguments<T> &a) {
    over_images(a, [&](long long first, bool fours, int c) {
        const T scale = a.lines[4 * c], shift = a.lines[4 * c + 1];
        auto of = [&](T x) {
            const T y = multiply_add(scale, x, shift);
            return a.relu && y <= T(0) ? T(0) : y;
        };
        if (fours) {
            Four<T> x = *(const Four<T> *)(a.x + first);
            for (int i = 0; i < 4; i++) x.v[i] = of(x.v[i]);
            *(Four<T> *)(a.y + first) = x;
        } else {
            a.y[first] = of(a.x[first]);
        }
    });
}

// The cotangent where ReLU lets through, to the bit as in the forward sweep.
template <class T> __device__ inline T live(const NormArguments<T> &a, T scale, T shift, T x, T bar) {
    return !a.relu || multiply_add(scale, x, shift) > T(0) ? bar : T(0);
}

// For a group, the sums of g and of g (x - mean), with g the cotangent where ReLU lets through.
template <class T> __device__ inline void norm_vjp_sums(const NormArguments<T> &a) {
    const int c = blockIdx.x;
    const T scale = a.lines[4 * c], shift = a.lines[4 * c + 1];
    const double mean = a.mean[c];
    double plain = 0, weighted = 0;
    over_channel(a, [&](long long i) {
        const double g = double(live(a, scale, shift, a.x[i], a.y_bar[i]));
        plain += g;
        weighted += g * (double(a.x[i]) - mean);
    });
    plain = block_sum(plain);
    weighted = block_sum(weighted);
    if (threadIdx.x == 0) {
        part_of_block(a)[0] = plain;
        part_of_block(a)[1] = weighted;
    }
}

// Adds to the cotangents of weight and bias, and folds the constants of x_bar = a g + p x + q.
template <class T> __device__ inline void norm_vjp_lines(const NormArguments<T> &a) {
    const int c = int(thread_number());
    if (c >= a.channels) return;
    const double *parts = a.parts + 2LL * c * a.number;
    const double inverse = 1.0 / sqrt(a.variance[c] + a.epsilon), count = double(a.images) * a.pixels;
    double plain = 0, scaled = 0;
    for (int i = 0; i < a.number; i++) {
        plain += parts[2 * i];
        scaled += parts[2 * i + 1] * inverse;
    }
    a.bias_bar[c] += T(plain);
    a.weight_bar[c] += T(scaled);
    const double scale = double(a.weight[c]) * inverse, p = -scale * scaled / count * inverse;
    a.lines[4 * c + 2] = T(p);
    a.lines[4 * c + 3] = T(-scale * plain / count - p * a.mean[c]);
}

// Writes the cotangent of x to y.
template <class T> __device__ inline void norm_vjp(const NormArguments<T> &a) {
    over_images(a, [&](long long first, bool fours, int c) {
        const T scale = a.lines[4 * c], shift = a.lines[4 * c + 1], p = a.lines[4 * c + 2], q = a.lines[4 * c + 3];
        auto of = [&](T x, T bar) { return multiply_add(scale, live(a, scale, shift, x, bar), multiply_add(p, x, q)); };
        if (fours) {
            const Four<T> x = *(const Four<T> *)(a.x + first);
            Four<T> bar = *(const Four<T> *)(a.y_bar + first);
            for (int i = 0; i < 4; i++) bar.v[i] = of(x.v[i], bar.v[i]);
            *(Four<T> *)(a.y + first) = bar;
        } else {
            a.y[first] = of(a.x[first], a.y_bar[first]);
        }
    });
}

EXPORT_BOTH(moments_of_parts, THREADS, NormArguments)
EXPORT_BOTH(moments, THREADS, NormArguments)
EXPORT_BOTH(channel_sums, THREADS, NormArguments)
EXPORT_BOTH(add_channel_sums, THREADS, NormArguments)
EXPORT_BOTH(norm_lines, THREADS, NormArguments)
EXPORT_BOTH(norm, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp_sums, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp_lines, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp, THREADS, NormArguments)
