// cuda/matrix.cuh for CPU threads: the same fragments, 32 threads for the 32 lanes of a warp. Include after cuda_host.hpp.
//
// mma_f16 notes down what a lane gives; in mma_settle the lanes of a warp meet, and each computes its four numbers of every
// note from what all lanes gave. Products and sums of float16 are exact in double; the result is cut to float32, as badly as
// the device may do it.
#pragma once

#include <array>
#include <cmath>
#include <vector>

using Pair = unsigned int;

namespace cuda_host {

// Bits of the float16 nearest to x, ties to even.
inline unsigned int to_half(float x) {
    const unsigned int sign = std::signbit(x) ? 0x8000u : 0u;
    const float size = std::abs(x);
    if (std::isnan(x)) {
        return 0x7fffu;
    }
    if (size >= 65520.0f) {
        return sign | 0x7c00u;
    }
    // Units of the last place: 2^-24 below 2^-13, then twice as much at each power of two.
    const int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
    const float units = std::nearbyint(std::ldexp(size, 10 - exponent));
    return sign | (static_cast<unsigned int>(units) + (static_cast<unsigned int>(exponent + 14) << 10));
}

inline float of_half(unsigned int bits) {
    const int exponent = static_cast<int>(bits >> 10 & 0x1fu);
    const int fraction = static_cast<int>(bits & 0x3ffu);
    float size = std::ldexp(static_cast<float>(exponent > 0 ? 1024 + fraction : fraction), (exponent > 0 ? exponent : 1) - 25);
    if (exponent == 31) {
        size = fraction == 0 ? INFINITY : NAN;
    }
    return (bits & 0x8000u) != 0 ? -size : size;
}

struct Note {
    float* sum;
    std::array<Pair, 4> a;
    std::array<Pair, 2> b;
};

// Two lists of notes: a lane may fill the next while others still read the last.
inline thread_local std::array<std::vector<Note>, 2> notes;
inline thread_local int list = 0;

inline float toward_zero(double x) {
    const float rounded = static_cast<float>(x);
    return std::abs(static_cast<double>(rounded)) > std::abs(x) ? std::nextafter(rounded, 0.0f) : rounded;
}

} // namespace cuda_host

inline Pair narrow(float first, float second) { return cuda_host::to_half(first) | cuda_host::to_half(second) << 16; }

inline void widen(Pair pair, float& first, float& second) {
    first = cuda_host::of_half(pair & 0xffffu);
    second = cuda_host::of_half(pair >> 16);
}

inline void mma_f16(float (&sum)[4], const Pair (&a)[4], const Pair (&b)[2]) {
    cuda_host::notes[cuda_host::list].push_back({sum, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}});
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
            for (unsigned int k = 0; k < 16; ++k) {
                const unsigned int within = k % 8;
                const Pair a = at(4 * (row % 8) + within / 2, note).a[row / 8 + 2 * (k / 8)];
                const Pair b = at(4 * column + within / 2, note).b[k / 8];
                const unsigned int shift = 16 * (within % 2);
                sum += static_cast<double>(of_half(a >> shift & 0xffffu)) * static_cast<double>(of_half(b >> shift & 0xffffu));
            }
            own[note].sum[i] = toward_zero(sum);
        }
    }
    list = 1 - list;
    notes[list].clear();
}
