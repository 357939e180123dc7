// The second launch of a product whose sum was split:
//
//   y[i] = finish(Σ_s partial[s·n + i])
//
// for n results; those behind the first `length` go to the array tail, which holds the gradient
// of a bias behind that of the filters.
//
// Geometry: a block of gemmSumColumns × gemmSumRows threads does gemmSumColumns results. Thread row r adds
// up slices r, r + gemmSumRows, … in ascending order, then the sums of the rows are added in
// ascending order: the order depends on the number of slices alone.
#include "gemm.cuh"

constexpr int gemmSumColumns = 32;
constexpr int gemmSumRows = 8;
constexpr int gemmSumThreads = 256;  // gemmSumColumns · gemmSumRows

extern "C" __global__ void __launch_bounds__(gemmSumThreads)
    gemmSum(float* y, float* tail, const float* partial, int slices, int n, int length, Divisor columns, Finish f) {
  __shared__ float sums[gemmSumRows][gemmSumColumns];
  int column = threadIdx.x % gemmSumColumns, row = threadIdx.x / gemmSumColumns;
  unsigned i = blockIdx.x * gemmSumColumns + column;
  float sum = 0;
  if (i < n) {
#pragma unroll 4
    for (int s = row; s < slices; s += gemmSumRows) sum += __ldg(partial + (size_t)s * n + i);
  }
  sums[row][column] = sum;
  __syncthreads();
  if (row != 0 || i >= n) return;
  for (int r = 1; r < min(slices, gemmSumRows); r++) sum += sums[r][column];
  Vector<float, 1> total{sum};
  if (i < length) {
    unsigned c = i;
    split(c, columns);
    f.apply<1>(y, i, c, total);
  } else {
    f.apply<1>(tail, i - length, 0, total);
  }
}
