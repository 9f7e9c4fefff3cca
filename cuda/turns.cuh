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

// Rows of one crystal that a block owns, `held` from `first` on, and those that they are summed over.
struct Share {
    long long first;
    int held;
    Rows other;
};

// Crystal b has the blocks from own_offsets[b] / ROWS + b on: never fewer than it needs, and one that is left over holds
// nothing. So there are own_count / ROWS + crystals blocks, and nobody has to count them beforehand.
template <int ROWS>
[[maybe_unused]] static __device__ __forceinline__ Share share_of(Span span, long long crystals, long long block) {
    const auto begin = [&](long long crystal) { return clamp(span.own_offsets[crystal], span.own_count) / ROWS + crystal; };
    long long low = 0;
    long long high = crystals - 1;
    while (low < high) {
        const long long middle = (low + high + 1) / 2;
        if (begin(middle) <= block) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    const Rows own = rows_of(span.own_offsets, low, span.own_count);
    const long long first = own.begin + (block - begin(low)) * ROWS;
    return {first, static_cast<int>(clamp(own.end - first, ROWS)), rows_of(span.other_offsets, low, span.other_count)};
}

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
