// What all kernels share: phases, the crystal of a row, and numbers of 16 bits. Put before each .cu file when it is compiled.
//
// Crystal b owns the atoms atom_offsets[b] .. atom_offsets[b+1] and the reflections hkl_offsets[b] .. hkl_offsets[b+1].
// frac is (N,3), hkl (H,3); complex numbers are pairs with the real part first.

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

    // `fault` is zero, or not a number and so is the phase.
    static __device__ __forceinline__ void phase(const int* h, const Coordinate* x, float fault, float* sine, float* cosine) {
        of_count(static_cast<unsigned int>(h[0]) * x[0] + static_cast<unsigned int>(h[1]) * x[1]
                     + static_cast<unsigned int>(h[2]) * x[2],
                 fault, sine, cosine);
    }

    // Signed, the count is in [-1/2, 1/2) turns. For angles within +-pi the fast functions err by 4e-7 at most.
    static __device__ __forceinline__ void of_count(unsigned int turns, float fault, float* sine, float* cosine) {
        __sincosf(fmaf(static_cast<float>(static_cast<int>(turns)), 1.4629180792671596e-09f, fault), sine, cosine);
    }
};

// In float64 the product's own rounding stays below 1e-13 turns up to |h| of several hundred.
template <> struct Turns<double> {
    using Coordinate = double;

    static __device__ __forceinline__ Coordinate hold(double x) { return x - rint(x); }

    static __device__ __forceinline__ void phase(const int* h, const Coordinate* x, double, double* sine, double* cosine) {
        const double turns = fma(static_cast<double>(h[0]), x[0],
                                 fma(static_cast<double>(h[1]), x[1], static_cast<double>(h[2]) * x[2]));
        sincospi(2.0 * (turns - rint(turns)), sine, cosine);
    }
};

// Zero for an atom whose coordinates are finite, else not a number, which counts of turns cannot say.
[[maybe_unused]] static __device__ __forceinline__ float fault(const float* x) { return 0.0f * x[0] + 0.0f * x[1] + 0.0f * x[2]; }
[[maybe_unused]] static __device__ __forceinline__ double fault(const double*) { return 0; }

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
template <int THREADS>
[[maybe_unused]] static __device__ __forceinline__ long long owner_of_block(const long long* offsets, long long low,
                                                                             long long end, long long row) {
    long long step = low > 0 ? 1 : (end + THREADS) / (THREADS + 1);
    while (true) {
        const long long place = low + step * (static_cast<int>(threadIdx.x) + 1);
        const int passed = __syncthreads_count(place < end && offsets[place] <= row);
        low += passed * step;
        if (step <= 1 && passed < THREADS) {
            return low;
        }
        if (passed < THREADS && low + step < end) {
            end = low + step;
        }
        step = (end - low + THREADS) / (THREADS + 1);
    }
}

// Rows of crystal b, cut to what there is: offsets whose contents are wrong lead to wrong sums, never to a stray access.
struct Rows {
    long long begin;
    long long end;
};

static __device__ __forceinline__ long long clamp(long long row, long long count) {
    return row < 0 ? 0 : (row > count ? count : row);
}

static __device__ __forceinline__ Rows rows_of(const long long* offsets, long long crystal, long long count) {
    const long long begin = clamp(offsets[crystal], count);
    const long long end = clamp(offsets[crystal + 1], count);
    return {begin, end < begin ? begin : end};
}

// What products of rows share. `own`: the rows whose outputs a block holds (reflections or atoms), `other`: those that are
// summed over, each with their offsets.
struct Span {
    const long long* own_offsets;
    const long long* other_offsets;
    long long own_count;
    long long other_count;
};

// Numbers as they are stored: float, double, or 16 bits that are widened without a header of CUDA.
struct Bf16 {
    unsigned short bits;
};
struct Fp16 {
    unsigned short bits;
};

static __device__ __forceinline__ float widen(float x) { return x; }
[[maybe_unused]] static __device__ __forceinline__ double widen(double x) { return x; }
static __device__ __forceinline__ float widen(Bf16 x) { return __uint_as_float(static_cast<unsigned int>(x.bits) << 16); }
static __device__ __forceinline__ float widen(Fp16 x) {
    const unsigned int sign = static_cast<unsigned int>(x.bits & 0x8000u) << 16;
    const unsigned int magnitude = static_cast<unsigned int>(x.bits & 0x7fffu) << 13;
    if (magnitude >= 0x0f800000u) { // infinite or not a number
        return __uint_as_float(sign | magnitude | 0x70000000u);
    }
    // The exponent's offset is 127 instead of 15; the product makes normal numbers of those below 2^-14.
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude) * 5.192296858534828e33f));
}
