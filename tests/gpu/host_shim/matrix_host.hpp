// cuda/matrix.cuh for CPU threads: the same fragments, 32 threads for the 32 lanes of a warp. Include after cuda_host.hpp.
//
// mma_tf32 notes down what a lane gives; in mma_settle the lanes of a warp meet, and each computes its four numbers of every
// note from what all lanes gave. Products and sums of TF32 are exact in double; the result is cut to float32, as badly as
// the device may do it.
#pragma once

#include <array>
#include <cstdlib>
#include <iostream>
#include <vector>

namespace cuda_host {

struct Note {
    float* sum;
    std::array<float, 4> a;
    std::array<float, 2> b;
};

// Two lists of notes: a lane may fill the next while others still read the last.
inline thread_local std::array<std::vector<Note>, 2> notes;
inline thread_local int list = 0;

inline float only_tf32(float x) {
    if (x == x && (__float_as_uint(x) & 0x1fffu) != 0) {
        std::cerr << "an operand of mma_tf32 is no TF32: " << x << '\n';
        std::abort();
    }
    return x;
}

inline float toward_zero(double x) {
    const float rounded = static_cast<float>(x);
    return std::abs(static_cast<double>(rounded)) > std::abs(x) ? std::nextafter(rounded, 0.0f) : rounded;
}

} // namespace cuda_host

inline void mma_tf32(float (&sum)[4], const float (&a)[4], const float (&b)[2]) {
    using cuda_host::only_tf32;
    cuda_host::notes[cuda_host::list].push_back(
        {sum, {only_tf32(a[0]), only_tf32(a[1]), only_tf32(a[2]), only_tf32(a[3])}, {only_tf32(b[0]), only_tf32(b[1])}});
}

inline void mma_settle() {
    using namespace cuda_host;
    const unsigned int lane = threadIdx.x % WARP_SIZE;
    std::vector<Note>& own = notes[list];
    Warp& warp = *this_warp;
    warp.given[list][lane] = &own;
    warp.barrier.arrive_and_wait();
    const auto at = [&](unsigned int of, std::size_t note) -> const Note& {
        return (*static_cast<const std::vector<Note>*>(warp.given[list][of])).at(note);
    };
    for (std::size_t note = 0; note < own.size(); ++note) {
        for (unsigned int i = 0; i < 4; ++i) {
            const unsigned int row = lane / 4 + 8 * (i / 2);
            const unsigned int column = 2 * (lane % 4) + i % 2;
            double sum = own[note].sum[i];
            for (unsigned int k = 0; k < 8; ++k) {
                const float a = at(4 * (row % 8) + k % 4, note).a[row / 8 + 2 * (k / 4)];
                const float b = at(4 * column + k % 4, note).b[k / 4];
                sum += static_cast<double>(a) * static_cast<double>(b);
            }
            own[note].sum[i] = toward_zero(sum);
        }
    }
    list = 1 - list;
    notes[list].clear();
}
