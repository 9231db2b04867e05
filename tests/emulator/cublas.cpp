// cuBLAS as far as a device of dfdx opens it: a handle and no products. FAKE_CUBLAS_CREATE is the answer of
// cublasCreate.
#include <cstdlib>

extern "C" {
int cublasCreate_v2(void **place) {
    static int handle;
    *place = &handle;
    const char *text = getenv("FAKE_CUBLAS_CREATE");
    return text ? atoi(text) : 0;
}
int cublasDestroy_v2(void *) { return 0; }
int cublasSetStream_v2(void *, void *) { return 0; }
}
