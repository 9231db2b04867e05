#include "machine.h"
#include "emulator.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <unistd.h>
#ifdef __linux__
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#include <vector>

namespace {

constexpr unsigned MOST_SLOTS = 4, MOST_THREADS = 1024;

struct Kernel {
    unsigned threads = 0;
    size_t bytes = 0;
    emulator::Body body[MOST_SLOTS] = {};
    long runs = 0, most_blocks = 0;
};

// Registrations run before `main`, in any order of the files.
std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

unsigned slots = 0;

// Waits while `word` has this value, without ordering memory. std::atomic::wait spins before it sleeps, which hundreds
// of threads on a few cores cannot afford.
void sleep_while(std::atomic<unsigned> &word, unsigned value) {
    while (word.load(std::memory_order_relaxed) == value) {
#ifdef __linux__
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
        word.wait(value, std::memory_order_relaxed);
#endif
    }
}

void wake_all(std::atomic<unsigned> &word) {
#ifdef __linux__
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
    word.notify_all();
#endif
}

// Since version 14 of LLVM and 13 of GCC, ThreadSanitizer distinguishes 255 threads at a time and misses most races if
// more take turns. Each launch then has a random part of the threads watched: the others neither record their accesses
// nor synchronize in a manner that ThreadSanitizer follows.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WATCHING
#endif
#elif defined(__SANITIZE_THREAD__)
#define WATCHING
#endif
#if (defined(__clang__) && __clang_major__ >= 14) || (!defined(__clang__) && __GNUC__ >= 13)
constexpr unsigned MOST_WATCHED = 220;
#else
constexpr unsigned MOST_WATCHED = 4096;
#endif

thread_local bool watched = false;

#ifdef WATCHING
extern "C" void AnnotateIgnoreReadsBegin(const char *, int);
extern "C" void AnnotateIgnoreReadsEnd(const char *, int);
extern "C" void AnnotateIgnoreWritesBegin(const char *, int);
extern "C" void AnnotateIgnoreWritesEnd(const char *, int);
#endif

void ignore() {
    watched = false;
#ifdef WATCHING
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

void watch() {
    watched = true;
#ifdef WATCHING
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
}

// Orders memory of threads that are not watched, which ThreadSanitizer does not follow.
void order_memory() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// A barrier of the threads of a block. Memory operations of a watched thread before it happen before those of the other
// watched threads after it, which ThreadSanitizer derives from `clocks`. There are two of them, because a thread may
// arrive at the next barrier before another has left this one.
struct Barrier {
    std::atomic<unsigned> arrived{0}, generation{0}, clocks[2] = {};
    std::atomic<const char *> position{nullptr};

    void wait(unsigned threads, const char *here) {
        const unsigned now = generation.load(std::memory_order_relaxed);
        const char *first = position.load(std::memory_order_relaxed);
        if (!first) position.compare_exchange_strong(first, here, std::memory_order_relaxed);
        if (first && first != here && strcmp(first, here) != 0) {
            machine::fail(std::string("divergent barrier: threads of a block wait at ") + first + " and at " + here);
        }
        if (watched) clocks[now % 2].fetch_add(1, std::memory_order_acq_rel);
        order_memory();
        if (arrived.fetch_add(1, std::memory_order_relaxed) + 1 == threads) {
            arrived.store(0, std::memory_order_relaxed);
            position.store(nullptr, std::memory_order_relaxed);
            order_memory();
            generation.store(now + 1, std::memory_order_relaxed);
            wake_all(generation);
        } else {
            sleep_while(generation, now);
        }
        order_memory();
        if (watched) (void)clocks[now % 2].load(std::memory_order_acquire);
    }
};

struct Slot {
    Barrier barrier;
    std::atomic<unsigned> started{0};
    std::vector<emulator::Place> blocks;
    std::vector<std::thread> threads;
};

Slot all_slots[MOST_SLOTS];
thread_local Slot *own_slot;

// The kernel that runs, written before the slots are started.
const Kernel *running;
const void *arguments;
emulator::Place grid_of_blocks;
bool ending = false;
// Watched threads per 1000.
unsigned share_watched;
std::atomic<unsigned> unfinished{0};
long all_runs = 0;
uint64_t order = 88172645463325252u;

// Whether a thread is watched in its slot's launch of this number. The first always is, for it writes most results.
bool is_watched(unsigned slot, unsigned number, unsigned launch) {
    uint64_t hash = (uint64_t(launch) << 32 | slot << 16 | number) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9u;
    return number == 0 || (hash >> 33) % 1000 < share_watched;
}

void live(unsigned slot, unsigned number, unsigned starts) {
    Slot &own = all_slots[slot];
    own_slot = &own;
    ignore();
    for (;; starts++) {
        sleep_while(own.started, starts);
        order_memory();
        if (ending) return watch();
        if (number < running->threads) {
            if (is_watched(slot, number, starts)) {
                watch();
                (void)own.started.load(std::memory_order_acquire);
            }
            emulator::thread = {number, 0, 0};
            emulator::block_size = {running->threads, 1, 1};
            emulator::grid_size = grid_of_blocks;
            for (const emulator::Place &block : own.blocks) {
                emulator::block = block;
                running->body[slot](arguments);
                own.barrier.wait(running->threads, "the end of the kernel");
            }
        }
        order_memory();
        const auto order = watched ? std::memory_order_acq_rel : std::memory_order_relaxed;
        const bool last = unfinished.fetch_sub(1, order) == 1;
        if (watched) ignore();
        if (last) wake_all(unfinished);
    }
}

void start(Slot &slot) {
    slot.started.fetch_add(1, std::memory_order_release);
    wake_all(slot.started);
}

} // namespace

emulator::Registration::Registration(int slot, const char *name, unsigned threads, size_t bytes, Body body) {
    if (slot < 0 || unsigned(slot) >= MOST_SLOTS || threads == 0 || threads > MOST_THREADS) machine::fail(name);
    Kernel &kernel = kernels()[name];
    kernel.threads = threads;
    kernel.bytes = bytes;
    kernel.body[slot] = body;
    slots = std::max(slots, unsigned(slot) + 1);
}

void emulator::meet(const char *position) { own_slot->barrier.wait(emulator::block_size.x, position); }

void machine::fail(const std::string &what) {
    fprintf(stderr, "FAULT: %s\n", what.c_str());
    fflush(stdout);
    _exit(3);
}

void machine::launch(const std::string &name, Grid grid, const void *given, size_t bytes) {
    auto found = kernels().find(name);
    if (found == kernels().end()) fail("there is no kernel " + name);
    Kernel &kernel = found->second;
    if (bytes != kernel.bytes) fail(name + ": arguments of another size");
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) fail(name + ": a wrong grid");

    // Blocks in random order, so that different pairs of blocks run in different slots.
    std::vector<emulator::Place> blocks;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) blocks.push_back({x, y, z});
    for (size_t i = blocks.size(); i > 1; i--) {
        order ^= order << 13;
        order ^= order >> 7;
        order ^= order << 17;
        std::swap(blocks[i - 1], blocks[order % i]);
    }
    for (unsigned s = 0; s < slots; s++) all_slots[s].blocks.clear();
    for (size_t i = 0; i < blocks.size(); i++) all_slots[i % slots].blocks.push_back(blocks[i]);

    // Threads are kept for the next kernel. Slots without a block are not started.
    unsigned threads = 0;
    for (unsigned i = 0; i < slots; i++) {
        Slot &slot = all_slots[i];
        while (slot.threads.size() < kernel.threads) {
            slot.threads.emplace_back(live, i, unsigned(slot.threads.size()), slot.started.load());
        }
        if (!slot.blocks.empty()) threads += unsigned(slot.threads.size());
    }
    // The arguments in a block of their exact size.
    std::unique_ptr<char[]> copy(new char[bytes]);
    memcpy(copy.get(), given, bytes);
    running = &kernel;
    share_watched = 1000 * MOST_WATCHED / std::max(1u, kernel.threads * std::min(slots, unsigned(blocks.size())));
    arguments = copy.get();
    grid_of_blocks = {grid.x, grid.y, grid.z};
    unfinished.store(threads, std::memory_order_relaxed);
    for (Slot &slot : all_slots)
        if (!slot.blocks.empty()) start(slot);
    for (unsigned left; (left = unfinished.load(std::memory_order_acquire)) != 0;) {
        sleep_while(unfinished, left);
    }
    order_memory();
    kernel.runs++;
    kernel.most_blocks = std::max(kernel.most_blocks, long(blocks.size()));
    all_runs++;
}

long machine::runs() { return all_runs; }

void machine::finish() {
    ending = true;
    for (Slot &slot : all_slots) {
        start(slot);
        for (std::thread &thread : slot.threads) thread.join();
    }
    for (const auto &[name, kernel] : kernels()) {
        printf("kernel %s threads %u runs %ld blocks %ld\n", name.c_str(), kernel.threads, kernel.runs,
               kernel.most_blocks);
    }
    printf("total %ld\n", all_runs);
}
