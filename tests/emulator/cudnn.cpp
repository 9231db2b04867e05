// cuDNN's convolutions on a CPU, as plain loops, behind the functions of cuDNN that the program calls. It offers first
// the algorithms that a program must not take, checks all arguments, and counts the calls of each algorithm.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1001, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
enum Math { ANY = 0, TENSOR_OP = 1, TENSOR_OP_CONVERTED = 2, FUSED = 3 };
constexpr size_t WORKSPACE = 1000, TOO_LARGE = size_t(1) << 40;

struct Tensor {
    int type = -1, n = 0, c = 0, h = 0, w = 0;
};

struct Convolution {
    int pad_h, pad_w, stride_h, stride_w, type, math = ANY;
};

struct Context {
    int number = 42;
};

struct Expectation {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math, reserved[3];
};

// What every sweep offers, the fastest first.
constexpr Expectation OFFERED[] = {
    {2, NOT_SUPPORTED, -1, 0, 1, FUSED, {}},
    {4, SUCCESS, 1, TOO_LARGE, 1, FUSED, {}},
    {5, SUCCESS, 2, WORKSPACE, 1, TENSOR_OP_CONVERTED, {}},
    {0, SUCCESS, 3, WORKSPACE, 0, TENSOR_OP, {}},
    {6, SUCCESS, 4, WORKSPACE, 1, TENSOR_OP, {}},
    {3, SUCCESS, 5, WORKSPACE, 0, FUSED, {}},
    {1, SUCCESS, 6, WORKSPACE, 1, FUSED, {}},
};

int contexts = 0, descriptors = 0;
// How often each algorithm ran, when the next convolution fails and with which status, and a deterministic algorithm in
// full precision that is offered before all others, if it is not negative.
int ran[8], fails_in = -1, fails_with = EXECUTION_FAILED, offered_first = -1;
// The status of cudnnCreate and of cudnnAddTensor, and how often the former was called.
int creates_with = SUCCESS, adds_with = SUCCESS, created = 0;

Expectation first_offer() { return {offered_first, SUCCESS, 0.5, WORKSPACE, 1, FUSED, {}}; }

// f32 is rounded to the eleven leading bits that TF32 keeps.
float rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = (bits + 0x1000) & 0xFFFFE000;
    memcpy(&x, &bits, 4);
    return x;
}
double rounded(double x) { return x; }

int output(int input, int padding, int kernel, int stride) { return (input + 2 * padding - kernel) / stride + 1; }

bool fit(const Tensor &x, const Tensor &w, const Tensor &y, const Convolution &a) {
    return x.type == w.type && y.type == w.type && a.type == w.type && x.n == y.n && x.c == w.c && y.c == w.n &&
           y.h == output(x.h, a.pad_h, w.h, a.stride_h) && y.w == output(x.w, a.pad_w, w.w, a.stride_w);
}

int offer(const Context *context, const Tensor &x, const Tensor &w, const Tensor &y, const Convolution &a, int asked,
          int *count, Expectation *found) {
    if (context->number != 42 || !fit(x, w, y, a)) return BAD_PARAM;
    // As if there were no kernels for it.
    if (a.stride_h > 2) return NOT_SUPPORTED;
    *count = 0;
    if (offered_first >= 0) found[(*count)++] = first_offer();
    for (const Expectation &e : OFFERED) {
        if (*count < asked) found[(*count)++] = e;
    }
    return SUCCESS;
}

// Each term of a convolution: the places in x, w and y.
template <class Term> void terms(const Tensor &x, const Tensor &w, const Tensor &y, const Convolution &a, Term term) {
    for (int n = 0; n < x.n; n++)
        for (int k = 0; k < w.n; k++)
            for (int c = 0; c < x.c; c++)
                for (int oy = 0; oy < y.h; oy++)
                    for (int ox = 0; ox < y.w; ox++)
                        for (int ky = 0; ky < w.h; ky++)
                            for (int kx = 0; kx < w.w; kx++) {
                                const int v = oy * a.stride_h + ky - a.pad_h, u = ox * a.stride_w + kx - a.pad_w;
                                if (v < 0 || u < 0 || v >= x.h || u >= x.w) continue;
                                term(((n * x.c + c) * x.h + v) * x.w + u, ((k * w.c + c) * w.h + ky) * w.w + kx,
                                     ((n * y.c + k) * y.h + oy) * y.w + ox);
                            }
}

template <class T> void scale(T *c, size_t count, T beta) {
    // Zero means that what is there is not read.
    for (size_t i = 0; i < count; i++) c[i] = beta == 0 ? T(0) : T(beta * c[i]);
}

size_t count(const Tensor &t) { return size_t(t.n) * t.c * t.h * t.w; }

// c = alpha a b + beta c, where `which` of x (0), w (1) and y (2) is c.
template <class T>
void sweep(int which, const Tensor &x, const Tensor &w, const Tensor &y, const Convolution &a, const void *alpha,
           const void *first, const void *second, const void *beta, void *result) {
    const T *p = (const T *)first, *q = (const T *)second, one = *(const T *)alpha;
    T *c = (T *)result;
    scale(c, count(which == 0 ? x : which == 1 ? w : y), *(const T *)beta);
    auto product = [&](T a_number, T b_number) {
        return a.math == FUSED ? one * a_number * b_number : one * rounded(a_number) * rounded(b_number);
    };
    terms(x, w, y, a, [&](int i, int j, int k) {
        if (which == 2) c[k] += product(p[i], q[j]);
        if (which == 0) c[i] += product(p[j], q[k]);
        if (which == 1) c[j] += product(p[i], q[k]);
    });
}

int run(int which, const Context *context, const Tensor &x, const Tensor &w, const Tensor &y, const Convolution &a,
        int algorithm, void *workspace, size_t bytes, const void *alpha, const void *first, const void *second,
        const void *beta, void *result) {
    if (fails_in == 0) return fails_with;
    fails_in -= fails_in > 0;
    if (context->number != 42 || !fit(x, w, y, a) || algorithm < 0 || algorithm > 7) return BAD_PARAM;
    // Kernels load four numbers at once.
    for (const void *place : {first, second, (const void *)result, (const void *)workspace}) {
        if (place == nullptr || (uintptr_t)place % 16 != 0) return BAD_PARAM;
    }
    if (bytes != WORKSPACE) return BAD_PARAM;
    bool offered = false;
    auto look = [&](const Expectation &e) { offered |= e.algorithm == algorithm && (a.type != 0 || a.math == e.math); };
    look(first_offer());
    for (const Expectation &e : OFFERED) look(e);
    if (!offered) return BAD_PARAM;
    memset(workspace, 0x5A, bytes);
    ran[algorithm]++;
    (a.type == 0 ? sweep<float> : sweep<double>)(which, x, w, y, a, alpha, first, second, beta, result);
    return SUCCESS;
}

template <class T> int make(void **place, int &counter) {
    *place = new T;
    counter++;
    return SUCCESS;
}

template <class T> int drop(void *object, int &counter) {
    delete (T *)object;
    counter--;
    return SUCCESS;
}

int set(void *tensor, int type, int n, int c, int h, int w) {
    if (n <= 0 || c <= 0 || h <= 0 || w <= 0) return BAD_PARAM;
    *(Tensor *)tensor = {type, n, c, h, w};
    return SUCCESS;
}

const Tensor &tensor(const void *t) { return *(const Tensor *)t; }
const Convolution &convolution(const void *c) { return *(const Convolution *)c; }

} // namespace

extern "C" {

size_t cudnnGetVersion() { return 91002; }
const char *cudnnGetErrorString(int status) {
    return status == EXECUTION_FAILED  ? "CUDNN_STATUS_EXECUTION_FAILED"
           : status == NOT_INITIALIZED ? "CUDNN_STATUS_NOT_INITIALIZED"
                                       : "CUDNN_STATUS_BAD_PARAM";
}
int cudnnCreate(void **place) {
    created++;
    return creates_with == SUCCESS ? make<Context>(place, contexts) : creates_with;
}
int cudnnDestroy(void *context) { return drop<Context>(context, contexts); }
int cudnnCreateTensorDescriptor(void **place) { return make<Tensor>(place, descriptors); }
int cudnnDestroyTensorDescriptor(void *t) { return drop<Tensor>(t, descriptors); }
int cudnnCreateFilterDescriptor(void **place) { return make<Tensor>(place, descriptors); }
int cudnnDestroyFilterDescriptor(void *t) { return drop<Tensor>(t, descriptors); }
int cudnnCreateConvolutionDescriptor(void **place) { return make<Convolution>(place, descriptors); }
int cudnnDestroyConvolutionDescriptor(void *c) { return drop<Convolution>(c, descriptors); }
int cudnnSetTensor4dDescriptor(void *t, int format, int type, int n, int c, int h, int w) {
    return format == 0 ? set(t, type, n, c, h, w) : BAD_PARAM;
}
int cudnnSetFilter4dDescriptor(void *t, int type, int format, int k, int c, int h, int w) {
    return format == 0 ? set(t, type, k, c, h, w) : BAD_PARAM;
}
int cudnnSetConvolution2dDescriptor(void *place, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                                    int dilation_w, int mode, int type) {
    // 1: a correlation, as networks mean it; 0 would turn the kernels.
    if (dilation_h != 1 || dilation_w != 1 || mode != 1) return BAD_PARAM;
    *(Convolution *)place = {pad_h, pad_w, stride_h, stride_w, type};
    return SUCCESS;
}
int cudnnSetConvolutionMathType(void *place, int math) {
    ((Convolution *)place)->math = math;
    return SUCCESS;
}

int cudnnGetConvolutionForwardAlgorithm_v7(Context *context, void *x, void *w, void *a, void *y, int asked, int *count,
                                           Expectation *found) {
    return offer(context, tensor(x), tensor(w), tensor(y), convolution(a), asked, count, found);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(Context *context, void *w, void *y, void *a, void *x, int asked,
                                                int *count, Expectation *found) {
    return offer(context, tensor(x), tensor(w), tensor(y), convolution(a), asked, count, found);
}
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(Context *context, void *x, void *y, void *a, void *w, int asked,
                                                  int *count, Expectation *found) {
    return offer(context, tensor(x), tensor(w), tensor(y), convolution(a), asked, count, found);
}

int cudnnConvolutionForward(Context *context, const void *alpha, void *x_is, const void *x, void *w_is, const void *w,
                            void *a, int algorithm, void *workspace, size_t bytes, const void *beta, void *y_is,
                            void *y) {
    return run(2, context, tensor(x_is), tensor(w_is), tensor(y_is), convolution(a), algorithm, workspace, bytes, alpha,
               x, w, beta, y);
}
int cudnnConvolutionBackwardData(Context *context, const void *alpha, void *w_is, const void *w, void *y_is,
                                 const void *y, void *a, int algorithm, void *workspace, size_t bytes, const void *beta,
                                 void *x_is, void *x) {
    return run(0, context, tensor(x_is), tensor(w_is), tensor(y_is), convolution(a), algorithm, workspace, bytes, alpha,
               w, y, beta, x);
}
int cudnnConvolutionBackwardFilter(Context *context, const void *alpha, void *x_is, const void *x, void *y_is,
                                   const void *y, void *a, int algorithm, void *workspace, size_t bytes,
                                   const void *beta, void *w_is, void *w) {
    return run(1, context, tensor(x_is), tensor(w_is), tensor(y_is), convolution(a), algorithm, workspace, bytes, alpha,
               x, y, beta, w);
}

int cudnnAddTensor(Context *context, const void *alpha, void *a_is, const void *a, const void *beta, void *c_is,
                   void *c) {
    const Tensor &bias = tensor(a_is), &y = tensor(c_is);
    const bool per_channel = bias.n == 1 && bias.c == y.c && bias.h == 1 && bias.w == 1;
    if (adds_with != SUCCESS) return adds_with;
    if (context->number != 42 || !per_channel || (uintptr_t)a % 16 != 0) return BAD_PARAM;
    auto add = [&](auto zero) {
        using T = decltype(zero);
        for (size_t i = 0; i < count(y); i++) {
            T &number = ((T *)c)[i];
            number = *(const T *)beta * number + *(const T *)alpha * ((const T *)a)[i / (y.h * y.w) % y.c];
        }
    };
    if (y.type == 0) add(0.0f);
    else add(0.0);
    return SUCCESS;
}

// For the tests.
void fake_restart() { memset(ran, 0, sizeof ran); }
int fake_ran(int algorithm) { return ran[algorithm]; }
int fake_objects() { return contexts + descriptors; }
void fake_offer_first(int algorithm) { offered_first = algorithm; }
void fake_fail_in(int calls) { fails_in = calls; }
void fake_fail_with(int status) { fails_with = status; }
void fake_create_with(int status) { creates_with = status; }
void fake_add_with(int status) { adds_with = status; }
int fake_created() { return created; }
}
