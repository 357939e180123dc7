// Copies matrices, transposed: y[b, u, v] = x[b, v, u] for every b of a batch.
//
//   x: u at stride 1, v at stride xStride; y: v at stride 1, u at stride yStride; the
//   matrices of the batch lie as s tells (y's first, then x's)
//
// Geometry: a block of 32×8 threads moves a tile of 32×32 elements through shared memory,
// so that a warp touches neighbours on both sides; tiles = ⌈rows/32⌉·⌈columns/32⌉ a
// matrix, batch·tiles blocks. The tile's rows are one element longer than a warp,
// so that its columns lie in different banks. Deterministic: it moves.
#include "strided.cuh"

constexpr int tileSide = 32;
constexpr int tileRows = 8;

template <class T>
__device__ inline void transposeTile(T* __restrict__ y, const T* __restrict__ x, int rows, int columns, int yStride, int xStride,
                                     Divisor tiles, Divisor tilesAcross, const Strided& s) {
  __shared__ T tile[tileSide][tileSide + 1];
  unsigned rest = blockIdx.x;
  unsigned b = split(rest, tiles);
  int at[2];
  positions(s, b, at);
  unsigned down = split(rest, tilesAcross);
  int u0 = down * tileSide, v0 = rest * tileSide;
#pragma unroll
  for (int k = 0; k < tileSide; k += tileRows) {
    int u = u0 + threadIdx.x, v = v0 + threadIdx.y + k;
    if (u < rows && v < columns) tile[threadIdx.y + k][threadIdx.x] = x[at[1] + v * xStride + u];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < tileSide; k += tileRows) {
    int u = u0 + threadIdx.y + k, v = v0 + threadIdx.x;
    if (u < rows && v < columns) y[at[0] + u * yStride + v] = tile[threadIdx.x][threadIdx.y + k];
  }
}

extern "C" __global__ void __launch_bounds__(256)
    transposeWords(int* y, const int* x, int rows, int columns, int yStride, int xStride, Divisor tiles, Divisor tilesAcross, Strided s) {
  transposeTile(y, x, rows, columns, yStride, xStride, tiles, tilesAcross, s);
}

extern "C" __global__ void __launch_bounds__(256)
    transposeBytes(unsigned char* y, const unsigned char* x, int rows, int columns, int yStride, int xStride, Divisor tiles,
                   Divisor tilesAcross, Strided s) {
  transposeTile(y, x, rows, columns, yStride, xStride, tiles, tilesAcross, s);
}
