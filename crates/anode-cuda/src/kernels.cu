// All kernels of a CUDA device, in f32 and f64. Compiled by nvcc for the `cuda` feature, and by a C++ compiler with an
// emulator for the tests.
#include "activation.cuh"
#include "bytes.cuh"
#include "conv.cuh"
#include "conv_weights.cuh"
#include "dense.cuh"
#include "descent.cuh"
#include "norm.cuh"
#include "pool.cuh"
#include "vector.cuh"
