// Convolution by implicit matrix product: nothing is unrolled into memory. Each block computes one tile of BM pixels by
// BN channels of the target image, TM by TN of them in the registers of each thread. The sum runs over taps, and over
// source channels in each.
//
// The same kernel computes the output from the input (TURNED = false) and the cotangent of the input from that of the
// output (TURNED = true). There, for a stride of s, blockIdx.z numbers the s * s classes of pixels that the same taps
// reach.
//
// Per step of DEPTH source channels a thread of the 256 x 64 or 128 x 128 tile does 512 multiply-adds for 32 shared
// loads and 9 global ones, with 2 blocks of 256 threads on a multiprocessor (20 KB shared, at most 128 registers).
// Measured on an H200 for 3 x 3 kernels and batch 256: 29 to 37 TFLOP/s for 64 to 512 channels, of a peak of 67 in
// single precision.
#pragma once
#include "common.cuh"

constexpr int DEPTH = 8;

template <class T> struct ConvArguments {
    const T *x;
    // Packed: [tap][source channel, to a multiple of DEPTH][target channel, to a multiple of the tile].
    const T *w;
    const T *bias;
    T *y;
    int images;
    int sources, source_h, source_w;
    int targets, target_h, target_w;
    int kernel_h, kernel_w, stride, padding_h, padding_w;
    int packed_targets;
    // Whether to add to y.
    int add;
};

// Pixels of the target image that one block's class holds, in their order.
struct PixelClass {
    int first_y, first_x, step, height, width;

    template <class T> __device__ PixelClass(const ConvArguments<T> &a, bool turned) {
        step = turned ? a.stride : 1;
        first_y = blockIdx.z / step;
        first_x = blockIdx.z % step;
        height = a.target_h > first_y ? (a.target_h - first_y + step - 1) / step : 0;
        width = a.target_w > first_x ? (a.target_w - first_x + step - 1) / step : 0;
    }
};

template <class T, int BM, int BN, int TM, int TN, bool TURNED>
__device__ inline void convolve(const ConvArguments<T> &a) {
    constexpr int THREADS_HERE = (BM / TM) * (BN / TN);
    static_assert(THREADS_HERE % BM == 0 && DEPTH % (THREADS_HERE / BM) == 0, "each thread reads one pixel");
    static_assert(DEPTH * BN / 4 <= THREADS_HERE && TM % 4 == 0 && TN % 4 == 0, "weights are read by fours");
    constexpr int READS = DEPTH * BM / THREADS_HERE;
    __shared__ __align__(16) T xs[2][DEPTH][BM];
    __shared__ __align__(16) T ws[2][DEPTH][BN];

    const PixelClass pixels(a, TURNED);
    const int a_image = pixels.height * pixels.width;
    const int total = a.images * a_image;
    const int t = threadIdx.x, first_pixel = blockIdx.x * BM, first_target = blockIdx.y * BN;
    if (first_pixel >= total) return;
    const int source_plane = a.source_h * a.source_w;

    // The pixel whose sources this thread reads.
    const int own = first_pixel + t % BM, row = t / BM * READS;
    const bool exists = own < total;
    const int image = own / a_image, place = own % a_image;
    const int y = pixels.first_y + place / pixels.width * pixels.step;
    const int x = pixels.first_x + place % pixels.width * pixels.step;
    const T *source = a.x + (long long)(exists ? image : 0) * a.sources * source_plane;

    const int padded_sources = (a.sources + DEPTH - 1) / DEPTH * DEPTH;
    int tap = -1, channel = padded_sources;
    bool seen = false;
    const T *from = source;

    // Goes to the next DEPTH channels, or to the next tap that reaches this class; false at the end.
    auto next = [&]() {
        channel += DEPTH;
        if (channel < padded_sources) return true;
        for (;;) {
            if (++tap == a.kernel_h * a.kernel_w) return false;
            const int ky = tap / a.kernel_w, kx = tap % a.kernel_w;
            int v, u;
            if (TURNED) {
                const bool missed_y = (pixels.first_y + a.padding_h - ky) % a.stride != 0;
                if (missed_y || (pixels.first_x + a.padding_w - kx) % a.stride) continue;
                v = y + a.padding_h - ky;
                u = x + a.padding_w - kx;
                seen = v >= 0 && u >= 0;
                v /= a.stride;
                u /= a.stride;
            } else {
                v = y * a.stride + ky - a.padding_h;
                u = x * a.stride + kx - a.padding_w;
                seen = v >= 0 && u >= 0;
            }
            seen = seen && exists && v < a.source_h && u < a.source_w;
            from = source + (seen ? v * a.source_w + u : 0);
            channel = 0;
            return true;
        }
    };

    T x_read[READS];
    Four<T> w_read;
    const int w_row = t / (BN / 4), w_column = t % (BN / 4) * 4;
    auto read = [&]() {
#pragma unroll
        for (int i = 0; i < READS; i++) {
            const int c = channel + row + i;
            x_read[i] = seen && c < a.sources ? from[(long long)c * source_plane] : T(0);
        }
        if (w_row < DEPTH) {
            const long long at = (long long)(tap * padded_sources + channel + w_row) * a.packed_targets;
            w_read = *(const Four<T> *)(a.w + at + first_target + w_column);
        }
    };
    auto write = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < READS; i++) xs[buffer][row + i][t % BM] = x_read[i];
        if (w_row < DEPTH) *(Four<T> *)&ws[buffer][w_row][w_column] = w_read;
    };

    // This thread's tile: groups of four pixels and four channels.
    const int tx = t % (BM / TM), ty = t / (BM / TM);
    T sums[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sums[i][j] = T(0);

    bool more = next();
    int buffer = 0;
    if (more) {
        read();
        write(0);
    }
    __syncthreads();
    while (more) {
        more = next();
        if (more) read();
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            Four<T> p[TM / 4], q[TN / 4];
#pragma unroll
            for (int g = 0; g < TM / 4; g++) p[g] = *(const Four<T> *)&xs[buffer][k][g * (4 * BM / TM) + 4 * tx];
#pragma unroll
            for (int g = 0; g < TN / 4; g++) q[g] = *(const Four<T> *)&ws[buffer][k][g * (4 * BN / TN) + 4 * ty];
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++) {
                    sums[i][j] = multiply_add(p[i / 4].v[i % 4], q[j / 4].v[j % 4], sums[i][j]);
                }
        }
        buffer ^= 1;
        if (more) write(buffer);
        __syncthreads();
    }

    const long long target_plane = (long long)a.target_h * a.target_w;
    const bool by_fours = pixels.step == 1 && target_plane % 4 == 0;
#pragma unroll
    for (int g = 0; g < TM / 4; g++) {
        const int start = first_pixel + g * (4 * BM / TM) + 4 * tx;
        long long places[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int pixel = start + i, n = pixel / a_image, at = pixel % a_image;
            const long long v = pixels.first_y + at / pixels.width * pixels.step;
            const long long u = pixels.first_x + at % pixels.width * pixels.step;
            places[i] = pixel < total ? n * a.targets * target_plane + v * a.target_w + u : -1;
        }
#pragma unroll
        for (int j = 0; j < TN; j++) {
            const int c = first_target + j / 4 * (4 * BN / TN) + 4 * ty + j % 4;
            if (c >= a.targets) continue;
            const T bias = a.bias ? a.bias[c] : T(0);
            if (by_fours && places[3] >= 0) {
                Four<T> *out = (Four<T> *)(a.y + places[0] + c * target_plane);
                Four<T> sum;
                if (a.add) sum = *out;
#pragma unroll
                for (int i = 0; i < 4; i++) sum.v[i] = (a.add ? sum.v[i] : bias) + sums[4 * g + i][j];
                *out = sum;
            } else {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    if (places[i] < 0) continue;
                    T *out = a.y + places[i] + c * target_plane;
                    *out = (a.add ? *out : bias) + sums[4 * g + i][j];
                }
            }
        }
    }
}

template <class T> struct PackArguments {
    const T *w;
    T *packed;
    int outputs, inputs, taps;
    // Sizes of the packed weights; the target is the input where turned.
    int padded_sources, packed_targets;
    int turned;
};

// [output][input][tap] -> [tap][source][target], zeros around.
template <class T> __device__ inline void pack(const PackArguments<T> &a) {
    long long i = thread_number();
    if (i >= (long long)a.taps * a.padded_sources * a.packed_targets) return;
    int target = i % a.packed_targets, source = i / a.packed_targets % a.padded_sources;
    int tap = i / a.packed_targets / a.padded_sources;
    int output = a.turned ? source : target, input = a.turned ? target : source;
    bool exists = output < a.outputs && input < a.inputs;
    a.packed[i] = exists ? a.w[((long long)output * a.inputs + input) * a.taps + tap] : T(0);
}

EXPORT_BOTH(pack, THREADS, PackArguments)

// The tiles, named by their width in channels. In double precision a number takes two registers, so tiles are half as
// large.
#define CONVOLVE(NAME, T, BM, BN, TM, TN)                                                                             \
    template <bool TURNED> __device__ inline void conv_tile_##NAME(const ConvArguments<T> &a) {                       \
        convolve<T, BM, BN, TM, TN, TURNED>(a);                                                                       \
    }                                                                                                                 \
    EXPORT(conv_##NAME, (BM / TM) * (BN / TN), ConvArguments<T>, conv_tile_##NAME<false>)                             \
    EXPORT(conv_turned_##NAME, (BM / TM) * (BN / TN), ConvArguments<T>, conv_tile_##NAME<true>)

CONVOLVE(16_f32, float, 128, 16, 4, 4)
CONVOLVE(32_f32, float, 128, 32, 4, 4)
CONVOLVE(64_f32, float, 256, 64, 8, 8)
CONVOLVE(128_f32, float, 128, 128, 8, 8)
CONVOLVE(16_f64, double, 128, 16, 4, 4)
CONVOLVE(64_f64, double, 64, 64, 4, 4)
