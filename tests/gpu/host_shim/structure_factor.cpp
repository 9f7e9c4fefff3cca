// structure_factor INPUT OUTPUT: runs the kernels of cuda/structure_factor.cu on a raw little-endian file.
// INPUT: int64 B, N, H, bytes per real (4 or 8); int64 atom_offsets[B+1], hkl_offsets[B+1]; int32 hkl[H,3];
// real frac[N,3], weights[N]. OUTPUT: real F[H,2]. Every array has its own allocation, so a stray access is seen.
#include "cuda_host.hpp"

#include "structure_factor.cu"

#include <cstdint>
#include <fstream>
#include <iostream>

namespace {

template <typename T> std::vector<T> take(std::istream& input, long long count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    input.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(sizeof(T) * values.size()));
    return values;
}

template <typename Real, typename Kernel>
void run(std::istream& input, std::ostream& output, Kernel kernel, long long crystals, long long atoms, long long reflections) {
    const auto atom_offsets = take<long long>(input, crystals + 1);
    const auto hkl_offsets = take<long long>(input, crystals + 1);
    const auto hkl = take<int>(input, 3 * reflections);
    const auto frac = take<Real>(input, 3 * atoms);
    const auto weights = take<Real>(input, atoms);
    std::vector<Real> out(static_cast<std::size_t>(2 * reflections));
    const auto blocks = static_cast<unsigned int>((reflections + BLOCK - 1) / BLOCK);
    cuda_host::launch(blocks, BLOCK, kernel, frac.data(), weights.data(), hkl.data(), atom_offsets.data(), hkl_offsets.data(),
                      crystals, reflections, out.data());
    output.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(sizeof(Real) * out.size()));
}

} // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::cerr << "usage: structure_factor INPUT OUTPUT\n";
        return 2;
    }
    std::ifstream input(words[1], std::ios::binary);
    std::ofstream output(words[2], std::ios::binary);
    const auto sizes = take<long long>(input, 4);
    if (sizes[3] == 4) {
        run<float>(input, output, structure_factor_f32, sizes[0], sizes[1], sizes[2]);
    } else {
        run<double>(input, output, structure_factor_f64, sizes[0], sizes[1], sizes[2]);
    }
    return input && output ? 0 : 1;
}
