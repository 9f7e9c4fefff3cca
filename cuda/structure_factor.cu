// Structure factors with one weight per atom, per atom and reflection (a term), or per kind of atom and reflection, read from
// tables (table.cuh), for a whole ragged batch in one launch:
//
//     F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)
//
// and for the last two the adjoint, Re[conj(exp(+2 pi i h.x_j)) g(h)] of every term or its sums over the atoms of a kind, and
// the position gradient 2 pi sum_h h w_j(h) (g_im cos - g_re sin). Terms lie crystal after crystal, atom-major inside.
//
// A thread owns one reflection (a lane, in the position gradient, its share of those of some atoms) and adds in a fixed
// order, so the result does not depend on the launch and no atomics are needed. A block's reflections may belong to several
// crystals: the atoms of all of them pass through shared memory in tiles, and a thread takes those of its own crystal. Sums
// are kept per tile first, which bounds their rounding.
//
// `size`: the number of terms, or of kinds. `where`: the kind of each atom; or, for terms, their number up to the end of each
// crystal (see term_ends), without which every block counts those before its own.
//
// Launch: BLOCK threads a block; ceil(H / BLOCK) blocks, or ceil(N / GRADIENT_ATOMS) for the position gradient.
// term_ends: one block of SCAN.

constexpr int BLOCK = 128;
constexpr int WARP = 32;
constexpr int WARP_ATOMS = 4;            // atoms of a warp in the position gradient
constexpr int GRADIENT_ATOMS = 16; // of a block
constexpr int SCAN = 1024;
static_assert(GRADIENT_ATOMS == BLOCK / WARP * WARP_ATOMS);

enum class Weights { OfAtom, OfTerm, OfKind };

// The crystal that owns row `row`: the last b of low .. high with offsets[b] <= row. Empty crystals own no row and are passed
// over.
static __device__ __forceinline__ long long owner(const long long* offsets, long long low, long long high, long long row) {
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

// The same of low .. end - 1, by all threads of a block together: each looks at one place, so that few of the looks wait for
// one another. The crystals that follow `low` are tried first if it is not the batch's first.
static __device__ __forceinline__ long long owner_of_block(const long long* offsets, long long low, long long end,
                                                            long long row) {
    long long step = low > 0 ? 1 : (end + BLOCK) / (BLOCK + 1);
    while (true) {
        const long long place = low + step * (static_cast<int>(threadIdx.x) + 1);
        const int passed = __syncthreads_count(place < end && offsets[place] <= row);
        low += passed * step;
        if (step <= 1 && passed < BLOCK) {
            return low;
        }
        if (passed < BLOCK && low + step < end) {
            end = low + step;
        }
        step = (end - low + BLOCK) / (BLOCK + 1);
    }
}

// An atom in shared memory, read at one go. `weight` is zero where it does not belong to the atom alone.
template <typename Real> struct alignas(4 * sizeof(Real)) Atom {
    typename Turns<Real>::Coordinate x[3];
    Real weight;
};

template <typename Number> static __device__ __forceinline__ Number sum_of_warp(Number value) {
    for (int other = WARP / 2; other > 0; other /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, other);
    }
    return value;
}

static __device__ __forceinline__ long long terms_of(const long long* atom_offsets, const long long* hkl_offsets,
                                                     long long crystal, long long atoms, long long reflections) {
    const Rows own = rows_of(atom_offsets, crystal, atoms);
    const Rows lines = rows_of(hkl_offsets, crystal, reflections);
    return (own.end - own.begin) * (lines.end - lines.begin);
}

// Number of terms before a block's first crystal, counted by all its threads together; nobody asks where there are `ends`.
static __device__ __forceinline__ long long terms_before(const long long* ends, const long long* atom_offsets,
                                                         const long long* hkl_offsets, long long first, long long atoms,
                                                         long long reflections) {
    __shared__ long long parts[BLOCK / WARP];
    const int thread = static_cast<int>(threadIdx.x);
    if (ends != nullptr) {
        return 0;
    }
    long long part = 0;
    for (long long crystal = thread; crystal < first; crystal += BLOCK) {
        part += terms_of(atom_offsets, hkl_offsets, crystal, atoms, reflections);
    }
    part = sum_of_warp(part);
    if (thread % WARP == 0) {
        parts[thread / WARP] = part;
    }
    __syncthreads();
    long long sum = 0;
    for (int warp = 0; warp < BLOCK / WARP; ++warp) {
        sum += parts[warp];
    }
    return sum;
}

// The same before `crystal`, if there are `terms` before `known`, which is not after it.
static __device__ __forceinline__ long long terms_until(const long long* ends, const long long* atom_offsets,
                                                        const long long* hkl_offsets, long long terms, long long known,
                                                        long long crystal, long long atoms, long long reflections) {
    if (ends != nullptr) {
        return crystal > 0 ? ends[crystal - 1] : 0;
    }
    for (; known < crystal; ++known) {
        terms += terms_of(atom_offsets, hkl_offsets, known, atoms, reflections);
    }
    return terms;
}

// The first term of a crystal's atom `atom` (its own number) and reflection `line`, if its terms begin at `begin`; negative
// if they are not among those there are.
static __device__ __forceinline__ long long term_of(long long begin, Rows own, Rows lines, long long atom, long long line,
                                                    long long size) {
    const long long stride = lines.end - lines.begin;
    const bool there = begin >= 0 && begin + (own.end - own.begin) * stride <= size;
    return there ? begin + atom * stride + line : -1;
}

// `values`: weights (N,) or (terms,), a table (kinds, columns), or g (H, 2) for an adjoint. `out`: F (H, 2); for an adjoint
// (terms,) or (H, kinds), which are yet to be added to a table.
template <bool ADJOINT, Weights WEIGHTS, typename Real, typename Stored>
static __device__ __forceinline__ void structure_factor(const Real* __restrict__ frac, const Stored* __restrict__ values,
                                                        const int* __restrict__ hkl,
                                                        const long long* __restrict__ atom_offsets,
                                                        const long long* __restrict__ hkl_offsets,
                                                        const long long* __restrict__ where, long long crystals,
                                                        long long atoms, long long reflections, long long size,
                                                        Lookup<Real> lookup, Real* __restrict__ out) {
    constexpr int AHEAD = sizeof(Real) == sizeof(float) ? 4 : 1;
    __shared__ Atom<Real> tile_atoms[BLOCK];
    __shared__ int tile_kinds[WEIGHTS == Weights::OfKind ? BLOCK : 1];

    const int thread = static_cast<int>(threadIdx.x);
    const long long first = static_cast<long long>(blockIdx.x) * BLOCK;
    const long long last = first + BLOCK < reflections ? first + BLOCK - 1 : reflections - 1;
    const long long row = first + thread;

    // The atoms that this block needs, and those of this thread's crystal (none past the last reflection).
    const long long first_crystal = owner_of_block(hkl_offsets, 0, crystals, first);
    const long long last_crystal = owner_of_block(hkl_offsets, first_crystal, crystals, last);
    long long terms = 0;
    if constexpr (WEIGHTS == Weights::OfTerm) {
        terms = terms_before(where, atom_offsets, hkl_offsets, first_crystal, atoms, reflections);
    }
    const long long block_begin = rows_of(atom_offsets, first_crystal, atoms).begin;
    const long long block_end = rows_of(atom_offsets, last_crystal, atoms).end;
    Rows own = {0, 0};
    int h[3] = {0, 0, 0};
    Real gradient[2] = {0, 0};
    long long place = 0; // of the first weight, or of its adjoint
    long long stride = 0;
    Stencil<Real> stencil = {};
    if (row <= last) {
        const long long crystal = owner(hkl_offsets, first_crystal, last_crystal, row);
        own = rows_of(atom_offsets, crystal, atoms);
        for (int axis = 0; axis < 3; ++axis) {
            h[axis] = hkl[3 * row + axis];
        }
        bool sound = own.begin >= block_begin && own.end <= block_end;
        if constexpr (WEIGHTS == Weights::OfTerm) {
            const Rows lines = rows_of(hkl_offsets, crystal, reflections);
            stride = lines.end - lines.begin;
            terms = terms_until(where, atom_offsets, hkl_offsets, terms, first_crystal, crystal, atoms, reflections);
            place = term_of(terms, own, lines, 0, row - lines.begin, size);
            sound = sound && place >= 0 && row < lines.end;
        }
        if (!sound) { // the offsets are wrong
            own = {0, 0};
        }
        if constexpr (WEIGHTS == Weights::OfKind && ADJOINT) {
            place = row * size;
        } else if constexpr (WEIGHTS == Weights::OfKind) {
            stencil = stencil_of(lookup, row);
        }
        if constexpr (ADJOINT) {
            gradient[0] = values[2 * row];
            gradient[1] = values[2 * row + 1];
            if constexpr (WEIGHTS == Weights::OfKind) {
                for (long long kind = 0; kind < size; ++kind) {
                    out[place + kind] = 0;
                }
            }
        }
    }

    Real real = 0;
    Real imaginary = 0;
    for (long long tile = block_begin; tile < block_end; tile += BLOCK) {
        const long long atom = tile + thread;
        if (atom < block_end) {
            Atom<Real> held = {};
            for (int axis = 0; axis < 3; ++axis) {
                held.x[axis] = Turns<Real>::hold(frac[3 * atom + axis]);
            }
            held.weight = fault(frac + 3 * atom);
            if constexpr (WEIGHTS == Weights::OfAtom) {
                held.weight += widen(values[atom]);
            }
            if constexpr (WEIGHTS == Weights::OfKind) {
                const long long kind = where[atom];
                tile_kinds[thread] = kind >= 0 && kind < size ? static_cast<int>(kind) : -1;
            }
            tile_atoms[thread] = held;
        }
        __syncthreads();
        const int from = static_cast<int>((own.begin > tile ? own.begin : tile) - tile);
        const int to = static_cast<int>((own.end < tile + BLOCK ? own.end : tile + BLOCK) - tile);
        Real tile_real = 0;
        Real tile_imaginary = 0;
        int run = -1; // the kind whose sum tile_real is, in an adjoint
        const long long begin = place + (tile + from - own.begin) * stride;
        const Stored* source = values + begin; // of the next weight, or where its adjoint goes
        Real* target = out + begin;
        // Weights are asked for while those before them are used: they are long on their way.
        Real next[AHEAD];
        const auto fetch = [&](int j) {
#pragma unroll
            for (int i = 0; i < AHEAD; ++i) {
                next[i] = 0;
                if (!ADJOINT && j + i < to) {
                    if constexpr (WEIGHTS == Weights::OfAtom) {
                        next[i] = tile_atoms[j + i].weight;
                    } else if constexpr (WEIGHTS == Weights::OfTerm) {
                        next[i] = widen(*source);
                    } else if (tile_kinds[j + i] >= 0) {
                        next[i] = read(values, lookup.columns, tile_kinds[j + i], stencil);
                    }
                }
                source += stride;
            }
        };
        fetch(from);
        for (int j = from; j < to; j += AHEAD) {
            Real weights[AHEAD];
#pragma unroll
            for (int i = 0; i < AHEAD; ++i) {
                weights[i] = next[i];
            }
            fetch(j + AHEAD);
#pragma unroll
            for (int i = 0; i < AHEAD; ++i) {
                // Past the end the last atom once more, with weight zero: no branch.
                const Atom<Real> with = tile_atoms[j + i < to ? j + i : to - 1];
                Real sine;
                Real cosine;
                Turns<Real>::phase(h, with.x, WEIGHTS == Weights::OfAtom ? Real(0) : with.weight, &sine, &cosine);
                const Real term = gradient[0] * cosine + gradient[1] * sine;
                if constexpr (!ADJOINT) {
                    tile_real += weights[i] * cosine;
                    tile_imaginary += weights[i] * sine;
                } else if (j + i < to) {
                    if constexpr (WEIGHTS == Weights::OfTerm) {
                        *target = term;
                    } else {
                        if (tile_kinds[j + i] != run) {
                            if (run >= 0) {
                                target[run] += tile_real;
                            }
                            run = tile_kinds[j + i];
                            tile_real = 0;
                        }
                        tile_real += term;
                    }
                }
                target += stride;
            }
        }
        if (ADJOINT && run >= 0) {
            target[run] += tile_real;
        }
        real += tile_real;
        imaginary += tile_imaginary;
        __syncthreads(); // the next tile overwrites this one
    }
    if constexpr (!ADJOINT) {
        if (row <= last) {
            out[2 * row] = real;
            out[2 * row + 1] = imaginary;
        }
    }
}

// A warp takes WARP_ATOMS atoms, those of one crystal together; a lane every 32nd reflection of theirs.
template <Weights WEIGHTS, typename Real>
static __device__ __forceinline__ void position_gradient(const Real* __restrict__ frac, const Real* __restrict__ weights,
                                                         const Real* __restrict__ g, const int* __restrict__ hkl,
                                                         const long long* __restrict__ atom_offsets,
                                                         const long long* __restrict__ hkl_offsets,
                                                         const long long* __restrict__ where, long long crystals,
                                                         long long atoms, long long reflections, long long size,
                                                         Lookup<Real> lookup, Real* __restrict__ out) {
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const long long first = static_cast<long long>(blockIdx.x) * GRADIENT_ATOMS;
    const long long last = (first + GRADIENT_ATOMS < atoms ? first + GRADIENT_ATOMS : atoms) - 1;
    const long long first_crystal = owner_of_block(atom_offsets, 0, crystals, first);
    const long long last_crystal = owner_of_block(atom_offsets, first_crystal, crystals, last);
    long long known = first_crystal; // `terms` are before this one
    long long terms = 0;
    if constexpr (WEIGHTS == Weights::OfTerm) {
        terms = terms_before(where, atom_offsets, hkl_offsets, first_crystal, atoms, reflections);
    }
    long long atom = first + static_cast<int>(threadIdx.x) / WARP * WARP_ATOMS;
    const long long warp_end = atom + WARP_ATOMS <= last ? atom + WARP_ATOMS : last + 1;
    while (atom < warp_end) {
        const long long crystal = owner(atom_offsets, first_crystal, last_crystal, atom);
        const Rows own = rows_of(atom_offsets, crystal, atoms);
        Rows lines = rows_of(hkl_offsets, crystal, reflections);
        long long stop = own.end < warp_end ? own.end : warp_end;
        if (atom < own.begin || atom >= own.end) { // the offsets are wrong
            lines = {0, 0};
            stop = atom + 1;
        }
        const int count = static_cast<int>(stop - atom);
        long long place = 0; // of the weight of the first atom and reflection
        long long step = 0;  // to the next atom's
        if constexpr (WEIGHTS == Weights::OfTerm) {
            terms = terms_until(where, atom_offsets, hkl_offsets, terms, known, crystal, atoms, reflections);
            known = crystal;
            place = term_of(terms, own, lines, atom - own.begin, 0, size);
            step = lines.end - lines.begin;
            if (place < 0) {
                lines = {0, 0};
            }
        }
        Atom<Real> held[WARP_ATOMS] = {};
        long long kinds[WARP_ATOMS] = {};
        Real sums[WARP_ATOMS][3] = {};
#pragma unroll
        for (int i = 0; i < WARP_ATOMS; ++i) {
            if (i < count) {
                for (int axis = 0; axis < 3; ++axis) {
                    held[i].x[axis] = Turns<Real>::hold(frac[3 * (atom + i) + axis]);
                }
                held[i].weight = fault(frac + 3 * (atom + i));
                kinds[i] = WEIGHTS == Weights::OfKind ? where[atom + i] : 0;
            }
        }
        for (long long row = lines.begin + lane; row < lines.end; row += WARP) {
            int h[3];
            for (int axis = 0; axis < 3; ++axis) {
                h[axis] = hkl[3 * row + axis];
            }
            const Real g_re = g[2 * row];
            const Real g_im = g[2 * row + 1];
            Stencil<Real> stencil = {};
            if constexpr (WEIGHTS == Weights::OfKind) {
                stencil = stencil_of(lookup, row);
            }
#pragma unroll
            for (int i = 0; i < WARP_ATOMS; ++i) {
                if (i < count) {
                    Real weight = 0;
                    if constexpr (WEIGHTS == Weights::OfTerm) {
                        weight = weights[place + i * step + row - lines.begin];
                    } else if (kinds[i] >= 0 && kinds[i] < size) {
                        weight = read(weights, lookup.columns, kinds[i], stencil);
                    }
                    Real sine;
                    Real cosine;
                    Turns<Real>::phase(h, held[i].x, held[i].weight, &sine, &cosine);
                    const Real slope = weight * (g_im * cosine - g_re * sine);
                    for (int axis = 0; axis < 3; ++axis) {
                        sums[i][axis] += static_cast<Real>(h[axis]) * slope;
                    }
                }
            }
        }
#pragma unroll
        for (int i = 0; i < WARP_ATOMS; ++i) {
            for (int axis = 0; axis < 3; ++axis) {
                const Real sum = sum_of_warp(sums[i][axis]);
                if (lane == 0 && i < count) {
                    out[3 * (atom + i) + axis] = static_cast<Real>(6.283185307179586) * sum;
                }
            }
        }
        atom = stop;
    }
}

#define RECIPNET_ENTRY(NAME, ADJOINT, WEIGHTS, REAL, STORED)                                                           \
    extern "C" __global__ void __launch_bounds__(BLOCK, sizeof(REAL) == sizeof(float) ? 8 : 4)                     \
        NAME(const REAL* frac, const STORED* values, const int* hkl, const long long* atom_offsets,                    \
             const long long* hkl_offsets, const long long* where, long long crystals, long long atoms,                \
             long long reflections, long long size, REAL* out) {                                                       \
        structure_factor<ADJOINT, Weights::WEIGHTS, REAL, STORED>(frac, values, hkl, atom_offsets, hkl_offsets, where, \
                                                                  crystals, atoms, reflections, size, {}, out);        \
    }

RECIPNET_ENTRY(structure_factor_f32, false, OfAtom, float, float)
RECIPNET_ENTRY(structure_factor_f64, false, OfAtom, double, double)
RECIPNET_ENTRY(structure_factor_bf16, false, OfAtom, float, Bf16)
RECIPNET_ENTRY(structure_factor_fp16, false, OfAtom, float, Fp16)
RECIPNET_ENTRY(term_forward_f32, false, OfTerm, float, float)
RECIPNET_ENTRY(term_forward_f64, false, OfTerm, double, double)
RECIPNET_ENTRY(term_forward_bf16, false, OfTerm, float, Bf16)
RECIPNET_ENTRY(term_forward_fp16, false, OfTerm, float, Fp16)
RECIPNET_ENTRY(term_adjoint_f32, true, OfTerm, float, float)
RECIPNET_ENTRY(term_adjoint_f64, true, OfTerm, double, double)
RECIPNET_ENTRY(kind_adjoint_f32, true, OfKind, float, float)
RECIPNET_ENTRY(kind_adjoint_f64, true, OfKind, double, double)

#define RECIPNET_GRADIENT(NAME, WEIGHTS, REAL)                                                                         \
    extern "C" __global__ void __launch_bounds__(BLOCK, 4)                                                                \
        NAME(const REAL* frac, const REAL* weights, const REAL* g, const int* hkl, const long long* atom_offsets,      \
             const long long* hkl_offsets, const long long* where, long long crystals, long long atoms,                \
             long long reflections, long long size, REAL* out) {                                                       \
        position_gradient<Weights::WEIGHTS, REAL>(frac, weights, g, hkl, atom_offsets, hkl_offsets, where, crystals,   \
                                                  atoms, reflections, size, {}, out);                                  \
    }

RECIPNET_GRADIENT(term_position_gradient_f32, OfTerm, float)
RECIPNET_GRADIENT(term_position_gradient_f64, OfTerm, double)

#define RECIPNET_TABLE(NAME, REAL)                                                                                     \
    extern "C" __global__ void __launch_bounds__(BLOCK, sizeof(REAL) == sizeof(float) ? 8 : 4)                         \
        NAME(const REAL* frac, const REAL* values, const int* hkl, const long long* atom_offsets,                      \
             const long long* hkl_offsets, const long long* where, long long crystals, long long atoms,                \
             long long reflections, long long size, const REAL* places, long long columns, long long order, REAL* out) {\
        structure_factor<false, Weights::OfKind, REAL, REAL>(frac, values, hkl, atom_offsets, hkl_offsets, where,      \
                                                             crystals, atoms, reflections, size,                       \
                                                             {places, columns, order}, out);                           \
    }

RECIPNET_TABLE(table_forward_f32, float)
RECIPNET_TABLE(table_forward_f64, double)

#define RECIPNET_TABLE_GRADIENT(NAME, REAL)                                                                            \
    extern "C" __global__ void __launch_bounds__(BLOCK, 4)                                                             \
        NAME(const REAL* frac, const REAL* values, const REAL* g, const int* hkl, const long long* atom_offsets,       \
             const long long* hkl_offsets, const long long* where, long long crystals, long long atoms,                \
             long long reflections, long long size, const REAL* places, long long columns, long long order, REAL* out) {\
        position_gradient<Weights::OfKind, REAL>(frac, values, g, hkl, atom_offsets, hkl_offsets, where, crystals,     \
                                                 atoms, reflections, size, {places, columns, order}, out);             \
    }

RECIPNET_TABLE_GRADIENT(table_position_gradient_f32, float)
RECIPNET_TABLE_GRADIENT(table_position_gradient_f64, double)

#undef RECIPNET_ENTRY
#undef RECIPNET_GRADIENT
#undef RECIPNET_TABLE
#undef RECIPNET_TABLE_GRADIENT

// Number of terms up to the end of each crystal, (B,).
#define RECIPNET_SCAN(NAME)                                                                                            \
    extern "C" __global__ void __launch_bounds__(SCAN)                                                                 \
        NAME(const long long* atom_offsets, const long long* hkl_offsets, long long crystals, long long atoms,         \
             long long reflections, long long* ends)

// A warp takes crystals that follow one another, twice: for their sum, and once it knows what the warps before it found.
RECIPNET_SCAN(term_ends) {
    __shared__ long long sums[SCAN / WARP];
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const int warp = static_cast<int>(threadIdx.x) / WARP;
    const long long each = (crystals + SCAN - 1) / SCAN * WARP;
    const long long begin = clamp(each * warp, crystals);
    const long long end = clamp(begin + each, crystals);
    long long sum = 0;
    for (long long crystal = begin + lane; crystal < end; crystal += WARP) {
        sum += terms_of(atom_offsets, hkl_offsets, crystal, atoms, reflections);
    }
    sum = sum_of_warp(sum);
    if (lane == 0) {
        sums[warp] = sum;
    }
    __syncthreads();
    long long total = sum_of_warp(lane < warp ? sums[lane] : 0);
    for (long long tile = begin; tile < end; tile += WARP) {
        const long long crystal = tile + lane;
        long long run = crystal < end ? terms_of(atom_offsets, hkl_offsets, crystal, atoms, reflections) : 0;
        for (int step = 1; step < WARP; step *= 2) {
            const long long before = __shfl_up_sync(0xffffffffu, run, static_cast<unsigned int>(step));
            run += lane >= step ? before : 0;
        }
        if (crystal < end) {
            ends[crystal] = total + run;
        }
        total += __shfl_sync(0xffffffffu, run, WARP - 1);
    }
}

#undef RECIPNET_SCAN
