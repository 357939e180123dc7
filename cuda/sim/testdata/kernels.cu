// Kernels of the kinds that fovea has, each compared with plain host code by vmtest/kernels.cpp. Compiled for compute_75 but for
// the last two, which testdata/kernels80.cu holds.
#include <cuda_bf16.h>

// C = A·B, all row-major, M, N, K multiples of 64, 64, 8: 256 threads, 4×4 results each, tiles double-buffered in shared memory.
extern "C" __global__ void __launch_bounds__(256) matmul(float* __restrict__ c, const float* __restrict__ a, const float* __restrict__ b,
                                                         int m, int n, int k) {
  __shared__ __align__(16) float as[2][8][64];
  __shared__ __align__(16) float bs[2][8][64];
  int t = threadIdx.x, row0 = blockIdx.y * 64, col0 = blockIdx.x * 64;
  int tx = t % 16, ty = t / 16;
  float sum[4][4] = {};
  auto load = [&](int buffer, int k0) {
    for (int i = t; i < 512; i += 256) {
      as[buffer][i % 8][i / 8] = a[(row0 + i / 8) * k + k0 + i % 8];
      bs[buffer][i / 64][i % 64] = b[(k0 + i / 64) * n + col0 + i % 64];
    }
  };
  load(0, 0);
  __syncthreads();
  for (int k0 = 0; k0 < k; k0 += 8) {
    int now = k0 / 8 % 2;
    if (k0 + 8 < k) load(1 - now, k0 + 8);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float4 x = *reinterpret_cast<float4*>(&as[now][i][ty * 4]);
      float4 y = *reinterpret_cast<float4*>(&bs[now][i][tx * 4]);
      float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
      for (int r = 0; r < 4; r++)
#pragma unroll
        for (int s = 0; s < 4; s++) sum[r][s] = fmaf(xs[r], ys[s], sum[r][s]);
    }
    __syncthreads();
  }
  for (int r = 0; r < 4; r++) {
    float4 v = make_float4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
    *reinterpret_cast<float4*>(&c[(row0 + ty * 4 + r) * n + col0 + tx * 4]) = v;
  }
}

// Softmax of rows of 10 to 32 values, a warp a row.
extern "C" __global__ void softmax(float* y, const float* x, int rows, int columns) {
  int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  float v = lane < columns ? x[row * columns + lane] : -INFINITY;
  float most = v;
  for (int o = 16; o > 0; o /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, o));
  float e = lane < columns ? expf(v - most) : 0, sum = e;
  for (int o = 16; o > 0; o /= 2) sum += __shfl_xor_sync(0xffffffff, sum, o);
  if (lane < columns) y[row * columns + lane] = e / sum;
}

// Philox4x32-10 (Salmon et al., 2011): four words for each counter.
extern "C" __global__ void philox(uint4* out, unsigned key0, unsigned key1, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  uint4 c = make_uint4(i, 0, 0, 0);
  for (int round = 0; round < 10; round++) {
    unsigned h0 = __umulhi(0xD2511F53u, c.x), l0 = 0xD2511F53u * c.x;
    unsigned h1 = __umulhi(0xCD9E8D57u, c.z), l1 = 0xCD9E8D57u * c.z;
    c = make_uint4(h1 ^ c.y ^ key0, l1, h0 ^ c.w ^ key1, l0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  out[i] = c;
}

// Max pooling 2×2, stride 2, of NHWC images, with the place of the maximum.
extern "C" __global__ void maxpool(float* y, int* argmax, const float* x, int n, int h, int w, int c) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, oh = h / 2, ow = w / 2;
  if (i >= n * oh * ow * c) return;
  int ch = i % c, ox = i / c % ow, oy = i / c / ow % oh, image = i / c / ow / oh;
  float best = -INFINITY;
  int at = -1;
  for (int dy = 0; dy < 2; dy++)
    for (int dx = 0; dx < 2; dx++) {
      int j = ((image * h + oy * 2 + dy) * w + ox * 2 + dx) * c + ch;
      if (x[j] > best || at < 0) best = x[j], at = j;
    }
  y[i] = best;
  argmax[i] = at;
}

// The sum of n values: a part a block, and the last block to finish adds the parts in order.
extern "C" __global__ void reduce(float* total, float* parts, unsigned* done, const float* x, int n) {
  __shared__ float s[256];
  __shared__ bool last;
  float v = 0;
  for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) v += x[i];
  s[threadIdx.x] = v;
  __syncthreads();
  for (int o = 128; o > 0; o /= 2) {
    if (threadIdx.x < o) s[threadIdx.x] += s[threadIdx.x + o];
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = s[0];
    __threadfence();
    last = atomicAdd(done, 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < gridDim.x; i++) sum += parts[i];
    *total = sum;
  }
}

// Transpose in tiles of 32×32, padded against bank conflicts.
extern "C" __global__ void transpose(float* y, const float* x, int rows, int columns) {
  __shared__ float tile[32][33];
  int bx = blockIdx.x * 32, by = blockIdx.y * 32;
  for (int r = threadIdx.y; r < 32; r += 8)
    if (by + r < rows && bx + threadIdx.x < columns) tile[r][threadIdx.x] = x[(by + r) * columns + bx + threadIdx.x];
  __syncthreads();
  for (int r = threadIdx.y; r < 32; r += 8)
    if (bx + r < columns && by + threadIdx.x < rows) y[(bx + r) * rows + by + threadIdx.x] = tile[threadIdx.x][r];
}

// y = a·x + y, the plainest streaming kernel.
extern "C" __global__ void saxpy(float* y, const float* x, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = fmaf(a, x[i], y[i]);
}

// Functions of libdevice and the bfloat16 header.
extern "C" __global__ void functions(float* y, const float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  y[i] = expf(v);
  y[n + i] = logf(fabsf(v) + 1e-3f);
  y[2 * n + i] = tanhf(v);
  y[3 * n + i] = 1 / (1 + expf(-v));
  y[4 * n + i] = sqrtf(fabsf(v)) + rsqrtf(fabsf(v) + 1);
  y[5 * n + i] = sinf(v * 1000);
  y[6 * n + i] = __bfloat162float(__float2bfloat16(v));
}
