// Y = σ(X ⋆ W + bias) as a matrix product, the im2col matrix of which is only gathered:
//
//   Y [M = N·OH·OW, O/G] = im2col(X) [M, K = KH·KW·C/G] · W [O/G, K]ᵀ  in each of G groups
//
// Geometry: gridDim.x = tiles of Y · groups, gridDim.y = slices of K. With more than one slice y
// is the workspace, slice s of Y lies at y + s·partial, and gemm_sum.cu finishes. A name tells
// the tile; Scalar kernels take any alignment and any number of channels, the others
// multiples of 4 in a group. Shared memory, order of sums: gemm.cuh.
#include "conv.cuh"

template <class T, int W>
__device__ inline void conv(float* y, const float* x, const float* w, const ConvGeometry& g, Finish f) {
  using A = WindowRows<T, W>;
  using B = Matrix<T, T::columns, W, 1>;
  __shared__ __align__(16) float buffer[Product<T, A, B>::shared];
  TilePlace at = block<T>(g.rowTiles, g.columnTiles);
  SumSlice slice(g.slice, g.sums);
  TapAxis ay = TapAxis::forward(g.y), ax = TapAxis::forward(g.x);
  unsigned filter = at.batch * g.columns + at.column;  // the first of the tile
  A left(x, ay, ax, g.channels, at.batch * g.depth.divisor, g.depth, at.row, g.rows, slice);
  B right(w, filter * g.sums, g.sums, 1, g.columns - at.column, slice);
  Product<T, A, B> product;
  product.multiply(left, right, slice.template stages<T>(), buffer, [](const float*) {});
  unsigned first = at.row * g.filters + filter;
  auto place = [&](int row) { return first + row * g.filters; };
  product.write(buffer, ResultRows<decltype(place)>{y + blockIdx.y * g.partial, f, (int)(g.rows - at.row), (int)(g.columns - at.column), (int)filter, place}, f.vector);
}

extern "C" __global__ void __launch_bounds__(256, 2) conv128x128(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<128, 128, 8, 8, 1>, 4>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) conv64x64(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<64, 64, 8, 4, 1>, 4>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) conv64x64Scalar(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<64, 64, 8, 4, 1>, 1>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) conv128x32(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<128, 32, 8, 4, 1>, 4>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) conv128x32Scalar(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<128, 32, 8, 4, 1>, 1>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) conv64x16(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<64, 16, 4, 4, 2>, 4>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) conv64x16Scalar(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<64, 16, 4, 4, 2>, 1>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) conv128x8(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<128, 8, 4, 4, 1>, 4>(y, x, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) conv128x8Scalar(float* y, const float* x, const float* w, ConvGeometry g, Finish f) {
  conv<Tile<128, 8, 4, 4, 1>, 1>(y, x, w, g, f);
}
