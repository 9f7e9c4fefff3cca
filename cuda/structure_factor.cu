// Structure factors with one weight per atom, for a whole ragged batch in one launch:
//
//     F(h) = sum_j w_j exp(+2 pi i h.x_j)
//
// Crystal b owns the atoms atom_offsets[b] .. atom_offsets[b+1] and the reflections hkl_offsets[b] .. hkl_offsets[b+1].
// frac is (N,3), weights (N,), hkl (H,3), out (H,) complex with the real part first.
//
// A thread owns one reflection and adds its atoms in their order, so the result does not depend on the launch and no
// atomics are needed. A block's reflections may belong to several crystals: the atoms of all of them pass through shared
// memory in tiles, and a thread takes those of its own crystal. Sums are kept per tile first, which bounds their rounding.
//
// Launch: one dimension, BLOCK threads a block, ceil(H / BLOCK) blocks.

constexpr int BLOCK = 128;

// How a coordinate is held, and how sin and cos of 2 pi h.x are had from it.
template <typename Real> struct Turns;

// In float32 the product h.x would round before it is reduced to one turn (2e-5 at |h| = 64). So a coordinate is a count of
// 2^-32 turns, h.x wraps in integers, and the reduction costs nothing and loses nothing.
template <> struct Turns<float> {
    using Coordinate = unsigned int;

    static __device__ __forceinline__ Coordinate hold(float x) {
        const float turn = x - rintf(x); // exact, in [-1/2, 1/2]
        return static_cast<unsigned int>(static_cast<unsigned long long>(llrintf(turn * 4294967296.0f)));
    }

    static __device__ __forceinline__ void phase(const int* h, const Coordinate* x, float* sine, float* cosine) {
        const unsigned int turns = static_cast<unsigned int>(h[0]) * x[0] + static_cast<unsigned int>(h[1]) * x[1]
                                   + static_cast<unsigned int>(h[2]) * x[2];
        // Signed, the count is in [-1/2, 1/2) turns; sincospi wants half turns.
        sincospif(static_cast<float>(static_cast<int>(turns)) * 4.656612873077393e-10f, sine, cosine);
    }
};

// In float64 the product's own rounding stays below 1e-13 turns up to |h| of several hundred.
template <> struct Turns<double> {
    using Coordinate = double;

    static __device__ __forceinline__ Coordinate hold(double x) { return x - rint(x); }

    static __device__ __forceinline__ void phase(const int* h, const Coordinate* x, double* sine, double* cosine) {
        const double turns = fma(static_cast<double>(h[0]), x[0],
                                 fma(static_cast<double>(h[1]), x[1], static_cast<double>(h[2]) * x[2]));
        sincospi(2.0 * (turns - rint(turns)), sine, cosine);
    }
};

// The crystal that owns row `row`: the last b with offsets[b] <= row. Empty crystals own no row and are passed over.
static __device__ __forceinline__ long long owner(const long long* offsets, long long crystals, long long row) {
    long long low = 0;
    long long high = crystals - 1;
    while (low < high) {
        const long long middle = (low + high + 1) / 2;
        if (offsets[middle] <= row) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

template <typename Real>
static __device__ __forceinline__ void structure_factor(const Real* __restrict__ frac, const Real* __restrict__ weights,
                                                        const int* __restrict__ hkl,
                                                        const long long* __restrict__ atom_offsets,
                                                        const long long* __restrict__ hkl_offsets, long long crystals,
                                                        long long reflections, Real* __restrict__ out) {
    using Coordinate = typename Turns<Real>::Coordinate;
    __shared__ Coordinate tile_x[BLOCK][3];
    __shared__ Real tile_weight[BLOCK];

    const int thread = static_cast<int>(threadIdx.x);
    const long long first = static_cast<long long>(blockIdx.x) * BLOCK;
    const long long last = first + BLOCK < reflections ? first + BLOCK - 1 : reflections - 1;
    const long long row = first + thread;

    // The atoms that this block needs, and those of this thread's crystal (none past the last reflection).
    const long long block_begin = atom_offsets[owner(hkl_offsets, crystals, first)];
    const long long block_end = atom_offsets[owner(hkl_offsets, crystals, last) + 1];
    long long begin = 0;
    long long end = 0;
    int h[3] = {0, 0, 0};
    if (row <= last) {
        const long long crystal = owner(hkl_offsets, crystals, row);
        begin = atom_offsets[crystal];
        end = atom_offsets[crystal + 1];
        for (int axis = 0; axis < 3; ++axis) {
            h[axis] = hkl[3 * row + axis];
        }
    }

    Real real = 0;
    Real imaginary = 0;
    for (long long tile = block_begin; tile < block_end; tile += BLOCK) {
        const long long atom = tile + thread;
        if (atom < block_end) {
            for (int axis = 0; axis < 3; ++axis) {
                tile_x[thread][axis] = Turns<Real>::hold(frac[3 * atom + axis]);
            }
            tile_weight[thread] = weights[atom];
        }
        __syncthreads();
        const int from = static_cast<int>((begin > tile ? begin : tile) - tile);
        const int to = static_cast<int>((end < tile + BLOCK ? end : tile + BLOCK) - tile);
        Real tile_real = 0;
        Real tile_imaginary = 0;
        for (int j = from; j < to; ++j) {
            Real sine;
            Real cosine;
            Turns<Real>::phase(h, tile_x[j], &sine, &cosine);
            tile_real += tile_weight[j] * cosine;
            tile_imaginary += tile_weight[j] * sine;
        }
        real += tile_real;
        imaginary += tile_imaginary;
        __syncthreads(); // the next tile overwrites this one
    }
    if (row <= last) {
        out[2 * row] = real;
        out[2 * row + 1] = imaginary;
    }
}

#define RECIPNET_ENTRY(NAME, REAL)                                                                                     \
    extern "C" __global__ void __launch_bounds__(BLOCK)                                                                \
        NAME(const REAL* frac, const REAL* weights, const int* hkl, const long long* atom_offsets,                     \
             const long long* hkl_offsets, long long crystals, long long reflections, REAL* out) {                     \
        structure_factor<REAL>(frac, weights, hkl, atom_offsets, hkl_offsets, crystals, reflections, out);             \
    }

RECIPNET_ENTRY(structure_factor_f32, float)
RECIPNET_ENTRY(structure_factor_f64, double)
