// Pooling against the definition: the mean or the first maximum of each window.
#pragma once
#include "cases.h"

namespace cases {

template <class T> void pool_case(int planes, int height, int width, int window) {
    const string type = suffix<T>();
    char text[120];
    snprintf(text, sizeof text, "pooling%s of %d planes %d x %d, window %d", type.c_str(), planes, height, width,
             window);
    current = text;
    const int out_height = height / window, out_width = width / window;
    const size_t inputs = size_t(planes) * height * width, windows = size_t(planes) * out_height * out_width;
    Array<T> x(inputs), y(windows), most(windows), y_bar(windows), average_bar(inputs), most_bar(inputs);
    x.fill(), y_bar.fill(), average_bar.fill(), most_bar.fill();
    // Few different values, so that windows have several maxima, and a NaN.
    for (size_t i = 0; i < inputs; i++) x[i] = T(std::floor(3 * double(x[i])));
    x[inputs / 2] = std::numeric_limits<T>::quiet_NaN();

    vector<double> averages(windows), maxima(windows);
    vector<double> expected_average = average_bar.copy(), expected_most = most_bar.copy();
    for (size_t i = 0; i < windows; i++) {
        const size_t plane = i / (out_height * out_width);
        const size_t v = i / out_width % out_height * window, u = i % out_width * window;
        size_t found = (plane * height + v) * width + u;
        for (int ky = 0; ky < window; ky++)
            for (int kx = 0; kx < window; kx++) {
                const size_t place = (plane * height + v + ky) * width + u + kx;
                averages[i] += double(x[place]) / (window * window);
                expected_average[place] += double(y_bar[i]) / (window * window);
                const bool first_nan = x[place] != x[place] && x[found] == x[found];
                if (x[place] > x[found] || first_nan) found = place;
            }
        maxima[i] = x[found];
        expected_most[found] += y_bar[i];
    }

    const Grid grid = grid_for(windows);
    PoolArguments<T> a{};
    a.windows = integer(windows);
    a.height = height, a.width = width, a.out_height = out_height, a.out_width = out_width, a.window = window;
    auto run = [&](const char *kernel, const T *x, T *y, const T *y_bar, T *x_bar) {
        a.x = x, a.y = y, a.y_bar = y_bar, a.x_bar = x_bar;
        launch(kernel + type, grid, a);
    };
    run("average_pool", x.data(), y.data(), nullptr, nullptr);
    run("average_pool_vjp", nullptr, nullptr, y_bar.data(), average_bar.data());
    run("max_pool", x.data(), most.data(), nullptr, nullptr);
    run("max_pool_vjp", x.data(), nullptr, y_bar.data(), most_bar.data());
    expect("averages", y, averages);
    expect("cotangent of averages", average_bar, expected_average);
    expect("maxima", most, maxima);
    expect("cotangent of maxima", most_bar, expected_most);
}

inline void pools(int count) {
    Dimension<int> planes{{1, 3, 6}}, height{{7, 3, 4, 9}}, width{{6, 5, 3}}, window{{2, 1, 3}};
    for (int i = 0; i < count; i++) {
        const int n = planes.draw(), h = height.draw(), w = width.draw(), k = window.draw();
        pool_case<float>(n, h, w, k);
        pool_case<double>(n, h, w, k);
    }
    pool_case<float>(13, 9, 11, 2);
    pool_case<double>(13, 9, 11, 2);
    pool_case<double>(1, 1, 1, 1);
}

} // namespace cases
