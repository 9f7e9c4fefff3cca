// The matrix units, as channels_matrix.cu uses them. Put before that file when it is compiled for a device;
// tests/gpu/host_shim/matrix_host.hpp is the same for CPU threads.

// Two float16, the first in the low bits.
using Pair = unsigned int;

// Rounded to nearest, ties to even.
static __device__ __forceinline__ Pair narrow(float first, float second) {
    Pair pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}

static __device__ __forceinline__ void widen(Pair pair, float& first, float& second) {
    asm("{.reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
        : "=f"(first), "=f"(second)
        : "r"(pair));
}

// sum (16 x 8) += a (16 x 16) . b (16 x 8), all 32 lanes of a warp together. With g = lane / 4 and t = lane % 4 a lane holds
//     a   (g, 2 t + i)  (g + 8, 2 t + i)  (g, 2 t + 8 + i)  (g + 8, 2 t + 8 + i)
//     b   (2 t + i, g)  (2 t + 8 + i, g)
//     sum (g, 2 t)  (g, 2 t + 1)  (g + 8, 2 t)  (g + 8, 2 t + 1)
// as (row, column), i = 0, 1 being the two of a pair (PTX ISA, "Matrix Fragments for mma.m16n8k16").
static __device__ __forceinline__ void mma_f16(float (&sum)[4], const Pair (&a)[4], const Pair (&b)[2]) {
    // Inputs apart from outputs, so that sums which start at zero cost no instruction.
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%10, %11, %12, %13};"
                 : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(sum[0]), "f"(sum[1]),
                   "f"(sum[2]), "f"(sum[3]));
}

// Before sums are read: on CPU threads the lanes meet here and compute what mma_f16 noted down.
static __device__ __forceinline__ void mma_settle() {}
