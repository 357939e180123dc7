// C = (σ(op(A)·op(B) + bias) + addend)·derivative′(output), or C += op(A)·op(B) + bias:
// the product of matrices of any strides, in several groups of the same size.
//
//   A [M, K] or [K, M]   B [K, N] or [N, K]   C [M, N], rows cRow apart
//
// Geometry: gridDim.x = tiles of C · groups, gridDim.y = slices of K. With more than one
// slice c is the workspace, slice s of C lies at c + s·partial, and gemm_sum.cu finishes.
// A name tells the tile; Scalar kernels take any alignment and any sizes, the others
// multiples of 16 bytes. Shared memory, order of sums: gemm.cuh.
#include "gemm.cuh"

// MatMulGeometry is a product's sizes and strides, in elements.
struct MatMulGeometry {
  int rows, columns, depth;  // M, N, K
  int slice;                 // products in a slice of K
  unsigned aRow, aDepth;     // A(m,k) = a[m·aRow + k·aDepth], one of them 1
  unsigned bColumn, bDepth;  // B(k,n) = b[n·bColumn + k·bDepth], likewise
  unsigned cRow;
  unsigned aGroup, bGroup, cGroup;  // from one group to the next
  long long partial;                // from one slice to the next
  Divisor rowTiles, columnTiles;
};

template <class T, int W>
__device__ inline void matMul(float* c, const float* a, const float* b, const MatMulGeometry& g, Finish f) {
  using A = Matrix<T, T::rows, W, -1>;
  using B = Matrix<T, T::columns, W, -1>;
  __shared__ __align__(16) float buffer[Product<T, A, B>::shared];
  TilePlace at = block<T>(g.rowTiles, g.columnTiles);
  SumSlice slice(g.slice, g.depth);
  A left(a, at.batch * g.aGroup + at.row * g.aRow, g.aRow, g.aDepth, g.rows - at.row, slice);
  B right(b, at.batch * g.bGroup + at.column * g.bColumn, g.bColumn, g.bDepth, g.columns - at.column, slice);
  Product<T, A, B> product;
  product.multiply(left, right, slice.template stages<T>(), buffer, [](const float*) {});
  unsigned first = at.batch * g.cGroup + at.row * g.cRow + at.column;
  auto place = [&](int row) { return first + row * g.cRow; };
  int column = at.batch * g.columns + at.column;
  product.write(buffer, ResultRows<decltype(place)>{c + blockIdx.y * g.partial, f, (int)(g.rows - at.row), (int)(g.columns - at.column), column, place}, f.vector);
}

extern "C" __global__ void __launch_bounds__(256, 2) matMul128x128(float* c, const float* a, const float* b, MatMulGeometry g, Finish f) {
  matMul<Tile<128, 128, 8, 8, 1>, 4>(c, a, b, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) matMul64x64(float* c, const float* a, const float* b, MatMulGeometry g, Finish f) {
  matMul<Tile<64, 64, 8, 4, 1>, 4>(c, a, b, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) matMul64x64Scalar(float* c, const float* a, const float* b, MatMulGeometry g, Finish f) {
  matMul<Tile<64, 64, 8, 4, 1>, 1>(c, a, b, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) matMul32x32(float* c, const float* a, const float* b, MatMulGeometry g, Finish f) {
  matMul<Tile<32, 32, 4, 4, 2>, 4>(c, a, b, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) matMul32x32Scalar(float* c, const float* a, const float* b, MatMulGeometry g, Finish f) {
  matMul<Tile<32, 32, 4, 4, 2>, 1>(c, a, b, g, f);
}
