// Tensor cores and asynchronous copies, for compute_80.
#include <cuda_bf16.h>
#include <cuda_pipeline.h>

// D = A·B for one 16×8 tile of a warp, A [16, k] and B [k, 8] row-major, operands rounded to tf32.
extern "C" __global__ void tf32(float* d, const float* a, const float* b, int k) {
  int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  float c[4] = {};
  for (int k0 = 0; k0 < k; k0 += 8) {
    unsigned x[4], y[2];
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(x[0]) : "f"(a[g * k + k0 + t]));
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(x[1]) : "f"(a[(g + 8) * k + k0 + t]));
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(x[2]) : "f"(a[g * k + k0 + t + 4]));
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(x[3]) : "f"(a[(g + 8) * k + k0 + t + 4]));
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y[0]) : "f"(b[(k0 + t) * 8 + g]));
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y[1]) : "f"(b[(k0 + t + 4) * 8 + g]));
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
  }
  d[g * 8 + 2 * t] = c[0];
  d[g * 8 + 2 * t + 1] = c[1];
  d[(g + 8) * 8 + 2 * t] = c[2];
  d[(g + 8) * 8 + 2 * t + 1] = c[3];
}

// D = A·Bᵀ for one 16×8 tile, A [16, 16] and B [8, 16] in bfloat16, by cp.async, ldmatrix and mma.
extern "C" __global__ void bf16(float* d, const __nv_bfloat16* a, const __nv_bfloat16* b) {
  __shared__ __align__(16) __nv_bfloat16 as[16][16], bs[8][16];
  int lane = threadIdx.x;
  __pipeline_memcpy_async(&as[lane / 2][lane % 2 * 8], &a[lane * 8], 16);
  if (lane < 16) __pipeline_memcpy_async(&bs[lane / 2][lane % 2 * 8], &b[lane * 8], 16);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  __syncthreads();
  unsigned x[4], y[2];
  unsigned pa = (unsigned)__cvta_generic_to_shared(&as[lane % 16][lane / 16 * 8]);
  unsigned pb = (unsigned)__cvta_generic_to_shared(&bs[lane % 8][lane / 8 % 2 * 8]);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(pa));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(y[0]), "=r"(y[1]) : "r"(pb));
  float c[4] = {};
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
  int g = lane / 4, t = lane % 4;
  d[g * 8 + 2 * t] = c[0];
  d[g * 8 + 2 * t + 1] = c[1];
  d[(g + 8) * 8 + 2 * t] = c[2];
  d[(g + 8) * 8 + 2 * t + 1] = c[3];
}

// Reads what cp.async delivers without waiting for it.
extern "C" __global__ void unwaitedCopy(float* y, const float4* x) {
  __shared__ __align__(16) float4 s[32];
  __pipeline_memcpy_async(&s[threadIdx.x], &x[threadIdx.x], 16);
  __pipeline_commit();
  y[threadIdx.x] = s[threadIdx.x].x;  // fault
}
