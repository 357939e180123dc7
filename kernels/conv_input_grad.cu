// The input gradient of a convolution, in gather form: a convolution of DY with the flipped
// filters, a matrix product whose im2col matrix is only gathered:
//
//   g [M, C/G] = im2col(DY) [M, K] · W [K, C/G]    in each of G groups and each phase
//   DX = (g + addend)·σ′(output)
//
// With strides the pixels of DX fall into StrideH·StrideW phases (conv.cuh); M = N times the
// pixels of a phase, K = its taps · O/G, and no product with a zero is made. A phase without
// taps is a product with K = 0.
//
// Geometry: gridDim.x = tiles of the largest phase · phases · groups, gridDim.y = slices of K.
// With more than one slice dx is the workspace, slice s of DX lies at dx + s·partial, and
// gemm_sum.cu finishes. A name tells the tile; Scalar kernels take any alignment and any number
// of channels, the others multiples of 4 in a group: of Y, and, in tiles of 64 and 128
// columns, of X. Shared memory, order of sums: gemm.cuh.
#include "conv.cuh"

// FlippedFilters is the loader of the filters' columns: column n is a channel of X, k
// runs over taps of a phase and channels of Y.
template <class T, int W>
struct FlippedFilters {
  using L = Lanes<T, T::columns, W>;
  using Lane = typename L::AlongRows;
  static constexpr int stride = T::columns;

  const float* w;  // of the group
  unsigned filterPitch, rowPitch, columnPitch;
  Odometer tap;
  int k, end;
  Vector<float, W> v[T::octets][L::loads];

  __device__ FlippedFilters(const float* filters, const ConvGeometry& g, const TapAxis& ay, const TapAxis& ax, unsigned group, unsigned firstColumn, SumSlice slice) {
    unsigned depth = g.depth.divisor, column = firstColumn + Lane::row();
    filterPitch = g.y.kernel * g.x.kernel * depth;
    columnPitch = ax.step * depth;
    rowPitch = ay.step * g.x.kernel * depth;
    w = filters + (size_t)group * g.width.divisor * filterPitch + ((size_t)ay.first * g.x.kernel + ax.first) * depth + column;
    k = slice.begin + Lane::k();
    end = L::active() && column < depth ? slice.end : 0;
    tap = taps(k, octet / L::loads, g.width, ax.taps);
  }

  __device__ void fetch() {
#pragma unroll
    for (int o = 0; o < T::octets; o++)
#pragma unroll
      for (int i = 0; i < L::loads; i++) {
        unsigned index = tap.low * filterPitch + tap.high * rowPitch + tap.middle * columnPitch;
        v[o][i] = k < end ? readOnly<W>(w + index) : Vector<float, W>{};
        tap.advance();
        k += octet / L::loads;
      }
  }

  __device__ void put(float* s) const {
    if (!L::active()) return;
    s += Lane::k() * stride + Lane::row();
#pragma unroll
    for (int o = 0; o < T::octets; o++)
#pragma unroll
      for (int i = 0; i < L::loads; i++) putAlongRows<W>(s + (o * octet + i * Lane::kStep) * stride, v[o][i]);
  }
};

template <class T, int WA, int WB>
__device__ inline void convInputGrad(float* dx, const float* dy, const float* w, const ConvGeometry& g, Finish f) {
  using A = WindowRows<T, WA>;
  using B = FlippedFilters<T, WB>;
  __shared__ __align__(16) float buffer[Product<T, A, B>::shared];
  TilePlace at = block<T>(g.rowTiles, g.columnTiles);
  unsigned group = at.batch;
  unsigned phaseX = group;
  group = split(phaseX, g.x.phases);
  unsigned phaseY = group;
  group = split(phaseY, g.y.phases);
  TapAxis ay = TapAxis::backward(g.y, phaseY), ax = TapAxis::backward(g.x, phaseX);
  unsigned rows = g.images * ay.extent.divisor * ax.extent.divisor;
  if (at.row >= rows) return;
  SumSlice slice(g.slice, ay.taps * ax.taps * g.width.divisor);
  A left(dy, ay, ax, g.filters, group * g.width.divisor, g.width, at.row, rows, slice);
  B right(w, g, ay, ax, group, at.column, slice);
  Product<T, A, B> product;
  product.multiply(left, right, slice.template stages<T>(), buffer, [](const float*) {});
  unsigned first = group * g.columns + at.column;
  auto place = [&](int row) {
    unsigned b = at.row + row;
    unsigned a = split(b, ax.extent);
    unsigned image = split(a, ay.extent);
    unsigned y = ay.place + a * ay.pace, x = ax.place + b * ax.pace;
    return ((image * g.y.image + y) * g.x.image + x) * g.channels + first;
  };
  product.write(buffer, ResultRows<decltype(place)>{dx + blockIdx.y * g.partial, f, (int)(rows - at.row), (int)(g.columns - at.column), 0, place}, f.vector);
}

extern "C" __global__ void __launch_bounds__(256, 2) convInputGrad128x128(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<128, 128, 8, 8, 1>, 4, 4>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) convInputGrad64x64(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<64, 64, 8, 4, 1>, 4, 4>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) convInputGrad64x64Scalar(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<64, 64, 8, 4, 1>, 1, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4) convInputGrad128x32(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<128, 32, 8, 4, 1>, 4, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 3) convInputGrad128x32Scalar(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<128, 32, 8, 4, 1>, 1, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) convInputGrad64x16(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<64, 16, 4, 4, 2>, 4, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) convInputGrad64x16Scalar(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<64, 16, 4, 4, 2>, 1, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) convInputGrad128x8(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<128, 8, 4, 4, 1>, 4, 1>(dx, dy, w, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8) convInputGrad128x8Scalar(float* dx, const float* dy, const float* w, ConvGeometry g, Finish f) {
  convInputGrad<Tile<128, 8, 4, 4, 1>, 1, 1>(dx, dy, w, g, f);
}
