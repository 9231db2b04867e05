// Vectors, reductions, activations and dense products against their formulas.
#pragma once
#include "cases.h"

namespace cases {

template <class T> void elementwise_case(integer count) {
    const string type = suffix<T>();
    const double s = 0.75;
    struct Operation {
        const char *kernel;
        bool reads_y, reads_x, reads_z;
        double (*value)(double s, double y, double x, double z);
    };
    const Operation operations[] = {
        {"axpy", true, true, false, [](double s, double y, double x, double) { return y + s * x; }},
        {"set_scaled", false, true, false, [](double s, double, double x, double) { return s * x; }},
        {"scale", true, false, false, [](double s, double y, double, double) { return s * y; }},
        {"relu", false, true, false, [](double, double, double x, double) { return x <= 0 ? 0 : x; }},
        {"add_relu", true, true, false, [](double, double y, double x, double) { return y + x <= 0 ? 0 : y + x; }},
        {"masked", false, true, true, [](double, double, double x, double z) { return x > 0 ? z : 0; }},
    };
    for (const Operation &operation : operations) {
        current = operation.kernel + type + " of " + std::to_string(count);
        // The last number is finite, infinite, or finite without a flag.
        for (int kind = 0; kind < 3; kind++) {
            Array<T> y(count), x(count), z(count);
            x.fill(), z.fill();
            if (operation.reads_y) y.fill();
            if (kind == 1) {
                const T infinity = std::numeric_limits<T>::infinity();
                (operation.reads_z ? z : operation.reads_x ? x : y)[count - 1] = infinity;
                if (operation.reads_z) x[count - 1] = 1;
            }
            vector<double> expected(count);
            for (integer i = 0; i < count; i++) expected[i] = operation.value(s, y[i], x[i], z[i]);
            Array<unsigned> flag(1);
            flag[0] = 0;
            const VectorArguments<T> a{y.data(), operation.reads_x ? x.data() : nullptr,
                                       operation.reads_z ? z.data() : nullptr, count, s,
                                       kind < 2 ? flag.data() : nullptr, 7};
            launch(operation.kernel + type, grid_for(divide_up(count, 4)), a);
            expect("result", y, expected);
            expect("flag", flag, {kind == 1 ? 7.0 : 0.0});
        }
    }
    current = "look" + type + " at " + std::to_string(count);
    for (const bool finite : {true, false}) {
        Array<T> x(count);
        x.fill();
        if (!finite) x[count / 2] = std::numeric_limits<T>::quiet_NaN();
        Array<unsigned> flag(1);
        flag[0] = 0;
        const VectorArguments<T> a{nullptr, x.data(), nullptr, count, 0, flag.data(), 9};
        launch("look" + type, grid_for(divide_up(count, 4)), a);
        expect("flag", flag, {finite ? 0.0 : 9.0});
    }
}

// Threads that find non-finite numbers write the same value to one flag without synchronization, which
// ThreadSanitizer reports. This is on purpose, so only the result is checked.
template <class T> void many_infinities_case(integer count) {
    current = string("a flag that many threads set") + suffix<T>();
    Array<T> x(count);
    for (integer i = 0; i < count; i++) x[i] = std::numeric_limits<T>::infinity();
    Array<unsigned> flag(1);
    flag[0] = 0;
    const VectorArguments<T> a{nullptr, x.data(), nullptr, count, 0, flag.data(), 9};
    launch(string("look") + suffix<T>(), grid_for(divide_up(count, 4)), a);
    expect("flag", flag, {9.0});
}

inline void join(const char *kernel, Array<double> &parts, double expected) {
    Array<double> sum(1);
    const SumArguments a{parts.data(), sum.data(), integer(parts.size())};
    launch(kernel, {}, a);
    expect(kernel, sum, {expected});
}

template <class T> void reductions_case(integer count, integer count_a_part) {
    const string type = suffix<T>();
    current = "reductions" + type + " of " + std::to_string(count) + ", " + std::to_string(count_a_part) + " per part";
    const double smallest = 0.1, share = 0.5;
    Array<T> x(count), y(count), z(count);
    x.fill(), y.fill(), z.fill();
    const integer number = divide_up(count, count_a_part);
    vector<double> dots(number), squares(number), most(number);
    double all_dots = 0, all_squares = 0, all_most = 0;
    for (integer i = 0; i < count; i++) {
        const integer part = i / count_a_part;
        const double larger = std::fmax(std::fabs(y[i]), std::fabs(z[i]));
        const double ratio = x[i] / (smallest + share * larger);
        dots[part] += double(x[i]) * double(y[i]);
        squares[part] += ratio * ratio;
        most[part] = std::fmax(most[part], std::fabs(x[i]) / std::fmax(larger, smallest));
        all_most = std::fmax(all_most, most[part]);
    }
    for (integer i = 0; i < number; i++) all_dots += dots[i], all_squares += squares[i];

    Array<double> parts(number);
    const Grid grid{unsigned(number)};
    const DotArguments<T> dot{x.data(), y.data(), parts.data(), count, count_a_part};
    launch("dot" + type, grid, dot);
    expect("dot", parts, dots);
    join("sum_parts", parts, all_dots);
    const WeightedArguments<T> weighted{x.data(), y.data(),     z.data(), parts.data(),
                                        count,    count_a_part, smallest, share};
    launch("weighted_squares" + type, grid, weighted);
    expect("weighted squares", parts, squares);
    join("sum_parts", parts, all_squares);
    launch("weighted_most" + type, grid, weighted);
    expect("largest ratio", parts, most);
    join("most_parts", parts, all_most);
}

template <class T> void activation_case(int activation, integer count) {
    const string type = suffix<T>();
    current = "activation " + std::to_string(activation) + type + " of " + std::to_string(count);
    const double s = -0.5;
    Array<T> value(count), x(count), bar(count);
    x.fill(), bar.fill();
    vector<double> expected(count), expected_bar(count);
    for (integer i = 0; i < count; i++) {
        // Both ends of the range, where exponentials overflow or vanish.
        x[i] = value[i] = i % 7 == 6 ? T(i % 2 ? 300 : -300) : T(3 * double(x[i]));
        const double z = x[i];
        double f = z, slope = 1;
        switch (activation) {
        case RELU: f = z > 0 ? z : 0, slope = z > 0; break;
        case LEAKY_RELU: f = z > 0 ? z : 0.01 * z, slope = z > 0 ? 1 : 0.01; break;
        case SOFTPLUS: f = std::fmax(z, 0) + std::log1p(std::exp(-std::fabs(z))), slope = 1 / (1 + std::exp(-z)); break;
        case TANH: f = std::tanh(z), slope = 1 - f * f; break;
        }
        expected[i] = s * f;
        expected_bar[i] = s * slope * bar[i];
    }
    const ActivationArguments<T> forward{value.data(), nullptr, count, s, activation};
    launch("activate" + type, grid_for(count), forward);
    expect("value", value, expected);
    const ActivationArguments<T> backward{bar.data(), x.data(), count, s, activation};
    launch("activate_vjp" + type, grid_for(count), backward);
    expect("cotangent", bar, expected_bar);
}

template <class T> void descent_case(integer count, integer decaying) {
    const string type = suffix<T>();
    current = "descend" + type + " of " + std::to_string(count) + ", " + std::to_string(decaying) + " decay";
    const double rate = 0.25, momentum = 0.875, decay = 0.125;
    Array<T> theta(count), velocity(count), gradient(count);
    theta.fill(), velocity.fill(), gradient.fill();
    vector<double> moved(count), moving(count);
    for (integer i = 0; i < count; i++) {
        const double slope = gradient[i] + (i < decaying ? decay * theta[i] : 0);
        moving[i] = slope + momentum * velocity[i];
        moved[i] = theta[i] - rate * moving[i];
    }
    const DescentArguments<T> a{theta.data(), velocity.data(), gradient.data(), count, decaying, rate, momentum, decay};
    launch("descend" + type, grid_for(divide_up(count, 4)), a);
    expect("theta", theta, moved);
    expect("velocity", velocity, moving);
}

template <class T> void dense_case(int rows, int columns) {
    const string type = suffix<T>();
    current = "dense" + type + " of " + std::to_string(rows) + " x " + std::to_string(columns);
    Array<T> w(size_t(rows) * columns), x(columns), y(rows), y_bar(rows), x_bar(columns), w_bar(size_t(rows) * columns);
    w.fill(), x.fill(), y_bar.fill(), x_bar.fill(), w_bar.fill();
    vector<double> expected(rows), expected_x = x_bar.copy(), expected_w = w_bar.copy();
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            expected[i] += double(w[i * columns + j]) * double(x[j]);
            expected_x[j] += double(w[i * columns + j]) * double(y_bar[i]);
            expected_w[i * columns + j] += double(y_bar[i]) * double(x[j]);
        }
    DenseArguments<T> a{w.data(), x.data(), y.data(), nullptr, nullptr, nullptr, rows, columns};
    launch("dense" + type, {unsigned(rows)}, a);
    expect("product", y, expected);
    a.y = nullptr, a.y_bar = y_bar.data(), a.x_bar = x_bar.data(), a.w_bar = w_bar.data();
    launch("dense_vjp_input" + type, grid_for(columns), a);
    launch("dense_vjp_weights" + type, grid_for(w.size()), a);
    expect("cotangent of the vector", x_bar, expected_x);
    expect("cotangent of the matrix", w_bar, expected_w);
}

inline void vectors(int count) {
    Dimension<integer> lengths{{1027, 1, 5, 4, 1024, 3, 2}};
    for (int i = 0; i < (count + 1) / 2; i++) {
        const integer n = lengths.draw();
        elementwise_case<float>(n);
        elementwise_case<double>(n);
    }
    elementwise_case<float>(2050);
    elementwise_case<double>(2050);
}

inline void reductions(int count) {
    Dimension<integer> lengths{{1027, 1, 5, 256, 3}}, parts{{300, 1027, 255, 77}};
    for (int i = 0; i < (count + 1) / 2; i++) {
        const integer n = lengths.draw(), part = parts.draw();
        reductions_case<float>(n, part);
        reductions_case<double>(n, part);
    }
    reductions_case<float>(1000, 300);
    reductions_case<double>(1000, 300);
    // More parts than a block has threads.
    current = "parts of a sum";
    Array<double> many(600);
    many.fill();
    double sum = 0, most = 0;
    for (int i = 0; i < 600; i++) sum += many[i], most = std::fmax(most, many[i]);
    join("sum_parts", many, sum);
    join("most_parts", many, most);
}

inline void activations(int count) {
    Dimension<integer> lengths{{300, 1, 15}};
    for (int i = 0; i < std::max(1, count / 4); i++) {
        const integer n = i == 0 ? 300 : lengths.draw();
        for (int activation = NONE; activation <= TANH; activation++) {
            activation_case<float>(activation, n);
            activation_case<double>(activation, n);
        }
    }
}

inline void descents(int count) {
    Dimension<integer> lengths{{1030, 1, 4, 15}};
    for (int i = 0; i < std::max(1, count / 4); i++) {
        const integer n = i == 0 ? 1030 : lengths.draw();
        for (const integer decaying : {integer(0), n / 2, n}) {
            descent_case<float>(n, decaying);
            descent_case<double>(n, decaying);
        }
    }
}

inline void dense_products(int count) {
    Dimension<int> rows{{3, 1, 5}}, columns{{301, 1, 5, 17}};
    for (int i = 0; i < count; i++) {
        const int r = rows.draw(), c = columns.draw();
        dense_case<float>(r, c);
        dense_case<double>(r, c);
    }
    dense_case<float>(3, 257);
    dense_case<double>(3, 257);
}

} // namespace cases
