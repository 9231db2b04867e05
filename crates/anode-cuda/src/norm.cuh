// Batch norm, alone or with ReLU: moments, forward and vjp; sums of channels. Images are [image, channel, pixel].
//
// A block sums a channel of a fixed group of images in double precision; a second kernel joins the groups in their
// order.
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
    // Of add_norm: z + factor norm(x), and the flag as in VectorArguments.
    const T *z;
    double factor;
    unsigned *flag;
    unsigned serial;
};

// WIDTH numbers that are loaded together.
template <class T, int WIDTH> struct alignas(WIDTH * sizeof(T) < 16 ? WIDTH * sizeof(T) : 16) Run {
    T v[WIDTH];
};

// Loads this thread's runs in a channel of the images of its block, LOADS at a time so that the loads overlap, and
// calls use(run) for each in a fixed order. load(place) returns a run.
template <int WIDTH, class T, class L, class U>
__device__ inline void over_runs(const NormArguments<T> &a, L load, U use) {
    constexpr int LOADS = 4;
    const int channel = blockIdx.x, first = blockIdx.y * a.images_a_part;
    const int end = min(first + a.images_a_part, a.images), plane = a.pixels / WIDTH;
    int image = first + int(threadIdx.x) / plane, run = int(threadIdx.x) % plane;
    const int images = THREADS / plane, rest = THREADS % plane;
    while (image < end) {
        decltype(load(0)) loaded[LOADS];
        int count = 0;
#pragma unroll
        for (int k = 0; k < LOADS; k++) {
            if (image >= end) continue;
            loaded[k] = load(((long long)image * a.channels + channel) * a.pixels + WIDTH * run);
            count++;
            image += images;
            run += rest;
            if (run >= plane) {
                run -= plane;
                image++;
            }
        }
#pragma unroll
        for (int k = 0; k < LOADS; k++)
            if (k < count) use(loaded[k]);
    }
}

// Calls use(x) for this thread's numbers in a channel of the images of its block.
template <class T, int WIDTH, class U> __device__ inline void over_numbers(const NormArguments<T> &a, U use) {
    over_runs<WIDTH>(
        a, [&](long long i) { return *(const Run<T, WIDTH> *)(a.x + i); },
        [&](const Run<T, WIDTH> &x) {
            for (int i = 0; i < WIDTH; i++) use(x.v[i]);
        });
}

// As over_numbers, four numbers to a load where they lie in one channel.
template <class T, class U> __device__ inline void over_channel(const NormArguments<T> &a, U use) {
    if (a.pixels % 4 == 0) {
        over_numbers<T, 4>(a, use);
    } else {
        over_numbers<T, 1>(a, use);
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
    over_channel(a, [&](T x) { sum += double(x); });
    const double mean = block_sum(sum) / count_of_part(a, blockIdx.y);
    over_channel(a, [&](T x) { squares += (double(x) - mean) * (double(x) - mean); });
    squares = block_sum(squares);
    if (threadIdx.x == 0) {
        part_of_block(a)[0] = mean;
        part_of_block(a)[1] = squares;
    }
}

// Mean and variance of a channel, a block, from those of its groups (Chan, Golub & LeVeque 1979); PyTorch's update of
// the running ones, with the unbiased variance.
template <class T> __device__ inline void moments(const NormArguments<T> &a) {
    const int c = blockIdx.x;
    const double *parts = a.parts + 2LL * c * a.number;
    const double count = double(a.images) * a.pixels;
    double mean = 0, squares = 0;
    for (int i = threadIdx.x; i < a.number; i += THREADS) mean += parts[2 * i] * (count_of_part(a, i) / count);
    mean = block_sum(mean);
    for (int i = threadIdx.x; i < a.number; i += THREADS) {
        const double distance = parts[2 * i] - mean;
        squares += parts[2 * i + 1] + count_of_part(a, i) * distance * distance;
    }
    squares = block_sum(squares);
    if (threadIdx.x > 0) return;
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
    over_channel(a, [&](T x) { sum += double(x); });
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

// The norm of one number.
template <class T> __device__ inline T normed(const NormArguments<T> &a, T scale, T shift, T x) {
    const T y = multiply_add(scale, x, shift);
    return a.relu && y <= T(0) ? T(0) : y;
}

// Writes the norm of x to y; they may be the same.
template <class T> __device__ inline void norm(const NormArguments<T> &a) {
    over_images(a, [&](long long first, bool fours, int c) {
        const T scale = a.lines[4 * c], shift = a.lines[4 * c + 1];
        auto of = [&](T x) { return normed(a, scale, shift, x); };
        if (fours) {
            Four<T> x = *(const Four<T> *)(a.x + first);
            for (int i = 0; i < 4; i++) x.v[i] = of(x.v[i]);
            *(Four<T> *)(a.y + first) = x;
        } else {
            a.y[first] = of(a.x[first]);
        }
    });
}

// Writes z + factor norm(x) to y, which may be x or z. The operations are those of norm and axpy, so the bits are
// equal.
template <class T> __device__ inline void add_norm(const NormArguments<T> &a) {
    over_images(a, [&](long long first, bool fours, int c) {
        const T scale = a.lines[4 * c], shift = a.lines[4 * c + 1], factor = T(a.factor);
        bool finite = true;
        auto of = [&](T x, T z) {
            const T sum = multiply_add(factor, normed(a, scale, shift, x), z);
            finite = finite && is_finite(sum);
            return sum;
        };
        if (fours) {
            const Four<T> x = *(const Four<T> *)(a.x + first);
            Four<T> z = *(const Four<T> *)(a.z + first);
            for (int i = 0; i < 4; i++) z.v[i] = of(x.v[i], z.v[i]);
            *(Four<T> *)(a.y + first) = z;
        } else {
            a.y[first] = of(a.x[first], a.z[first]);
        }
        if (a.flag && !finite && *a.flag == 0) *a.flag = a.serial;
    });
}

// The cotangent where ReLU lets through, to the bit as in the forward sweep.
template <class T> __device__ inline T live(const NormArguments<T> &a, T scale, T shift, T x, T bar) {
    return !a.relu || multiply_add(scale, x, shift) > T(0) ? bar : T(0);
}

// Numbers of x with the cotangents of y.
template <class T, int WIDTH> struct Pairs {
    Run<T, WIDTH> x, bar;
};

// This thread's sums of g and of g (x - mean), with g the cotangent where ReLU lets through.
template <class T, int WIDTH>
__device__ inline void sums_of_pairs(const NormArguments<T> &a, double &plain, double &weighted) {
    const T scale = a.lines[4 * blockIdx.x], shift = a.lines[4 * blockIdx.x + 1];
    const double mean = a.mean[blockIdx.x];
    over_runs<WIDTH>(
        a,
        [&](long long i) {
            return Pairs<T, WIDTH>{*(const Run<T, WIDTH> *)(a.x + i), *(const Run<T, WIDTH> *)(a.y_bar + i)};
        },
        [&](const Pairs<T, WIDTH> &at) {
            for (int i = 0; i < WIDTH; i++) {
                const double g = double(live(a, scale, shift, at.x.v[i], at.bar.v[i]));
                plain += g;
                weighted += g * (double(at.x.v[i]) - mean);
            }
        });
}

// The same sums for a group.
template <class T> __device__ inline void norm_vjp_sums(const NormArguments<T> &a) {
    double plain = 0, weighted = 0;
    if (a.pixels % 4 == 0) {
        sums_of_pairs<T, 4>(a, plain, weighted);
    } else {
        sums_of_pairs<T, 1>(a, plain, weighted);
    }
    plain = block_sum(plain);
    weighted = block_sum(weighted);
    if (threadIdx.x == 0) {
        part_of_block(a)[0] = plain;
        part_of_block(a)[1] = weighted;
    }
}

// Adds to the cotangents of weight and bias of a channel, a block, and folds the constants of x_bar = a g + p x + q.
template <class T> __device__ inline void norm_vjp_lines(const NormArguments<T> &a) {
    const int c = blockIdx.x;
    const double *parts = a.parts + 2LL * c * a.number;
    const double inverse = 1.0 / sqrt(a.variance[c] + a.epsilon), count = double(a.images) * a.pixels;
    double plain = 0, weighted = 0;
    for (int i = threadIdx.x; i < a.number; i += THREADS) {
        plain += parts[2 * i];
        weighted += parts[2 * i + 1];
    }
    plain = block_sum(plain);
    const double scaled = block_sum(weighted) * inverse;
    if (threadIdx.x > 0) return;
    a.bias_bar[c] += T(plain);
    a.weight_bar[c] += T(scaled);
    const double scale = double(a.weight[c]) * inverse, p = -scale * scaled / count * inverse;
    a.lines[4 * c + 2] = T(p);
    a.lines[4 * c + 3] = T(-scale * plain / count - p * a.mean[c]);
}

// Writes the cotangent of x to y, which may be x or y_bar.
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
EXPORT_BOTH(add_norm, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp_sums, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp_lines, THREADS, NormArguments)
EXPORT_BOTH(norm_vjp, THREADS, NormArguments)
