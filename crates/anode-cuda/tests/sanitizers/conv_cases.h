// Convolutions, their vjps and linear layers against sums over all pixels and taps in double precision.
#pragma once
#include "cases.h"

namespace cases {

struct Tile {
    const char *name;
    int across, channels;
};

// Written from the sources: CONVOLUTION_TILES and WEIGHT_TILES.
#include "tiles.h"

struct Convolution {
    int images, inputs, height, width, outputs, kernel_h, kernel_w, stride, padding_h, padding_w;

    int out_height() const { return (height + 2 * padding_h - kernel_h) / stride + 1; }
    int out_width() const { return (width + 2 * padding_w - kernel_w) / stride + 1; }
    int taps() const { return kernel_h * kernel_w; }
    size_t input() const { return size_t(images) * inputs * height * width; }
    size_t output() const { return size_t(images) * outputs * out_height() * out_width(); }
    size_t weights() const { return size_t(outputs) * inputs * taps(); }

    string text() const {
        char text[160];
        snprintf(text, sizeof text, ", %d images %d x %d x %d to %d channels, kernel %d x %d, stride %d, padding %d %d",
                 images, inputs, height, width, outputs, kernel_h, kernel_w, stride, padding_h, padding_w);
        return text;
    }

    // Calls f(input, weight, output) for every product of the convolution.
    template <class F> void products(F f) const {
        const int oh = out_height(), ow = out_width();
        for (int n = 0; n < images; n++)
            for (int o = 0; o < outputs; o++)
                for (int c = 0; c < inputs; c++)
                    for (int ky = 0; ky < kernel_h; ky++)
                        for (int kx = 0; kx < kernel_w; kx++)
                            for (int v = 0; v < oh; v++)
                                for (int u = 0; u < ow; u++) {
                                    const int y = v * stride + ky - padding_h, x = u * stride + kx - padding_w;
                                    if (y < 0 || x < 0 || y >= height || x >= width) continue;
                                    f(((size_t(n) * inputs + c) * height + y) * width + x,
                                      (size_t(o) * inputs + c) * taps() + ky * kernel_w + kx,
                                      ((size_t(n) * outputs + o) * oh + v) * ow + u);
                                }
    }
};

// Draws shapes. All tiles share the dimensions, so that few shapes per tile draw every value.
struct Shapes {
    Dimension<std::pair<int, int>> kernel{{{3, 3}, {1, 1}, {2, 3}, {5, 5}, {1, 3}}};
    Dimension<std::pair<int, int>> image{{{9, 11}, {3, 5}, {1, 1}, {7, 6}, {8, 8}}};
    Dimension<int> stride{{1, 2, 3}}, padding{{0, 1, 2}}, images{{3, 1}}, narrow{{1, 3, 9, 17}}, beside{{-1, 0, 1, 2}};

    // The channels that the tile divides are next to its width, or a single one; the others are few.
    Convolution draw(const Tile &tile, bool wide_inputs) {
        const auto [kh, kw] = kernel.draw();
        const auto [h, w] = image.draw();
        const int s = stride.draw(), n = images.draw(), few = narrow.draw(), more = beside.draw(), p = padding.draw();
        Convolution c{n, few, h, w, more == 2 ? 1 : tile.channels + more, kh, kw, s, kh / 2, kw / 2};
        if (wide_inputs) std::swap(c.inputs, c.outputs);
        // No padding if the kernel fits without, and uneven padding.
        if (p == 0 && kh <= h && kw <= w) c.padding_h = c.padding_w = 0;
        if (p == 2) c.padding_h = 2, c.padding_w = kw / 2 + 1;
        return c;
    }
};

template <class T> void convolve_case(const Tile &tile, const Convolution &c, bool turned) {
    const string kernel = string(turned ? "conv_turned_" : "conv_") + tile.name;
    current = kernel + c.text();
    const int target_h = turned ? c.height : c.out_height(), target_w = turned ? c.width : c.out_width();
    const int sources = turned ? c.outputs : c.inputs, targets = turned ? c.inputs : c.outputs;
    const int padded_sources = int(multiple(sources, 8)), packed_targets = int(multiple(targets, tile.channels));
    const bool odd = random.next() % 2, with_bias = !turned && random.next() % 2;

    Array<T> x(turned ? c.output() : c.input()), y(turned ? c.input() : c.output());
    Array<T> w(c.weights(), odd), bias(targets, odd), packed(size_t(c.taps()) * padded_sources * packed_targets);
    x.fill(), w.fill(), bias.fill();
    if (turned) y.fill();

    vector<double> expected(y.size()), expected_packed(packed.size());
    if (turned) expected = y.copy();
    if (with_bias)
        for (size_t i = 0; i < y.size(); i++) expected[i] = bias[i / (target_h * target_w) % targets];
    c.products([&](size_t input, size_t weight, size_t output) {
        expected[turned ? input : output] += double(x[turned ? output : input]) * double(w[weight]);
    });
    for (int tap = 0; tap < c.taps(); tap++)
        for (int o = 0; o < c.outputs; o++)
            for (int i = 0; i < c.inputs; i++) {
                const size_t at = (size_t(tap) * padded_sources + (turned ? o : i)) * packed_targets + (turned ? i : o);
                expected_packed[at] = w[(size_t(o) * c.inputs + i) * c.taps() + tap];
            }

    const PackArguments<T> pack{w.data(), packed.data(),  c.outputs,      c.inputs,
                                c.taps(), padded_sources, packed_targets, turned};
    launch(string("pack") + suffix<T>(), grid_for(packed.size()), pack);
    expect("packed weights", packed, expected_packed);

    const ConvArguments<T> arguments{x.data(),
                                     packed.data(),
                                     with_bias ? bias.data() : nullptr,
                                     y.data(),
                                     c.images,
                                     sources,
                                     turned ? c.out_height() : c.height,
                                     turned ? c.out_width() : c.width,
                                     targets,
                                     target_h,
                                     target_w,
                                     c.kernel_h,
                                     c.kernel_w,
                                     c.stride,
                                     c.padding_h,
                                     c.padding_w,
                                     packed_targets,
                                     turned};
    const int step = turned ? c.stride : 1;
    const integer pixels = c.images * divide_up(target_h, step) * divide_up(target_w, step);
    const Grid grid{unsigned(divide_up(pixels, tile.across)), unsigned(packed_targets / tile.channels),
                    unsigned(step * step)};
    launch(kernel, grid, arguments);
    expect("result", y, expected);
}

template <class T> void weights_case(const Tile &tile, const Convolution &c, int images_a_part) {
    const string kernel = string("conv_weights_") + tile.name;
    current = kernel + c.text();
    const integer depth = c.inputs * c.taps(), number = divide_up(c.images, images_a_part);
    Array<T> x(c.input()), y_bar(c.output()), parts(number * c.weights()), sum(c.weights(), random.next() % 2);
    x.fill(), y_bar.fill(), sum.fill();
    vector<double> expected = sum.copy();
    c.products([&](size_t input, size_t weight, size_t output) {
        expected[weight] += double(x[input]) * double(y_bar[output]);
    });

    const WeightArguments<T> arguments{x.data(),   y_bar.data(),   parts.data(),    c.images,   images_a_part, c.inputs,
                                       c.height,   c.width,        c.outputs,       c.out_height(), c.out_width(),
                                       c.kernel_h, c.kernel_w,     c.stride,        c.padding_h,    c.padding_w};
    const Grid grid{unsigned(divide_up(depth, tile.across)), unsigned(divide_up(c.outputs, tile.channels)),
                    unsigned(number)};
    launch(kernel, grid, arguments);
    const AddPartsArguments<T> add{parts.data(), sum.data(), integer(c.weights()), int(number)};
    launch(string("add_parts") + suffix<T>(), grid_for(c.weights()), add);
    expect("cotangent of the weights", sum, expected);
}

inline bool is_single(const Tile &tile) { return string(tile.name).find("_f32") != string::npos; }

// As many shapes per tile as `count`, and a linear layer: a convolution of images of one pixel.
inline void convolutions(int count) {
    auto one = [](const Tile &tile, const Convolution &c, bool turned) {
        is_single(tile) ? convolve_case<float>(tile, c, turned) : convolve_case<double>(tile, c, turned);
    };
    Shapes shapes;
    for (const Tile &tile : CONVOLUTION_TILES)
        for (const bool turned : {false, true}) {
            for (int i = 0; i < count; i++) one(tile, shapes.draw(tile, turned), turned);
            one(tile, {17, 20, 1, 1, 10, 1, 1, 1, 0, 0}, turned);
            // More pixels than any tile has.
            one(tile, {3, 2, 9, 11, 3, 1, 3, 1, 0, 1}, turned);
        }
}

inline void weights(int count) {
    auto one = [](const Tile &tile, const Convolution &c, int images_a_part) {
        is_single(tile) ? weights_case<float>(tile, c, images_a_part) : weights_case<double>(tile, c, images_a_part);
    };
    Shapes shapes;
    Dimension<int> images_a_part{{1, 2, 3}};
    for (const Tile &tile : WEIGHT_TILES) {
        for (int i = 0; i < count; i++) one(tile, shapes.draw(tile, false), images_a_part.draw());
        one(tile, {17, 20, 1, 1, 10, 1, 1, 1, 0, 0}, 9);
        // More weights per channel than any tile has.
        one(tile, {3, 17, 3, 5, 5, 3, 3, 1, 1, 1}, 2);
    }
}

} // namespace cases
