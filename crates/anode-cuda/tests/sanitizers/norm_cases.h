// Batch norm, its vjp and sums of channels against the formulas in double precision.
#pragma once
#include "cases.h"

namespace cases {

struct Images {
    int images, channels, pixels, images_a_part;

    size_t count() const { return size_t(images) * channels * pixels; }
    int number() const { return int(divide_up(images, images_a_part)); }
    int channel(size_t place) const { return int(place / pixels % channels); }
};

template <class T> void norm_case(const Images &s, bool relu, bool with_running, bool sums) {
    const double momentum = 0.1, epsilon = 1e-5, numbers = double(s.images) * s.pixels;
    const int c = s.channels;
    const bool odd = random.next() % 2;
    const string type = suffix<T>();
    char text[160];
    snprintf(text, sizeof text, "batch norm%s of %d images, %d channels of %d pixels, %d images per part", type.c_str(),
             s.images, c, s.pixels, s.images_a_part);
    current = text;

    Array<T> x(s.count()), y(s.count()), x_bar(s.count()), y_bar(s.count());
    Array<T> weight(c, odd), bias(c, odd), weight_bar(c, odd), bias_bar(c, odd), sum_bar(c, odd), lines(4 * c);
    Array<double> mean(c), variance(c), parts(2 * c * s.number()), running(2 * c, odd);
    x.fill(), y_bar.fill(), weight.fill(), bias.fill(), weight_bar.fill(), bias_bar.fill(), sum_bar.fill();
    running.fill();

    // The reference.
    vector<double> means(c), variances(c), plain(c), weighted(c), channel_sums = sum_bar.copy();
    vector<double> expected(s.count()), expected_bar(s.count()), expected_running = running.copy();
    for (size_t i = 0; i < s.count(); i++) {
        means[s.channel(i)] += x[i] / numbers;
        channel_sums[s.channel(i)] += x[i];
    }
    for (size_t i = 0; i < s.count(); i++) {
        const double distance = x[i] - means[s.channel(i)];
        variances[s.channel(i)] += distance * distance / numbers;
    }
    if (!sums)
        for (int k = 0; k < c; k++) means[k] = mean[k] = random.number(), variances[k] = variance[k] = 0.5 + k % 3;
    for (int k = 0; k < c; k++) {
        const double unbiased = numbers > 2 ? variances[k] * numbers / (numbers - 1) : variances[k] * numbers;
        expected_running[k] += momentum * (means[k] - expected_running[k]);
        expected_running[c + k] += momentum * (unbiased - expected_running[c + k]);
    }
    auto scale = [&](int k) { return weight[k] / std::sqrt(variances[k] + epsilon); };
    vector<double> g(s.count());
    for (size_t i = 0; i < s.count(); i++) {
        const int k = s.channel(i);
        const double value = scale(k) * (x[i] - means[k]) + bias[k];
        expected[i] = relu && value <= 0 ? 0 : value;
        g[i] = relu && value <= 0 ? 0 : y_bar[i];
        plain[k] += g[i];
        weighted[k] += g[i] * (x[i] - means[k]) / std::sqrt(variances[k] + epsilon);
    }
    for (size_t i = 0; i < s.count(); i++) {
        const int k = s.channel(i);
        const double normed = (x[i] - means[k]) / std::sqrt(variances[k] + epsilon);
        expected_bar[i] = scale(k) * (g[i] - plain[k] / numbers - normed * weighted[k] / numbers);
    }
    vector<double> expected_weight = weight_bar.copy(), expected_bias = bias_bar.copy();
    for (int k = 0; k < c; k++) expected_weight[k] += weighted[k], expected_bias[k] += plain[k];

    NormArguments<T> a{};
    a.x = x.data();
    a.epsilon = epsilon;
    a.images = s.images, a.channels = c, a.pixels = s.pixels;
    a.images_a_part = s.images_a_part, a.number = s.number();
    a.mean = mean.data(), a.variance = variance.data();
    const Grid groups{unsigned(c), unsigned(s.number())}, channels{unsigned(c)};
    const Grid all = grid_for(s.pixels % 4 == 0 ? s.count() / 4 : s.count());

    if (sums) {
        a.parts = parts.data();
        a.running = with_running ? running.data() : nullptr;
        a.momentum = momentum;
        launch("moments_of_parts" + type, groups, a);
        launch("moments" + type, channels, a);
        expect("mean", mean, means);
        expect("variance", variance, variances);
        if (with_running) expect("running statistics", running, expected_running);

        NormArguments<T> of_sums = a;
        of_sums.bias_bar = sum_bar.data();
        launch("channel_sums" + type, groups, of_sums);
        launch("add_channel_sums" + type, grid_for(c), of_sums);
        expect("sums of channels", sum_bar, channel_sums);
        a.parts = nullptr, a.running = nullptr;
    }
    a.weight = weight.data(), a.bias = bias.data(), a.lines = lines.data(), a.relu = relu;
    launch("norm_lines" + type, grid_for(c), a);
    a.y = y.data();
    launch("norm" + type, all, a);
    expect("norm", y, expected);

    if (sums) {
        a.y_bar = y_bar.data(), a.y = x_bar.data(), a.parts = parts.data();
        a.weight_bar = weight_bar.data(), a.bias_bar = bias_bar.data();
        launch("norm_vjp_sums" + type, groups, a);
        launch("norm_vjp_lines" + type, channels, a);
        launch("norm_vjp" + type, all, a);
        expect("cotangent of the weight", weight_bar, expected_weight);
        expect("cotangent of the bias", bias_bar, expected_bias);
        expect("cotangent of the input", x_bar, expected_bar);
        a.y_bar = nullptr;
    }
    // z + factor norm(x), written elsewhere and in place. If `sums`, the last number of z is infinite.
    for (bool in_place : {false, true}) {
        Array<T> z(s.count()), sum(s.count());
        Array<unsigned> flag(1);
        z.fill();
        if (sums) z[s.count() - 1] = std::numeric_limits<T>::infinity();
        vector<double> expected_sum(s.count());
        for (size_t i = 0; i < s.count(); i++) expected_sum[i] = double(z[i]) + 0.75 * expected[i];
        flag[0] = 0;
        NormArguments<T> added = a;
        added.z = z.data(), added.y = in_place ? z.data() : sum.data();
        added.factor = 0.75, added.flag = flag.data(), added.serial = 7;
        launch("add_norm" + type, all, added);
        expect("sum with the norm", in_place ? z : sum, expected_sum);
        if (comparing && flag[0] != (sums ? 7u : 0u)) machine::fail(current + ": another flag");
    }
    // In place.
    a.y = x.data();
    launch("norm" + type, all, a);
    expect("norm in place", x, expected);
}

inline void norms(int count) {
    // Planes that are not aligned for loads of four numbers.
    norm_case<float>({3, 2, 6, 2}, true, false, true);
    // More images than a block has threads.
    norm_case<float>({300, 1, 1, 300}, true, true, true);
    // Loads of four and of one number, several blocks of each kernel.
    norm_case<float>({3, 2, 300, 1}, true, true, true);
    norm_case<double>({2, 2, 300, 1}, true, false, true);
    norm_case<double>({3, 1, 257, 2}, true, true, true);
    // More channels than a block has threads; without sums, which take one block per channel.
    norm_case<double>({3, 257, 3, 3}, true, false, false);
    norm_case<float>({3, 257, 3, 3}, false, false, false);
    Dimension<int> images{{3, 1, 5}}, channels{{2, 1, 3}}, pixels{{15, 1, 6, 4, 300, 8, 77, 5}};
    Dimension<int> images_a_part{{1, 2, 5}};
    for (int i = 0; i < count; i++) {
        const Images a{images.draw(), channels.draw(), pixels.draw(), images_a_part.draw()};
        const Images b{images.draw(), channels.draw(), pixels.draw(), images_a_part.draw()};
        norm_case<float>(a, i % 2, i % 3 != 0, true);
        norm_case<double>(b, i % 2, i % 3 != 0, true);
    }
}

// add_channel_sums for several blocks of channels.
template <class T> void channel_sums_case(int channels, int number) {
    current = "sums of many channels";
    Array<T> sum(channels);
    Array<double> parts(2 * channels * number);
    sum.fill(), parts.fill();
    vector<double> expected = sum.copy();
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < number; i++) expected[c] += parts[2 * (c * number + i)];
    NormArguments<T> a{};
    a.bias_bar = sum.data(), a.parts = parts.data();
    a.channels = channels, a.number = number, a.images = number, a.images_a_part = 1, a.pixels = 1;
    launch(string("add_channel_sums") + suffix<T>(), grid_for(channels), a);
    expect("sum", sum, expected);
}

inline void many_channels() {
    channel_sums_case<float>(257, 2);
    channel_sums_case<double>(513, 1);
}

} // namespace cases
