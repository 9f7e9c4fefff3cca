// The sums of channels.cu with many channels, on the matrix units (compute capability 8.0 and above):
//
//     forward   S[h,c] = sum_j q[j,c] exp(+2 pi i h.x_j)
//     adjoint   y[j,c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h,c]]
//
// The units multiply float16, which has 11 significant bits, twice as fast as TF32, which has as many. What float16 lacks is
// range: so the values of a channel are multiplied by a power of two that brings the largest of a tile to 2^14, and the sums
// of the tile are divided by it. A value is then the sum of two float16 up to 2^-22 of itself, or 2^-39 of the tile's largest
// if that is more, a phase up to 2^-25. Three products (big big, big small, small big) err by some 5e-7 of |value|; a value
// stored in 16 bits is one float16 and needs two. The units also cut their sums instead of rounding them. So they add only
// one tile at a time, and float32 arithmetic adds the tiles: the error does not grow with the length of the sum as it would.
//
// A block owns rows of one crystal, FORWARD_ROWS or ADJOINT_ROWS, by COLUMNS channels; a warp all of these channels of its
// rows: 2 or 4 rows, 8 apart, belong to a lane. Where crystals have few atoms that would leave warps of the adjoint without
// rows: there a block owns FEW_ROWS, and its warps share the channels. The rows that are summed over pass by in tiles of
// DEPTH. A lane makes the phases that the units want from it itself, in registers, and never stores them. Values go through
// shared memory, cut into big and small as they are stored, in the order in which a lane reads them at one go; while one tile
// is multiplied the next is fetched. Forward multiplies two matrices of phases, cosines and sines, with one of values;
// adjoint two times 16 rows with the real parts, and again with the imaginary parts, which is its second link. So both are
// one loop. Rows that pass by are counted in 32 bits; 32 channels of more would not fit a device.
//
// Launch: THREADS threads a block; rows / FORWARD_ROWS (or the others) + B (see share_of) x ceil(C / COLUMNS) blocks.

namespace matrix {

constexpr int THREADS = 128;
constexpr int FORWARD_ROWS = 64;
constexpr int ADJOINT_ROWS = 128;
constexpr int FEW_ROWS = 32;
constexpr int COLUMNS = 128; // one for each thread while values are fetched
constexpr int WARP = 32;
constexpr int DEPTH = 16;          // rows that one instruction sums over
constexpr int WIDTH = COLUMNS + 1; // of a row in shared memory: what eight lanes read lies in different banks

// Column of eight that stands where the instruction has column j: the four lanes of a row write neighbouring channels.
static __device__ __forceinline__ int column_of(int j) { return j / 2 + 4 * (j % 2); }

// x = big + small up to 2^-22 |x|, or 2^-25 if that is more.
static __device__ __forceinline__ void split(float first, float second, Pair& big, Pair& small) {
    big = narrow(first, second);
    float first_big;
    float second_big;
    widen(big, first_big, second_big);
    small = narrow(first - first_big, second - second_big);
}

// A float32 or a complex number as it is stored.
template <typename Stored, int PARTS> struct alignas(PARTS * sizeof(Stored)) Value {
    Stored part[PARTS];
};

// Values 2 t, 2 t + 1, 2 t + 8, 2 t + 9 of a column: what one lane needs of it.
template <int PIECES> struct alignas(PIECES * 2 * sizeof(Pair)) Word {
    Pair piece[PIECES][2];
};

// Indices of a reflection, or coordinates of an atom as counts of turns.
struct alignas(16) Place {
    unsigned int axis[3];
    float fault;
};

// SPLIT: warps that share the channels of the same rows.
template <bool FORWARD, int SPLIT, typename Stored>
static __device__ __forceinline__ void product(const Stored* __restrict__ values, const float* __restrict__ frac,
                                               const int* __restrict__ hkl, Span span, long long crystals,
                                               long long channels, float* __restrict__ out) {
    constexpr int OWN = FORWARD ? 2 : 4;   // own rows of a lane
    constexpr int LINKS = FORWARD ? 1 : 2; // matrices of values, and parts of a value
    constexpr int GROUP = FORWARD ? 4 : 2; // times 8 channels that are multiplied before their sums are added
    constexpr int WARP_ROWS = 8 * OWN;
    constexpr int WARP_COLUMNS = COLUMNS / SPLIT;
    constexpr int ROWS = THREADS / WARP / SPLIT * WARP_ROWS;
    constexpr int PIECES = sizeof(Stored) == sizeof(float) ? 2 : 1;
    static_assert(ROWS == (FORWARD ? FORWARD_ROWS : SPLIT == 1 ? ADJOINT_ROWS : FEW_ROWS));
    __shared__ Place own[ROWS];
    __shared__ Place other[2][DEPTH];
    __shared__ Word<PIECES> tile_values[2][LINKS][4][WIDTH];
    __shared__ Value<float, 2> scale[2][COLUMNS / 2]; // what sums of the columns t and t + 4 of eight are multiplied by

    const int thread = static_cast<int>(threadIdx.x);
    const int g = thread % WARP / 4;
    const int t = thread % 4;
    const long long column = static_cast<long long>(blockIdx.y) * COLUMNS;
    const int wide = static_cast<int>(channels - column < COLUMNS ? channels - column : COLUMNS);
    const Share share = share_of<ROWS>(span, crystals, blockIdx.x);
    if (share.held == 0) {
        return;
    }
    const long long begin = share.other.begin;
    const int length = static_cast<int>(share.other.end - begin);

    // Three numbers of a row, as they are stored and as they are used.
    const auto read = [&](bool reflection, long long row) {
        Place bits = {};
        for (int axis = 0; axis < 3; ++axis) {
            const long long place = 3 * row + axis;
            bits.axis[axis] = reflection ? static_cast<unsigned int>(hkl[place]) : __float_as_uint(frac[place]);
        }
        return bits;
    };
    const auto placed = [&](bool reflection, Place bits) {
        if (!reflection) {
            float x[3];
            for (int axis = 0; axis < 3; ++axis) {
                x[axis] = __uint_as_float(bits.axis[axis]);
                bits.axis[axis] = Turns<float>::hold(x[axis]);
            }
            bits.fault = fault(x);
        }
        return bits;
    };
    if (thread < ROWS) {
        own[thread] = {};
        if (thread < share.held) {
            own[thread] = placed(FORWARD, read(FORWARD, share.first + thread));
        }
    }

    // The next tile on its way: values of this thread's channel, and for some threads a row. Nothing is computed from them
    // before they are stored, so that nobody waits for them.
    Value<Stored, LINKS> ahead[DEPTH];
    Place ahead_row = {};
    const auto fetch = [&](int tile) {
        const Value<Stored, LINKS>* source = reinterpret_cast<const Value<Stored, LINKS>*>(values);
        source += (begin + tile) * channels + column + thread;
        const int rows = thread < wide ? length - tile : 0;
#pragma unroll
        for (int depth = 0; depth < DEPTH; ++depth) {
            ahead[depth] = {};
            if (depth < rows) {
                ahead[depth] = *source;
            }
            source += channels;
        }
        // Past the end values are zero, and the row of the last tile may stand there once more.
        if (thread < DEPTH && tile + thread < length) {
            ahead_row = read(!FORWARD, begin + tile + thread);
        }
    };
    const auto store = [&](int buffer) {
        // The exponent of the largest, from 15 on: what is less than 2^-112 may lose bits.
        unsigned int exponent = 15u << 23;
#pragma unroll
        for (int depth = 0; depth < DEPTH; ++depth) {
#pragma unroll
            for (int link = 0; link < LINKS; ++link) {
                const unsigned int bits = __float_as_uint(widen(ahead[depth].part[link])) & 0x7f800000u;
                exponent = bits > exponent ? bits : exponent;
            }
        }
        const float factor = __uint_as_float((268u << 23) - exponent);
        scale[buffer][thread / 8 * 4 + thread % 4].part[thread % 8 / 4] = __uint_as_float(exponent - (14u << 23));
#pragma unroll
        for (int link = 0; link < LINKS; ++link) {
#pragma unroll
            for (int lane = 0; lane < 4; ++lane) {
                Word<PIECES> word;
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const float first = factor * widen(ahead[2 * lane + 8 * half].part[link]);
                    const float second = factor * widen(ahead[2 * lane + 8 * half + 1].part[link]);
                    if constexpr (PIECES == 2) {
                        split(first, second, word.piece[0][half], word.piece[1][half]);
                    } else {
                        word.piece[0][half] = narrow(first, second);
                    }
                }
                tile_values[buffer][link][lane][thread] = word;
            }
        }
        if (thread < DEPTH) {
            other[buffer][thread] = placed(!FORWARD, ahead_row);
        }
    };

    if (length > 0) {
        fetch(0);
        store(0);
    }
    __syncthreads();

    const int warp_first = thread / WARP / SPLIT * WARP_ROWS;
    const int warp_column = thread / WARP % SPLIT * WARP_COLUMNS;
    float sums[2][WARP_COLUMNS / 8][4] = {};
    for (int tile = 0; tile < length; tile += DEPTH) {
        const int buffer = tile / DEPTH % 2;
        const bool more = tile + DEPTH < length;
        if (more) {
            fetch(tile + DEPTH);
        }
        if (warp_first < share.held) {
            Pair phases[LINKS][2][2][4]; // link, matrix, piece
#pragma unroll
            for (int i = 0; i < OWN; ++i) {
                const int row = warp_first + 8 * i + g;
                const Place at = own[row];
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    float sines[2];
                    float cosines[2];
#pragma unroll
                    for (int m = 0; m < 2; ++m) {
                        const Place with = other[buffer][2 * t + 8 * half + m];
                        const unsigned int turns = at.axis[0] * with.axis[0] + at.axis[1] * with.axis[1]
                                                   + at.axis[2] * with.axis[2];
                        Turns<float>::of_count(turns, FORWARD ? with.fault : at.fault, &sines[m], &cosines[m]);
                    }
                    Pair(&c)[2][4] = phases[0][FORWARD ? 0 : i / 2];
                    Pair(&s)[2][4] = FORWARD ? phases[0][1] : phases[LINKS - 1][i / 2];
                    split(cosines[0], cosines[1], c[0][i % 2 + 2 * half], c[1][i % 2 + 2 * half]);
                    split(sines[0], sines[1], s[0][i % 2 + 2 * half], s[1][i % 2 + 2 * half]);
                }
            }
#pragma unroll
            for (int group = 0; group < WARP_COLUMNS / 8; group += GROUP) {
                const int first_column = warp_column + 8 * group;
                if (first_column < wide) {
                    float part[2][GROUP][4] = {};
                    Word<PIECES> b[LINKS][GROUP];
#pragma unroll
                    for (int link = 0; link < LINKS; ++link) {
#pragma unroll
                        for (int n = 0; n < GROUP; ++n) {
                            b[link][n] = tile_values[buffer][link][t][first_column + 8 * n + column_of(g)];
                        }
                    }
                    // Small products first, while the sums are small and little is cut from them.
#pragma unroll
                    for (int turn = 0; turn < LINKS * (PIECES + 1); ++turn) {
                        const int link = turn % LINKS;
                        const int a_piece = turn / LINKS == 0 ? 1 : 0;
                        const int b_piece = PIECES == 2 && turn / LINKS == 1 ? 1 : 0;
#pragma unroll
                        for (int n = 0; n < GROUP; ++n) {
#pragma unroll
                            for (int matrix = 0; matrix < 2; ++matrix) {
                                mma_f16(part[matrix][n], phases[link][matrix][a_piece], b[link][n].piece[b_piece]);
                            }
                        }
                    }
                    mma_settle();
#pragma unroll
                    for (int n = 0; n < GROUP; ++n) {
                        const Value<float, 2> factor = scale[buffer][first_column / 2 + 4 * n + t];
#pragma unroll
                        for (int i = 0; i < 4; ++i) {
#pragma unroll
                            for (int matrix = 0; matrix < 2; ++matrix) {
                                sums[matrix][group + n][i] += factor.part[i % 2] * part[matrix][n][i];
                            }
                        }
                    }
                }
            }
        }
        if (more) {
            store(1 - buffer);
        }
        __syncthreads();
    }

    // A lane's sums stand in the columns t and t + 4 of eight.
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
        const int row = warp_first + 8 * i + g;
        if (row < share.held) {
            float* to = out + (FORWARD ? 2 : 1) * ((share.first + row) * channels + column + warp_column + t);
#pragma unroll
            for (int n = 0; n < WARP_COLUMNS / 4; ++n) {
                if (warp_column + 4 * n + t < wide) {
                    const int place = 2 * (i % 2) + n % 2;
                    if constexpr (FORWARD) {
                        reinterpret_cast<Value<float, 2>*>(to)[4 * n] = {{sums[0][n / 2][place], sums[1][n / 2][place]}};
                    } else {
                        to[4 * n] = sums[i / 2][n / 2][place];
                    }
                }
            }
        }
    }
}

} // namespace matrix

#define RECIPNET_ENTRY(NAME, FORWARD, SPLIT, STORED)                                                                         \
    extern "C" __global__ void __launch_bounds__(matrix::THREADS, 2)                                                   \
        NAME(const STORED* values, const float* frac, const int* hkl, const long long* atom_offsets,                   \
             const long long* hkl_offsets, long long crystals, long long atoms, long long reflections,                 \
             long long channels, float* out) {                                                                         \
        const Span span = FORWARD ? Span{hkl_offsets, atom_offsets, reflections, atoms}                                \
                                  : Span{atom_offsets, hkl_offsets, atoms, reflections};                               \
        matrix::product<FORWARD, SPLIT, STORED>(values, frac, hkl, span, crystals, channels, out);                            \
    }

RECIPNET_ENTRY(matrix_forward_f32, true, 1, float)
RECIPNET_ENTRY(matrix_forward_bf16, true, 1, Bf16)
RECIPNET_ENTRY(matrix_forward_fp16, true, 1, Fp16)
RECIPNET_ENTRY(matrix_adjoint_f32, false, 1, float)
RECIPNET_ENTRY(matrix_few_adjoint_f32, false, 4, float)

#undef RECIPNET_ENTRY
