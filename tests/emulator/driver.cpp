// CUDA's driver on a CPU, with the emulated kernels in it: what the program calls of libcuda, so that the code around
// the driver runs where there is none. The environment says what is wrong with it: FAKE_CUDA_VERSION, _INIT (the answer
// of cuInit), _DEVICES, _CAPABILITY (75 is 7.5), _MEMORY (MiB), _LOST_AFTER (launches), _POOLS (1: the device has a
// memory pool), _GRAPHS (0: no capture ends well), _UPLOAD (0: no memory for a graph), _LAUNCH (0: no
// graph can be launched), _LOCKED (0: there is no page-locked memory), _FULL (bytes: the memory pool finds no memory
// while blocks from outside it hold more). With _SAY, the release threshold of the pool, each lack of memory in it,
// each page-locked buffer and each replay of a graph are written to stderr.
#include <dlfcn.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels.cu"

namespace {

enum Answer {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_SUCH_DEVICE = 101,
    INVALID_IMAGE = 200,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
};

long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

using Kernel = const char *(*)(const void *, const unsigned *, unsigned, uint64_t);

size_t all_memory() { return size_t(setting("FAKE_CUDA_MEMORY", 1024)) << 20; }
size_t used = 0;
std::map<uint64_t, size_t> blocks;
long launches = 0;
bool lost = false;
int context, event, module_, pool;
// A stream, and the calls that it captures.
struct Stream {
    bool blocking, captures = false;
    std::vector<std::function<int()>> calls;
};
using Graph = std::vector<std::function<int()>>;
// Bytes of the arguments of each kernel.
std::map<void *, unsigned> sizes;
// Bytes that the memory pool keeps, and how many it may keep when the host waits.
// Of the bytes in use, how many are from the pool.
size_t pooled = 0, drawn = 0;
uint64_t threshold = 0;

int answer(int code = SUCCESS) { return lost ? LAUNCH_FAILED : code; }

void waited() {
    if (pooled > threshold) pooled = 0;
}

int allocate(uint64_t *place, size_t bytes) {
    void *block = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(block, 0xFF, bytes);
    used += bytes;
    *place = (uint64_t)block;
    blocks[*place] = bytes;
    return SUCCESS;
}

// Stores a call on a stream that captures; null is the default stream.
bool captured(void *stream, std::function<int()> call) {
    if (!stream || !((Stream *)stream)->captures) return false;
    ((Stream *)stream)->calls.push_back(std::move(call));
    return true;
}

// Copies from page-locked memory, which the device makes as late as it may: a buffer that is written too early is
// found.
std::vector<std::function<void()>> copies;
std::set<const void *> locked;
void copied_now() {
    for (auto &copy : copies) copy();
    copies.clear();
}

bool inside(uint64_t address, size_t bytes) {
    auto after = blocks.upper_bound(address);
    if (after == blocks.begin()) return false;
    --after;
    return address + bytes <= after->first + after->second;
}

} // namespace

extern "C" {

int cuDriverGetVersion(int *version) {
    *version = setting("FAKE_CUDA_VERSION", 99000);
    return SUCCESS;
}
int cuInit(unsigned) { return setting("FAKE_CUDA_INIT", SUCCESS); }
int cuDeviceGetCount(int *count) {
    *count = setting("FAKE_CUDA_DEVICES", 1);
    return SUCCESS;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal == 0 ? SUCCESS : NO_SUCH_DEVICE;
}
int cuDeviceGetName(char *name, int size, int) {
    strncpy(name, "Emulated GPU", size);
    return answer();
}
int cuDeviceGetAttribute(int *value, int which, int) {
    const long capability = setting("FAKE_CUDA_CAPABILITY", 80);
    // 75 and 76 ask for the capability, 115 for memory pools.
    const long pools = setting("FAKE_CUDA_POOLS", 0);
    *value = which == 75 ? capability / 10 : which == 76 ? capability % 10 : which == 115 ? pools : 0;
    return answer();
}
int cuDevicePrimaryCtxRetain(void **place, int) {
    *place = &context;
    return answer();
}
int cuDevicePrimaryCtxRelease_v2(int) { return answer(); }
int cuCtxSetCurrent(void *given) { return answer(given == &context ? SUCCESS : INVALID_VALUE); }
int cuEventCreate(void **place, unsigned) {
    *place = &event;
    return answer();
}
int cuEventDestroy_v2(void *) { return answer(); }
int cuEventSynchronize(void *) {
    copied_now();
    return answer();
}
int cuMemAllocHost_v2(void **place, size_t bytes) {
    if (setting("FAKE_CUDA_LOCKED", 1) == 0) return OUT_OF_MEMORY;
    *place = malloc(bytes);
    locked.insert(*place);
    if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "%zu bytes page-locked\n", bytes);
    return answer();
}
int cuMemFreeHost(void *place) {
    copied_now();
    locked.erase(place);
    free(place);
    return answer();
}
int cuModuleLoadData(void **place, const void *image) {
    // What begins a fat binary, where the driver can read it at once.
    uint32_t magic;
    memcpy(&magic, image, 4);
    if (magic != 0xBA55ED50 || (uintptr_t)image % 16 != 0) return INVALID_IMAGE;
    *place = &module_;
    return answer();
}
int cuModuleUnload(void *) { return answer(); }
int cuModuleGetFunction(void **place, void *, const char *name) {
    Dl_info self;
    dladdr((void *)&cuModuleGetFunction, &self);
    void *library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *place = dlsym(library, name);
    const void *bytes = dlsym(library, (std::string(name) + "_bytes").c_str());
    if (bytes) sizes[*place] = *(const unsigned *)bytes;
    return answer(*place ? SUCCESS : NOT_FOUND);
}
int cuMemGetInfo_v2(size_t *free, size_t *all) {
    *all = all_memory();
    *free = *all - used - pooled;
    return answer();
}
int cuMemAlloc_v2(uint64_t *place, size_t bytes) {
    if (lost) return answer();
    if (bytes == 0) return INVALID_VALUE;
    if (used + pooled + bytes > all_memory()) return OUT_OF_MEMORY;
    return allocate(place, bytes);
}
int cuMemAllocAsync(uint64_t *place, size_t bytes, void *) {
    if (lost) return answer();
    if (bytes == 0) return INVALID_VALUE;
    if (used + bytes > all_memory()) return OUT_OF_MEMORY;
    const long full = setting("FAKE_CUDA_FULL", -1);
    if (full >= 0 && used - drawn > size_t(full)) {
        if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "no memory in the pool\n");
        return OUT_OF_MEMORY;
    }
    drawn += bytes;
    pooled -= std::min(pooled, bytes);
    pooled = std::min(pooled, all_memory() - used - bytes);
    return allocate(place, bytes);
}
int cuMemFree_v2(uint64_t place) {
    copied_now();
    auto block = blocks.find(place);
    if (block == blocks.end()) return answer(INVALID_VALUE);
    used -= block->second;
    blocks.erase(block);
    free((void *)place);
    return answer();
}
int cuMemFreeAsync(uint64_t place, void *) {
    auto block = blocks.find(place);
    const size_t bytes = block == blocks.end() ? 0 : block->second;
    const int freed = cuMemFree_v2(place);
    if (freed == SUCCESS) pooled += bytes, drawn -= bytes;
    return freed;
}
int cuDeviceGetMemPool(void **place, int) {
    *place = &pool;
    return answer(setting("FAKE_CUDA_POOLS", 0) ? SUCCESS : INVALID_VALUE);
}
int cuMemPoolSetAttribute(void *given, int which, void *value) {
    if (given != &pool || which != 4) return INVALID_VALUE;
    memcpy(&threshold, value, sizeof threshold);
    if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "release threshold %llu\n", (unsigned long long)threshold);
    return answer();
}
int cuMemPoolTrimTo(void *given, size_t bytes) {
    if (given != &pool) return INVALID_VALUE;
    pooled = std::min(pooled, bytes);
    return answer();
}
int cuStreamCreate(void **place, unsigned flags) {
    *place = new Stream{flags != 1};
    return answer();
}
int cuStreamDestroy_v2(void *stream) {
    delete (Stream *)stream;
    return answer();
}
int cuStreamBeginCapture_v2(void *stream, int mode) {
    // The default stream cannot be captured, and calls on it would end the capture of a stream that it waits for. With
    // mode 2, relaxed, the thread may allocate meanwhile.
    const auto *of = (const Stream *)stream;
    if (!of || of->blocking || mode != 2 || of->captures) return answer(INVALID_VALUE);
    ((Stream *)stream)->captures = true;
    return answer();
}
int cuStreamEndCapture(void *stream, void **place) {
    if (!stream || !((Stream *)stream)->captures) return answer(INVALID_VALUE);
    ((Stream *)stream)->captures = false;
    *place = new Graph(((Stream *)stream)->calls);
    return answer(setting("FAKE_CUDA_GRAPHS", 1) ? SUCCESS : INVALID_VALUE);
}
int cuGraphInstantiateWithFlags(void **place, void *graph, unsigned long long) {
    *place = new Graph(*(Graph *)graph);
    return answer();
}
int cuGraphDestroy(void *graph) {
    delete (Graph *)graph;
    return answer();
}
int cuGraphUpload(void *, void *) { return answer(setting("FAKE_CUDA_UPLOAD", 1) ? SUCCESS : OUT_OF_MEMORY); }
int cuGraphExecDestroy(void *graph) { return cuGraphDestroy(graph); }
int cuGraphLaunch(void *graph, void *stream) {
    if (stream || setting("FAKE_CUDA_LAUNCH", 1) == 0) return answer(INVALID_VALUE);
    if (setting("FAKE_CUDA_SAY", 0)) fprintf(stderr, "replay of %zu calls\n", ((Graph *)graph)->size());
    for (auto &call : *(Graph *)graph)
        if (const int failed = call()) return failed;
    return answer();
}
int cuStreamWaitEvent(void *, void *, unsigned) { return answer(); }
int cuEventRecord(void *, void *) { return answer(); }
int cuStreamSynchronize(void *) {
    waited();
    return answer();
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    if (!inside(to, bytes)) return answer(INVALID_VALUE);
    copied_now();
    memcpy((void *)to, from, bytes);
    return answer();
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    if (!inside(from, bytes)) return answer(INVALID_VALUE);
    copied_now();
    if (!lost) memcpy(to, (void *)from, bytes);
    waited();
    return answer();
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    if (captured(stream, [=] { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); })) return answer();
    copied_now();
    if (!inside(to, bytes) || !inside(from, bytes)) return answer(INVALID_VALUE);
    memcpy((void *)to, (void *)from, bytes);
    return answer();
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
    if (!inside(to, bytes)) return answer(INVALID_VALUE);
    if (lost || !locked.count(from)) return cuMemcpyHtoD_v2(to, from, bytes);
    copies.push_back([=] { memcpy((void *)to, from, bytes); });
    return answer();
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *) { return cuMemcpyDtoH_v2(to, from, bytes); }
int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); }
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
    if (captured(stream, [=] { return cuMemsetD8Async(to, value, bytes, nullptr); })) return answer();
    copied_now();
    if (!inside(to, bytes)) return answer(INVALID_VALUE);
    memset((void *)to, value, bytes);
    return answer();
}
int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) { return cuMemsetD8Async(to, value, bytes, nullptr); }
int cuLaunchKernel(void *kernel, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned,
                   void *stream, void **parameters, void **) {
    const auto *bytes = (const uint64_t *)parameters[0];
    std::vector<uint64_t> copy(bytes, bytes + (sizes[kernel] + 7) / 8);
    const auto again = [=]() mutable {
        void *parameters = copy.data();
        return cuLaunchKernel(kernel, x, y, z, threads, 1, 1, 0, nullptr, &parameters, nullptr);
    };
    if (captured(stream, again)) return answer();
    copied_now();
    const long last = setting("FAKE_CUDA_LOST_AFTER", -1);
    lost = lost || (last >= 0 && launches++ >= last);
    if (lost) return answer();
    const unsigned grid[3] = {x, y, z};
    return ((Kernel)kernel)(parameters[0], grid, threads, 0) ? LAUNCH_FAILED : SUCCESS;
}
int cuGetErrorName(int code, const char **text) {
    *text = code == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR";
    return SUCCESS;
}
int cuGetErrorString(int code, const char **text) {
    *text = code == LAUNCH_FAILED ? "unspecified launch failure" : "an error";
    return SUCCESS;
}
}
