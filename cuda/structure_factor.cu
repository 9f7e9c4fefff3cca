// Structure factors with one weight per atom, or one per atom and reflection, for a whole ragged batch in one launch:
//
//     F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)
//
// and, for weights per term, the adjoint Re[conj(exp(+2 pi i h.x_j)) g(h)] of every term and the position gradient
// 2 pi sum_h h w_j(h) (g_im cos - g_re sin). Terms lie crystal after crystal, from term_first[b], atom-major inside.
//
// A thread owns one reflection (one atom's share of them in the position gradient) and adds in a fixed order, so the result
// does not depend on the launch and no atomics are needed. A block's reflections may belong to several crystals: the atoms
// of all of them pass through shared memory in tiles, and a thread takes those of its own crystal. Sums are kept per tile
// first, which bounds their rounding.
//
// Launch: BLOCK threads a block; ceil(H / BLOCK) blocks, or N blocks for the position gradient.

constexpr int BLOCK = 128;

enum class Kind { PerAtom, PerTerm, Adjoint };

// `values`: weights (N,) or (terms,), or g (H, 2) for the adjoint; `out`: F (H, 2), or (terms,) for the adjoint.
template <Kind KIND, typename Real, typename Stored>
static __device__ __forceinline__ void structure_factor(const Real* __restrict__ frac, const Stored* __restrict__ values,
                                                        const int* __restrict__ hkl,
                                                        const long long* __restrict__ atom_offsets,
                                                        const long long* __restrict__ hkl_offsets,
                                                        const long long* __restrict__ term_first, long long crystals,
                                                        long long atoms, long long reflections, long long terms,
                                                        Real* __restrict__ out) {
    using Coordinate = typename Turns<Real>::Coordinate;
    __shared__ Coordinate tile_x[BLOCK][3];
    __shared__ Real tile_weight[BLOCK];

    const int thread = static_cast<int>(threadIdx.x);
    const long long first = static_cast<long long>(blockIdx.x) * BLOCK;
    const long long last = first + BLOCK < reflections ? first + BLOCK - 1 : reflections - 1;
    const long long row = first + thread;

    // The atoms that this block needs, and those of this thread's crystal (none past the last reflection).
    const long long block_begin = rows_of(atom_offsets, owner(hkl_offsets, crystals, first), atoms).begin;
    const long long block_end = rows_of(atom_offsets, owner(hkl_offsets, crystals, last), atoms).end;
    Rows own = {0, 0};
    int h[3] = {0, 0, 0};
    Real gradient[2] = {0, 0};
    long long term = 0; // of this reflection and the crystal's first atom
    long long stride = 0;
    if (row <= last) {
        const long long crystal = owner(hkl_offsets, crystals, row);
        own = rows_of(atom_offsets, crystal, atoms);
        for (int axis = 0; axis < 3; ++axis) {
            h[axis] = hkl[3 * row + axis];
        }
        if constexpr (KIND != Kind::PerAtom) {
            const Rows lines = rows_of(hkl_offsets, crystal, reflections);
            stride = lines.end - lines.begin;
            term = term_first[crystal] + row - lines.begin;
        }
        if constexpr (KIND == Kind::Adjoint) {
            gradient[0] = values[2 * row];
            gradient[1] = values[2 * row + 1];
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
            if constexpr (KIND == Kind::PerAtom) {
                tile_weight[thread] = widen(values[atom]) + fault(frac + 3 * atom);
            }
        }
        __syncthreads();
        const int from = static_cast<int>((own.begin > tile ? own.begin : tile) - tile);
        const int to = static_cast<int>((own.end < tile + BLOCK ? own.end : tile + BLOCK) - tile);
        Real tile_real = 0;
        Real tile_imaginary = 0;
        for (int j = from; j < to; ++j) {
            Real sine;
            Real cosine;
            Turns<Real>::phase(h, tile_x[j], &sine, &cosine);
            const long long place = term + (tile + j - own.begin) * stride;
            if constexpr (KIND == Kind::Adjoint) {
                if (place >= 0 && place < terms) {
                    out[place] = gradient[0] * cosine + gradient[1] * sine;
                }
            } else {
                Real weight = 0;
                if constexpr (KIND == Kind::PerAtom) {
                    weight = tile_weight[j];
                } else if (place >= 0 && place < terms) {
                    weight = widen(values[place]);
                }
                tile_real += weight * cosine;
                tile_imaginary += weight * sine;
            }
        }
        real += tile_real;
        imaginary += tile_imaginary;
        __syncthreads(); // the next tile overwrites this one
    }
    if constexpr (KIND != Kind::Adjoint) {
        if (row <= last) {
            out[2 * row] = real;
            out[2 * row + 1] = imaginary;
        }
    }
}

// One block for each atom.
template <typename Real>
static __device__ __forceinline__ void position_gradient(const Real* __restrict__ frac, const Real* __restrict__ weights,
                                                         const Real* __restrict__ g, const int* __restrict__ hkl,
                                                         const long long* __restrict__ atom_offsets,
                                                         const long long* __restrict__ hkl_offsets,
                                                         const long long* __restrict__ term_first, long long crystals,
                                                         long long atoms, long long reflections, long long terms,
                                                         Real* __restrict__ out) {
    __shared__ Real sums[3][BLOCK];
    const int thread = static_cast<int>(threadIdx.x);
    const long long atom = blockIdx.x;
    const long long crystal = owner(atom_offsets, crystals, atom);
    const Rows own = rows_of(atom_offsets, crystal, atoms);
    const Rows lines = rows_of(hkl_offsets, crystal, reflections);
    const long long term = term_first[crystal] + (atom - own.begin) * (lines.end - lines.begin) - lines.begin;
    typename Turns<Real>::Coordinate x[3];
    for (int axis = 0; axis < 3; ++axis) {
        x[axis] = Turns<Real>::hold(frac[3 * atom + axis]);
    }
    Real sum[3] = {0, 0, 0};
    for (long long row = lines.begin + thread; row < lines.end; row += BLOCK) {
        int h[3];
        for (int axis = 0; axis < 3; ++axis) {
            h[axis] = hkl[3 * row + axis];
        }
        Real sine;
        Real cosine;
        Turns<Real>::phase(h, x, &sine, &cosine);
        const long long place = term + row;
        const Real weight = place >= 0 && place < terms ? weights[place] : Real(0);
        const Real slope = weight * (g[2 * row + 1] * cosine - g[2 * row] * sine);
        for (int axis = 0; axis < 3; ++axis) {
            sum[axis] += static_cast<Real>(h[axis]) * slope;
        }
    }
    for (int axis = 0; axis < 3; ++axis) {
        sums[axis][thread] = sum[axis];
    }
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            for (int axis = 0; axis < 3; ++axis) {
                sums[axis][thread] += sums[axis][thread + half];
            }
        }
    }
    if (thread == 0) {
        for (int axis = 0; axis < 3; ++axis) {
            out[3 * atom + axis] = static_cast<Real>(6.283185307179586) * sums[axis][0];
        }
    }
}

#define RECIPNET_ENTRY(NAME, KIND, REAL, STORED)                                                                       \
    extern "C" __global__ void __launch_bounds__(BLOCK)                                                                \
        NAME(const REAL* frac, const STORED* values, const int* hkl, const long long* atom_offsets,                    \
             const long long* hkl_offsets, const long long* term_first, long long crystals, long long atoms,           \
             long long reflections, long long terms, REAL* out) {                                                      \
        structure_factor<KIND, REAL, STORED>(frac, values, hkl, atom_offsets, hkl_offsets, term_first, crystals, atoms, \
                                             reflections, terms, out);                                                 \
    }

RECIPNET_ENTRY(structure_factor_f32, Kind::PerAtom, float, float)
RECIPNET_ENTRY(structure_factor_f64, Kind::PerAtom, double, double)
RECIPNET_ENTRY(structure_factor_bf16, Kind::PerAtom, float, Bf16)
RECIPNET_ENTRY(structure_factor_fp16, Kind::PerAtom, float, Fp16)
RECIPNET_ENTRY(term_forward_f32, Kind::PerTerm, float, float)
RECIPNET_ENTRY(term_forward_f64, Kind::PerTerm, double, double)
RECIPNET_ENTRY(term_forward_bf16, Kind::PerTerm, float, Bf16)
RECIPNET_ENTRY(term_forward_fp16, Kind::PerTerm, float, Fp16)
RECIPNET_ENTRY(term_adjoint_f32, Kind::Adjoint, float, float)
RECIPNET_ENTRY(term_adjoint_f64, Kind::Adjoint, double, double)

#define RECIPNET_GRADIENT(NAME, REAL)                                                                                  \
    extern "C" __global__ void __launch_bounds__(BLOCK)                                                                \
        NAME(const REAL* frac, const REAL* weights, const REAL* g, const int* hkl, const long long* atom_offsets,      \
             const long long* hkl_offsets, const long long* term_first, long long crystals, long long atoms,           \
             long long reflections, long long terms, REAL* out) {                                                      \
        position_gradient<REAL>(frac, weights, g, hkl, atom_offsets, hkl_offsets, term_first, crystals, atoms,         \
                                reflections, terms, out);                                                              \
    }

RECIPNET_GRADIENT(term_position_gradient_f32, float)
RECIPNET_GRADIENT(term_position_gradient_f64, double)

#undef RECIPNET_ENTRY
#undef RECIPNET_GRADIENT
