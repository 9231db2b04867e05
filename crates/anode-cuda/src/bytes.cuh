// Converts images of bytes to numbers: padded, cropped, mirrored, and normalised by a table. One number per thread.
#pragma once
#include "common.cuh"

template <class T> struct BytesArguments {
    T *x;
    // The number that stands for each byte, [channels][256]; padding is byte 0.
    const float *values;
    // One per image: rows above its crop, columns to the left of it, whether it is mirrored; 8 bits each.
    const unsigned *crops;
    const unsigned char *pixels;
    long long count;
    int channels, height, width, padding;
};

template <class T> __device__ inline void images_of_bytes(const BytesArguments<T> &a) {
    const long long i = thread_number();
    if (i >= a.count) return;
    const int column = i % a.width, row = i / a.width % a.height;
    const long long plane = i / a.width / a.height;
    const unsigned crop = a.crops[plane / a.channels];
    const float *values = a.values + plane % a.channels * 256;
    const int seen = crop >> 16 ? a.width - 1 - column : column;
    const int y = row + int(crop & 255) - a.padding, x = seen + int(crop >> 8 & 255) - a.padding;
    const bool within = y >= 0 && y < a.height && x >= 0 && x < a.width;
    a.x[i] = T(values[within ? a.pixels[(plane * a.height + y) * a.width + x] : 0]);
}

EXPORT_BOTH(images_of_bytes, THREADS, BytesArguments)
