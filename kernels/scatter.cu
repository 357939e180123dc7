// Adds rows of x to the rows of y that indices name, in order.
//
//   y[indices[i], j] += x[i, j], i = 0 … N − 1;  x [N, L], y [rows, L]
//
// Geometry: a block of 256 threads makes 256 columns of one row of y: rows·⌈L/256⌉ blocks.
// It looks through the indices, 256 at a time, for those that name its row; then
// every thread adds what was found to its column, in order of i. So no two threads
// write one element, and the order of each sum is that of the indices. Indices out of
// range name no row. Shared memory: one bit an index.
#include "index.cuh"

constexpr int scatterThreads = 256;

extern "C" __global__ void __launch_bounds__(scatterThreads)
    scatterAdd(float* __restrict__ y, const float* __restrict__ x, const int* __restrict__ indices, int count, int length,
               Divisor columnBlocks) {
  __shared__ unsigned found[scatterThreads / 32];
  unsigned rest = blockIdx.x;
  int row = split(rest, columnBlocks);
  int column = rest * scatterThreads + threadIdx.x;
  bool inside = column < length;
  size_t place = (size_t)row * length + column;
  float sum = inside ? y[place] : 0;
  bool any = false;
  for (int first = 0; first < count; first += scatterThreads) {
    int i = first + threadIdx.x;
    unsigned hits = __ballot_sync(0xffffffff, i < count && indices[i] == row);
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = hits;
    __syncthreads();
#pragma unroll 1
    for (int word = 0; word < scatterThreads / 32; word++) {
      for (unsigned bits = found[word]; bits; bits &= bits - 1) {
        int at = first + word * 32 + __ffs(bits) - 1;
        if (inside) sum += x[(size_t)at * length + column];
        any = true;
      }
    }
    __syncthreads();
  }
  if (inside && any) y[place] = sum;
}
