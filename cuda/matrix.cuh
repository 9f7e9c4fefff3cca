// The matrix units, as channels_matrix.cu uses them. Put before that file when it is compiled for a device;
// tests/gpu/host_shim/matrix_host.hpp is the same for CPU threads.

// sum (16 x 8) += a (16 x 8) . b (8 x 8), all 32 lanes of a warp together. With g = lane / 4 and t = lane % 4 a lane holds
//     a   (g, t)  (g + 8, t)  (g, t + 4)  (g + 8, t + 4)
//     b   (t, g)  (t + 4, g)
//     sum (g, 2 t)  (g, 2 t + 1)  (g + 8, 2 t)  (g + 8, 2 t + 1)
// as (row, column). a and b are TF32: float32 of which the 13 low bits are zero.
static __device__ __forceinline__ void mma_tf32(float (&sum)[4], const float (&a)[4], const float (&b)[2]) {
    // Inputs apart from outputs, so that sums which start at zero cost no instruction.
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%10, %11, %12, %13};"
                 : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
                 : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
                   "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])), "f"(sum[0]),
                   "f"(sum[1]), "f"(sum[2]), "f"(sum[3]));
}

// Before sums are read: on CPU threads the lanes meet here and compute what mma_tf32 noted down.
static __device__ __forceinline__ void mma_settle() {}
