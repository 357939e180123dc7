// The second launch of a product whose sum was split:
//
//   y[i] = finish(Σ_s partial[s·n + i])
//
// for n results; those behind the first `length` go to the array tail, which holds the gradient
// of a bias behind that of the filters.
//
// Geometry: a block is blockDim.x results wide and blockDim.y rows high. Thread row r adds up
// slices r, r + blockDim.y, … in ascending order, then the sums of the rows are added in ascending
// order: the order depends on the number of slices alone, if blockDim does.
#include "gemm.cuh"

constexpr int gemmSumThreads = 256;  // blockDim.x · blockDim.y

extern "C" __global__ void __launch_bounds__(gemmSumThreads)
    gemmSum(float* y, float* tail, const float* partial, int slices, int n, int length, Divisor columns, Finish f) {
  __shared__ float sums[gemmSumThreads];
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0;
  if (i < n) {
#pragma unroll 4
    for (int s = threadIdx.y; s < slices; s += blockDim.y) sum += __ldg(partial + (size_t)s * n + i);
  }
  sums[threadIdx.y * blockDim.x + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= n) return;
  for (int r = 1; r < blockDim.y; r++) sum += sums[r * blockDim.x + threadIdx.x];
  Vector<float, 1> total{sum};
  if (i < length) {
    unsigned c = i;
    split(c, columns);
    f.apply<1>(y, i, c, total);
  } else {
    f.apply<1>(tail, i - length, 0, total);
  }
}
