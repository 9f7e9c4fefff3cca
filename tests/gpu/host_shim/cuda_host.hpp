// Runs a kernel of cuda/*.cu on CPU threads, one for each CUDA thread, so that its indexing, its barriers and its
// values can be tested, also under the sanitizers, on a machine without a GPU. Include this before the .cu file, in C++20.
//
// Blocks run one after another. __shared__ is a static, which is one object for all threads of the running block; it keeps
// what the last block left, where the device would hold anything. Known: grids of two dimensions, blocks of one (whole warps
// where lanes meet), __syncthreads and its count, __shfl_sync and its kin, sincospi, __sincosf, fmaf, numbers read as bits;
// matrix_host.hpp: the matrix units.
#pragma once

#include <array>
#include <atomic>
#include <barrier>
#include <bit>
#include <cmath>
#include <deque>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

namespace cuda_host {

struct Dimension {
    unsigned int x = 1;
    unsigned int y = 1;
};

constexpr unsigned int WARP_SIZE = 32;

// Where the threads of a block meet. Votes are counted for this meeting, the next, and the last, which some still read.
struct Block {
    explicit Block(std::ptrdiff_t threads) : barrier(threads) {}
    std::barrier<> barrier;
    std::array<std::atomic<int>, 3> votes{};
};

// Where the threads of a warp meet, and what each of them shows the others there: for this meeting and the next.
struct Warp {
    std::barrier<> barrier{WARP_SIZE};
    std::array<std::array<const void*, WARP_SIZE>, 2> given{};
    std::array<std::array<double, WARP_SIZE>, 2> numbers{};
};

inline thread_local Block* this_block = nullptr;
inline thread_local Warp* this_warp = nullptr;
inline thread_local unsigned int vote = 0;
inline thread_local unsigned int exchange = 0;

} // namespace cuda_host

inline thread_local cuda_host::Dimension threadIdx;
inline thread_local cuda_host::Dimension blockIdx;
inline thread_local cuda_host::Dimension blockDim;
inline thread_local cuda_host::Dimension gridDim;

inline void __syncthreads() { cuda_host::this_block->barrier.arrive_and_wait(); }

inline int __syncthreads_count(int predicate) {
    using namespace cuda_host;
    auto& votes = this_block->votes;
    votes[vote % 3] += predicate != 0;
    this_block->barrier.arrive_and_wait();
    const int count = votes[vote % 3];
    if (threadIdx.x == 0) {
        votes[(vote + 2) % 3] = 0; // everybody read these before this meeting, and nobody adds to them before the next
    }
    ++vote;
    return count;
}

// All lanes take part; a double holds what they show each other.
template <typename Number> Number __shfl_sync(unsigned int, Number value, int source) {
    using namespace cuda_host;
    auto& numbers = this_warp->numbers[exchange++ % 2];
    numbers[threadIdx.x % WARP_SIZE] = static_cast<double>(value);
    this_warp->barrier.arrive_and_wait();
    return static_cast<Number>(numbers[static_cast<unsigned int>(source) % WARP_SIZE]);
}

template <typename Number> Number __shfl_xor_sync(unsigned int lanes, Number value, int mask) {
    return __shfl_sync(lanes, value, static_cast<int>(threadIdx.x) ^ mask);
}

template <typename Number> Number __shfl_up_sync(unsigned int lanes, Number value, unsigned int step) {
    const unsigned int lane = threadIdx.x % cuda_host::WARP_SIZE;
    return __shfl_sync(lanes, value, static_cast<int>(lane < step ? lane : lane - step));
}

inline void sincospi(double x, double* sine, double* cosine) {
    const double angle = 3.14159265358979323846 * x;
    *sine = std::sin(angle);
    *cosine = std::cos(angle);
}

inline void __sincosf(float x, float* sine, float* cosine) {
    *sine = static_cast<float>(std::sin(static_cast<double>(x)));
    *cosine = static_cast<float>(std::cos(static_cast<double>(x)));
}

inline float __uint_as_float(unsigned int bits) { return std::bit_cast<float>(bits); }
inline unsigned int __float_as_uint(float x) { return std::bit_cast<unsigned int>(x); }

namespace cuda_host {

// kernel<<<blocks, threads>>>(arguments...)
template <typename Kernel, typename... Arguments>
void launch(Dimension blocks, unsigned int threads, Kernel kernel, Arguments... arguments) {
    for (unsigned int block = 0; block < blocks.x * blocks.y; ++block) {
        Block meeting(static_cast<std::ptrdiff_t>(threads));
        std::deque<Warp> warps((threads + WARP_SIZE - 1) / WARP_SIZE);
        std::vector<std::jthread> running;
        running.reserve(threads);
        for (unsigned int thread = 0; thread < threads; ++thread) {
            running.emplace_back([&, thread] {
                threadIdx.x = thread;
                blockIdx.x = block % blocks.x;
                blockIdx.y = block / blocks.x;
                blockDim.x = threads;
                gridDim = blocks;
                this_block = &meeting;
                this_warp = &warps[thread / WARP_SIZE];
                kernel(arguments...);
                meeting.barrier.arrive_and_drop(); // a thread that has left no longer holds the others up, as on the device
            });
        }
    }
}

} // namespace cuda_host
