// Images of bytes against the definition: a crop out of each padded image, mirrored, byte by byte from a table.
#pragma once
#include "cases.h"

namespace cases {

template <class T> void bytes_case(int images, int channels, int height, int width, int padding) {
    const string type = suffix<T>();
    char text[120];
    snprintf(text, sizeof text, "bytes%s of %d x %d x %d x %d, padding %d", type.c_str(), images, channels, height,
             width, padding);
    current = text;
    const size_t count = size_t(images) * channels * height * width;
    Array<T> x(count);
    Array<float> values(size_t(channels) * 256);
    values.fill();
    Array<unsigned> crops(images);
    Array<unsigned char> pixels(count);
    for (size_t i = 0; i < count; i++) pixels[i] = (unsigned char)(random.next() >> 20);
    vector<double> expected;
    for (int i = 0; i < images; i++) {
        const int top = random.next() % (2 * padding + 1), left = random.next() % (2 * padding + 1);
        const bool mirrored = random.next() >> 40 & 1;
        crops[i] = unsigned(top | left << 8 | int(mirrored) << 16);
        for (int c = 0; c < channels; c++)
            for (int row = 0; row < height; row++)
                for (int column = 0; column < width; column++) {
                    const int v = row + top - padding;
                    const int u = (mirrored ? width - 1 - column : column) + left - padding;
                    const bool black = v < 0 || v >= height || u < 0 || u >= width;
                    const int byte = black ? 0 : pixels[((size_t(i) * channels + c) * height + v) * width + u];
                    expected.push_back(values[c * 256 + byte]);
                }
    }
    const BytesArguments<T> a{x.data(), values.data(), crops.data(), pixels.data(), integer(count), channels, height,
                              width,    padding};
    launch("images_of_bytes" + type, grid_for(integer(count)), a);
    expect("numbers", x, expected);
}

inline void bytes(int count) {
    Dimension<int> images{{3, 1, 2}}, channels{{3, 1}}, height{{7, 1, 4}}, width{{5, 8, 1}}, padding{{4, 0, 1}};
    for (int i = 0; i < count; i++) {
        const int n = images.draw(), c = channels.draw(), h = height.draw(), w = width.draw(), p = padding.draw();
        bytes_case<float>(n, c, h, w, p);
        bytes_case<double>(n, c, h, w, p);
    }
    bytes_case<float>(3, 3, 9, 11, 2);
    bytes_case<double>(3, 3, 9, 11, 2);
}

} // namespace cases
