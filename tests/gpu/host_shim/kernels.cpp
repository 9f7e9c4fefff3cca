// kernels NAME BLOCKS_X BLOCKS_Y THREADS INPUT OUTPUT: runs one kernel of cuda/*.cu on CPU threads.
// INPUT: the arguments in their order, each an int64 size and that many bytes; size -1 is followed by an int64 that is
// passed by value. The last argument is the output, of which only the size is given; OUTPUT gets its bytes. Every array has
// its own allocation, so that a stray access is seen.
#include "cuda_host.hpp"
#include "matrix_host.hpp"

#include "turns.cuh"

#include "table.cuh"

#include "channels.cu"
#include "channels_matrix.cu"
#include "structure_factor.cu"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace {

struct Argument {
    std::unique_ptr<char[]> bytes; // new char[] is aligned for every number
    long long value = 0;
};

std::vector<Argument> read(std::istream& input, long long& last) {
    std::vector<Argument> arguments;
    long long size = 0;
    while (input.read(reinterpret_cast<char*>(&size), sizeof size)) {
        Argument argument;
        if (size < 0) {
            input.read(reinterpret_cast<char*>(&argument.value), sizeof argument.value);
        } else {
            last = size;
            argument.bytes = std::make_unique<char[]>(static_cast<std::size_t>(size));
            input.read(argument.bytes.get(), size);
        }
        arguments.push_back(std::move(argument));
    }
    return arguments;
}

template <typename T> T as(const Argument& argument) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<T>(argument.bytes.get());
    } else {
        return argument.value;
    }
}

using Grid = cuda_host::Dimension;
using Runner = void (*)(Grid, unsigned int, const std::vector<Argument>&);

template <auto KERNEL> struct Of;
template <typename... Types, void (*KERNEL)(Types...)> struct Of<KERNEL> {
    static void run(Grid blocks, unsigned int threads, const std::vector<Argument>& arguments) {
        run(blocks, threads, arguments, std::index_sequence_for<Types...>());
    }
    template <std::size_t... I>
    static void run(Grid blocks, unsigned int threads, const std::vector<Argument>& arguments, std::index_sequence<I...>) {
        if (arguments.size() != sizeof...(Types)) {
            std::cerr << "wrong number of arguments\n";
            std::exit(2);
        }
        cuda_host::launch(blocks, threads, KERNEL, as<Types>(arguments[I])...);
    }
};

#define ENTRY(NAME) {#NAME, &Of<&NAME>::run}
const std::map<std::string, Runner> KERNELS = {
    ENTRY(structure_factor_f32),      ENTRY(structure_factor_f64),
    ENTRY(structure_factor_bf16),     ENTRY(structure_factor_fp16),
    ENTRY(term_forward_f32),          ENTRY(term_forward_f64),
    ENTRY(term_forward_bf16),         ENTRY(term_forward_fp16),
    ENTRY(term_adjoint_f32),          ENTRY(term_adjoint_f64),
    ENTRY(term_position_gradient_f32), ENTRY(term_position_gradient_f64),
    ENTRY(table_forward_f32),         ENTRY(table_forward_f64),
    ENTRY(kind_adjoint_f32),          ENTRY(kind_adjoint_f64),
    ENTRY(table_position_gradient_f32), ENTRY(table_position_gradient_f64),
    ENTRY(term_ends),
    ENTRY(channel_forward_f32),       ENTRY(channel_forward_f64),
    ENTRY(channel_forward_bf16),      ENTRY(channel_forward_fp16),
    ENTRY(channel_adjoint_f32),       ENTRY(channel_adjoint_f64),
    ENTRY(matrix_forward_f32),        ENTRY(matrix_forward_bf16),
    ENTRY(matrix_forward_fp16),       ENTRY(matrix_adjoint_f32),
    ENTRY(matrix_few_adjoint_f32),
    ENTRY(channel_position_gradient_f32), ENTRY(channel_position_gradient_f64),
};

} // namespace

int main(int count, char** words) {
    if (count != 7 || !KERNELS.contains(words[1])) {
        std::cerr << "usage: kernels NAME BLOCKS_X BLOCKS_Y THREADS INPUT OUTPUT\n";
        return 2;
    }
    std::ifstream input(words[5], std::ios::binary);
    std::ofstream output(words[6], std::ios::binary);
    long long size = 0;
    const auto arguments = read(input, size);
    std::memset(arguments.back().bytes.get(), 0xff, static_cast<std::size_t>(size)); // no number, until one is written
    const auto number = [&](int place) { return static_cast<unsigned int>(std::stoul(words[place])); };
    KERNELS.at(words[1])({number(2), number(3)}, number(4), arguments);
    output.write(arguments.back().bytes.get(), size);
    return output ? 0 : 1;
}
