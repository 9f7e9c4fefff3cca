// Fourier sums with C channels, for a whole ragged batch in one launch:
//
//     forward             S[h,c] = sum_j q[j,c] exp(+2 pi i h.x_j)
//     adjoint             y[j,c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h,c]]
//     position gradient   g_j = 2 pi sum_h h sum_c q[j,c] (t_im cos - t_re sin)
//
// Forward and adjoint are matrix products with a matrix of phases that is made tile by tile in shared memory: a block owns
// ROWS rows of one crystal by COLUMNS channels, a thread 4 by 4 of them, and the rows that are summed over pass by, DEPTH at
// a time.
//
// Launch: THREADS threads a block; forward H / ROWS + B (see share_of) x ceil(C / COLUMNS) blocks, adjoint N / ROWS + B x the
// same, position gradient N / SIDE + B blocks.

constexpr int THREADS = 256;
constexpr int ROWS = 64;
constexpr int COLUMNS = 64;
constexpr int DEPTH = 16;
constexpr int SIDE = 16;
constexpr int EACH = 4;

// FORWARD: own rows are reflections, others atoms, `values` q (N, C). Else own rows are atoms, others reflections, `values`
// t (H, C, 2).
template <bool FORWARD, typename Real, typename Stored>
static __device__ __forceinline__ void product(const Stored* __restrict__ values, const Real* __restrict__ frac,
                                               const int* __restrict__ hkl, Span span, long long crystals,
                                               long long channels, Real* __restrict__ out) {
    using Coordinate = typename Turns<Real>::Coordinate;
    constexpr int PARTS = FORWARD ? 1 : 2; // of a value
    __shared__ int tile_h[FORWARD ? ROWS : DEPTH][3];
    __shared__ Coordinate tile_x[FORWARD ? DEPTH : ROWS][3];
    __shared__ Real tile_fault[FORWARD ? DEPTH : ROWS];
    __shared__ Real cosines[DEPTH][ROWS];
    __shared__ Real sines[DEPTH][ROWS];
    __shared__ Real tile_values[PARTS][DEPTH][COLUMNS];

    const int thread = static_cast<int>(threadIdx.x);
    const long long column = static_cast<long long>(blockIdx.y) * COLUMNS;
    const Share share = share_of<ROWS>(span, crystals, blockIdx.x);
    if (share.held == 0) {
        return;
    }
    if (thread < share.held) {
        const long long row = share.first + thread;
        for (int axis = 0; axis < 3; ++axis) {
            if constexpr (FORWARD) {
                tile_h[thread][axis] = hkl[3 * row + axis];
            } else {
                tile_x[thread][axis] = Turns<Real>::hold(frac[3 * row + axis]);
            }
        }
        if constexpr (!FORWARD) {
            tile_fault[thread] = fault(frac + 3 * row);
        }
    }
    const long long end = share.other.end;
    const int own = EACH * (thread / (COLUMNS / EACH));
    const int lane = thread % (COLUMNS / EACH);

    Real real[EACH][EACH] = {};
    Real imaginary[EACH][EACH] = {};
    for (long long tile = share.other.begin; tile < end; tile += DEPTH) {
        if (thread < DEPTH && tile + thread < end) {
            for (int axis = 0; axis < 3; ++axis) {
                if constexpr (FORWARD) {
                    tile_x[thread][axis] = Turns<Real>::hold(frac[3 * (tile + thread) + axis]);
                } else {
                    tile_h[thread][axis] = hkl[3 * (tile + thread) + axis];
                }
            }
            if constexpr (FORWARD) {
                tile_fault[thread] = fault(frac + 3 * (tile + thread));
            }
        }
        for (int place = thread; place < DEPTH * COLUMNS; place += THREADS) {
            const long long other = tile + place / COLUMNS;
            const long long channel = column + place % COLUMNS;
            for (int part = 0; part < PARTS; ++part) {
                const bool there = other < end && channel < channels;
                tile_values[part][place / COLUMNS][place % COLUMNS] =
                    there ? widen(values[PARTS * (other * channels + channel) + part]) : Real(0);
            }
        }
        __syncthreads();
        for (int place = thread; place < DEPTH * ROWS; place += THREADS) {
            const int depth = place / ROWS;
            const int row = place % ROWS;
            Real sine = 0;
            Real cosine = 0;
            if (tile + depth < end && row < share.held) {
                Turns<Real>::phase(tile_h[FORWARD ? row : depth], tile_x[FORWARD ? depth : row],
                                   tile_fault[FORWARD ? depth : row], &sine, &cosine);
            }
            cosines[depth][row] = cosine;
            sines[depth][row] = sine;
        }
        __syncthreads();
        for (int depth = 0; depth < DEPTH; ++depth) {
            for (int i = 0; i < EACH; ++i) {
                const Real cosine = cosines[depth][own + i];
                const Real sine = sines[depth][own + i];
                for (int k = 0; k < EACH; ++k) {
                    const int place = lane + k * (COLUMNS / EACH);
                    if constexpr (FORWARD) {
                        real[i][k] += cosine * tile_values[0][depth][place];
                        imaginary[i][k] += sine * tile_values[0][depth][place];
                    } else {
                        real[i][k] += cosine * tile_values[0][depth][place];
                        real[i][k] += sine * tile_values[PARTS - 1][depth][place];
                    }
                }
            }
        }
        __syncthreads(); // the next tile overwrites this one
    }
    for (int i = 0; i < EACH; ++i) {
        for (int k = 0; k < EACH; ++k) {
            const long long channel = column + lane + k * (COLUMNS / EACH);
            if (own + i < share.held && channel < channels) {
                const long long place = (share.first + own + i) * channels + channel;
                if constexpr (FORWARD) {
                    out[2 * place] = real[i][k];
                    out[2 * place + 1] = imaginary[i][k];
                } else {
                    out[place] = real[i][k];
                }
            }
        }
    }
}

// A block owns SIDE atoms of a crystal; a thread one of them and one of SIDE reflections, of those that pass by.
template <typename Real>
static __device__ __forceinline__ void slope(const Real* __restrict__ q, const Real* __restrict__ t,
                                             const Real* __restrict__ frac, const int* __restrict__ hkl, Span span,
                                             long long crystals, long long channels, Real* __restrict__ out) {
    __shared__ Real tile_q[SIDE][SIDE + 1];
    __shared__ Real tile_t[2][SIDE][SIDE + 1];
    __shared__ Real sums[3][SIDE][SIDE];
    const int thread = static_cast<int>(threadIdx.x);
    const int atom = thread / SIDE;
    const int lane = thread % SIDE;
    const Share share = share_of<SIDE>(span, crystals, blockIdx.x);
    if (share.held == 0) {
        return;
    }
    const long long first = share.first;
    const int held = share.held;
    typename Turns<Real>::Coordinate x[3] = {};
    Real wrong = 0;
    if (atom < held) {
        for (int axis = 0; axis < 3; ++axis) {
            x[axis] = Turns<Real>::hold(frac[3 * (first + atom) + axis]);
        }
        wrong = fault(frac + 3 * (first + atom));
    }
    Real sum[3] = {0, 0, 0};
    for (long long tile = share.other.begin; tile < share.other.end; tile += SIDE) {
        const long long row = tile + lane;
        Real real = 0;
        Real imaginary = 0;
        for (long long column = 0; column < channels; column += SIDE) {
            // Here `atom` counts the rows of the tiles, `lane` their channels.
            const bool channel = column + lane < channels;
            tile_q[atom][lane] = channel && atom < held ? q[(first + atom) * channels + column + lane] : Real(0);
            const bool there = channel && tile + atom < span.other_count;
            for (int part = 0; part < 2; ++part) {
                tile_t[part][atom][lane] = there ? t[2 * ((tile + atom) * channels + column + lane) + part] : Real(0);
            }
            __syncthreads();
            for (int c = 0; c < SIDE; ++c) {
                real += tile_q[atom][c] * tile_t[0][lane][c];
                imaginary += tile_q[atom][c] * tile_t[1][lane][c];
            }
            __syncthreads(); // the next channels overwrite these
        }
        if (atom < held && row < share.other.end) {
            int h[3];
            for (int axis = 0; axis < 3; ++axis) {
                h[axis] = hkl[3 * row + axis];
            }
            Real sine;
            Real cosine;
            Turns<Real>::phase(h, x, wrong, &sine, &cosine);
            for (int axis = 0; axis < 3; ++axis) {
                sum[axis] += static_cast<Real>(h[axis]) * (imaginary * cosine - real * sine);
            }
        }
    }
    for (int axis = 0; axis < 3; ++axis) {
        sums[axis][atom][lane] = sum[axis];
    }
    __syncthreads();
    if (lane < 3 && atom < held) {
        Real total = 0;
        for (int part = 0; part < SIDE; ++part) {
            total += sums[lane][atom][part];
        }
        out[3 * (first + atom) + lane] = static_cast<Real>(6.283185307179586) * total;
    }
}

#define RECIPNET_ENTRY(NAME, FORWARD, REAL, STORED)                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, sizeof(REAL) == sizeof(float) ? 2 : 1)                          \
        NAME(const STORED* values, const REAL* frac, const int* hkl, const long long* atom_offsets,                    \
             const long long* hkl_offsets, long long crystals, long long atoms, long long reflections,                 \
             long long channels, REAL* out) {                                                                          \
        const Span span = FORWARD ? Span{hkl_offsets, atom_offsets, reflections, atoms}                                \
                                  : Span{atom_offsets, hkl_offsets, atoms, reflections};                               \
        product<FORWARD, REAL, STORED>(values, frac, hkl, span, crystals, channels, out);                              \
    }

RECIPNET_ENTRY(channel_forward_f32, true, float, float)
RECIPNET_ENTRY(channel_forward_f64, true, double, double)
RECIPNET_ENTRY(channel_forward_bf16, true, float, Bf16)
RECIPNET_ENTRY(channel_forward_fp16, true, float, Fp16)
RECIPNET_ENTRY(channel_adjoint_f32, false, float, float)
RECIPNET_ENTRY(channel_adjoint_f64, false, double, double)

#define RECIPNET_GRADIENT(NAME, REAL)                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS, sizeof(REAL) == sizeof(float) ? 2 : 1)                          \
        NAME(const REAL* q, const REAL* t, const REAL* frac, const int* hkl, const long long* atom_offsets,            \
             const long long* hkl_offsets, long long crystals, long long atoms, long long reflections,                 \
             long long channels, REAL* out) {                                                                          \
        const Span span = {atom_offsets, hkl_offsets, atoms, reflections};                                             \
        slope<REAL>(q, t, frac, hkl, span, crystals, channels, out);                                                   \
    }

RECIPNET_GRADIENT(channel_position_gradient_f32, float)
RECIPNET_GRADIENT(channel_position_gradient_f64, double)

#undef RECIPNET_ENTRY
#undef RECIPNET_GRADIENT
