// The vjp of a convolution for its weights: a matrix product of cotangents with unrolled inputs, nothing unrolled into
// memory.
//
// Rows are output channels, columns are weights of a channel (input channel and tap), and the sum runs over pixels of
// all images. blockIdx.z sums a fixed group of images; a second kernel adds the groups in their order. A tile of BM by
// BN sums a block, TM by TN a thread.
#pragma once
#include "common.cuh"

constexpr int PIXELS = 16;

template <class T> struct WeightArguments {
    const T *x;
    const T *y_bar;
    T *parts;
    int images, images_a_part;
    int inputs, input_h, input_w;
    int outputs, output_h, output_w;
    int kernel_h, kernel_w, stride, padding_h, padding_w;
};

template <class T, int BM, int BN, int TM, int TN> __device__ inline void weight_vjp(const WeightArguments<T> &a) {
    constexpr int THREADS_HERE = (BM / TM) * (BN / TN), LINES = THREADS_HERE / PIXELS;
    static_assert(BM % LINES == 0 && BN % LINES == 0, "each thread reads whole lines");
    // Four more, so that the 16 pixels of a line fall into different banks.
    __shared__ __align__(16) T ys[2][PIXELS][BM + 4];
    __shared__ __align__(16) T xs[2][PIXELS][BN + 4];

    const int depth = a.inputs * a.kernel_h * a.kernel_w;
    const int first_column = blockIdx.x * BN, first_row = blockIdx.y * BM;
    const int first_image = blockIdx.z * a.images_a_part;
    const int end_image = min(first_image + a.images_a_part, a.images);
    const int t = threadIdx.x, lane = t % PIXELS, line = t / PIXELS;
    const int output_plane = a.output_h * a.output_w, input_plane = a.input_h * a.input_w;

    // The columns that this thread reads: offset in an image, row and column of the tap.
    int offsets[BN / LINES], rows[BN / LINES], columns[BN / LINES];
#pragma unroll
    for (int i = 0; i < BN / LINES; i++) {
        const int column = first_column + line + i * LINES;
        const int tap = column % (a.kernel_h * a.kernel_w), channel = column / (a.kernel_h * a.kernel_w);
        rows[i] = tap / a.kernel_w - a.padding_h;
        columns[i] = tap % a.kernel_w - a.padding_w;
        offsets[i] = channel * input_plane + rows[i] * a.input_w + columns[i];
        // No row of an image: reads as zero.
        if (column >= depth) rows[i] = -(1 << 28);
    }

    // The pixel that this thread reads.
    int image = first_image, oy = 0, ox = lane;
    auto settle = [&]() {
        while (ox >= a.output_w) {
            ox -= a.output_w;
            if (++oy == a.output_h) {
                oy = 0;
                image++;
            }
        }
    };
    settle();

    T y_read[BM / LINES], x_read[BN / LINES];
    auto read = [&]() {
        const bool exists = image < end_image;
        const T *y = a.y_bar + ((long long)image * a.outputs + first_row + line) * output_plane + oy * a.output_w + ox;
#pragma unroll
        for (int i = 0; i < BM / LINES; i++) {
            const bool inside = exists && first_row + line + i * LINES < a.outputs;
            y_read[i] = inside ? y[(long long)i * LINES * output_plane] : T(0);
        }
        const int iy = oy * a.stride, ix = ox * a.stride;
        const T *x = a.x + (long long)image * a.inputs * input_plane + iy * a.input_w + ix;
#pragma unroll
        for (int i = 0; i < BN / LINES; i++) {
            const bool inside = exists && unsigned(iy + rows[i]) < unsigned(a.input_h) &&
                                unsigned(ix + columns[i]) < unsigned(a.input_w);
            x_read[i] = inside ? x[offsets[i]] : T(0);
        }
        ox += PIXELS;
        settle();
    };
    auto write = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < BM / LINES; i++) ys[buffer][lane][line + i * LINES] = y_read[i];
#pragma unroll
        for (int i = 0; i < BN / LINES; i++) xs[buffer][lane][line + i * LINES] = x_read[i];
    };

    const int tx = t % (BN / TN), ty = t / (BN / TN);
    T sums[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sums[i][j] = T(0);

    const long long pixels = (long long)max(end_image - first_image, 0) * output_plane;
    const int steps = int((pixels + PIXELS - 1) / PIXELS);
    if (steps > 0) {
        read();
        write(0);
    }
    __syncthreads();
    for (int step = 0; step < steps; step++) {
        const int buffer = step % 2;
        const bool more = step + 1 < steps;
        if (more) read();
#pragma unroll
        for (int k = 0; k < PIXELS; k++) {
            Four<T> p[TM / 4], q[TN / 4];
#pragma unroll
            for (int g = 0; g < TM / 4; g++) p[g] = *(const Four<T> *)&ys[buffer][k][g * (4 * BM / TM) + 4 * ty];
#pragma unroll
            for (int g = 0; g < TN / 4; g++) q[g] = *(const Four<T> *)&xs[buffer][k][g * (4 * BN / TN) + 4 * tx];
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++) {
                    sums[i][j] = multiply_add(p[i / 4].v[i % 4], q[j / 4].v[j % 4], sums[i][j]);
                }
        }
        if (more) write(1 - buffer);
        __syncthreads();
    }

    T *part = a.parts + (long long)blockIdx.z * a.outputs * depth;
#pragma unroll
    for (int i = 0; i < TM; i++) {
        const int row = first_row + i / 4 * (4 * BM / TM) + 4 * ty + i % 4;
        if (row >= a.outputs) continue;
#pragma unroll
        for (int j = 0; j < TN; j++) {
            const int column = first_column + j / 4 * (4 * BN / TN) + 4 * tx + j % 4;
            if (column < depth) part[(long long)row * depth + column] = sums[i][j];
        }
    }
}

template <class T> struct AddPartsArguments {
    const T *parts;
    T *sum;
    long long count;
    int number;
};

// sum += the parts, in their order, in double precision.
template <class T> __device__ inline void add_parts(const AddPartsArguments<T> &a) {
    const long long i = thread_number();
    if (i >= a.count) return;
    double sum = 0;
    // Loads overlap; the order of the sum stays.
#pragma unroll 16
    for (int part = 0; part < a.number; part++) sum += double(a.parts[part * a.count + i]);
    a.sum[i] += T(sum);
}

EXPORT_BOTH(add_parts, THREADS, AddPartsArguments)

#define WEIGHT_VJP(NAME, T, BM, BN, TM, TN)                                                                           \
    __device__ inline void weights_##NAME##_tile(const WeightArguments<T> &a) { weight_vjp<T, BM, BN, TM, TN>(a); }   \
    EXPORT(conv_weights_##NAME, (BM / TM) * (BN / TN), WeightArguments<T>, weights_##NAME##_tile)

// Named by their height in output channels.
WEIGHT_VJP(16_f32, float, 16, 128, 4, 4)
WEIGHT_VJP(64_f32, float, 64, 64, 4, 4)
WEIGHT_VJP(128_f32, float, 128, 128, 8, 8)
WEIGHT_VJP(16_f64, double, 16, 64, 4, 4)
WEIGHT_VJP(64_f64, double, 64, 64, 4, 4)
