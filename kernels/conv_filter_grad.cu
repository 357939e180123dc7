// The filter gradient of a convolution and the gradient of its bias, a matrix product whose
// im2col matrix is only gathered:
//
//   DW [O/G, K = KH·KW·C/G] = DY [P = N·OH·OW, O/G]ᵀ · im2col(X) [P, K]  in each of G groups
//   DB [O]                  = Σ_p DY[p,o]
//
// either overwritten or accumulated into.
//
// Geometry: gridDim.x = tiles of DW · groups, gridDim.y = slices of P. With more than one slice dw
// and db lie in the workspace, those of slice s are s·partial further on, and gemm_sum.cu
// finishes. The blocks at column 0 add up DB from the part of DY that they have in shared memory;
// db is 0 where it is not wanted. A name tells the tile; Scalar kernels take any alignment and
// any number of channels, the others multiples of 4 in a group: of X, and, in tiles of 64
// and 128 rows, of Y. Shared memory, order of sums: gemm.cuh.
#include "conv.cuh"

// WindowColumns is the loader of the im2col matrix's columns: column n is a tap and a
// channel, k runs over the pixels of Y. With W = 4 the channels of a group are a multiple of 4.
template <class T, int W>
struct WindowColumns {
  using L = Lanes<T, T::columns, W>;
  using Lane = typename L::AlongRows;
  static constexpr int stride = T::columns;

  const float* x;
  const ConvGeometry& g;
  int dy, dx, channel;  // of the column, from a window's first pixel
  int k, end;
  Vector<float, W> v[T::octets][L::loads];

  __device__ WindowColumns(const float* x, const ConvGeometry& g, unsigned group, unsigned firstColumn, SumSlice slice)
      : x(x), g(g) {
    unsigned column = firstColumn + Lane::row();
    end = L::active() && column < g.columns ? slice.end : 0;
    unsigned tap = split(column, g.depth);
    channel = group * g.depth.divisor + column;
    dy = tap / g.x.kernel * g.y.dilation - g.y.pad;
    dx = tap % g.x.kernel * g.x.dilation - g.x.pad;
    k = slice.begin + Lane::k();
  }

  __device__ void fetch() {
#pragma unroll
    for (int o = 0; o < T::octets; o++)
#pragma unroll
      for (int i = 0; i < L::loads; i++) {
        unsigned px = k;
        unsigned py = split(px, g.x.extents);
        unsigned image = split(py, g.y.extents);
        py = py * g.y.stride + dy, px = px * g.x.stride + dx;
        bool inside = k < end && py < g.y.image && px < g.x.image;
        unsigned index = ((image * g.y.image + py) * g.x.image + px) * g.channels + channel;
        v[o][i] = inside ? readOnly<W>(x + index) : Vector<float, W>{};
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
__device__ inline void convFilterGrad(float* dw, float* db, const float* dy, const float* x, const ConvGeometry& g, Finish f) {
  using A = Matrix<T, T::rows, WA, 0>;
  using B = WindowColumns<T, WB>;
  __shared__ __align__(16) float buffer[Product<T, A, B>::shared];
  TilePlace at = block<T>(g.rowTiles, g.columnTiles);
  SumSlice slice(g.slice, g.sums);
  unsigned filter = at.batch * g.rows + at.row;  // the first of the tile
  A left(dy, filter, 1, g.filters, g.rows - at.row, slice);
  B right(x, g, at.batch, at.column, slice);
  // A thread adds up the bias gradients of every T::threads-th row, in shared memory, since
  // the sums of the product take all registers.
  __shared__ float bias[T::rows];
  bool biased = db && at.column == 0;
  for (int row = threadIdx.x; row < T::rows; row += T::threads) bias[row] = 0;
  Product<T, A, B> product;
  product.multiply(left, right, slice.template stages<T>(), buffer, [&](const float* a) {
    if (!biased) return;
#pragma unroll 1
    for (int row = threadIdx.x; row < T::rows; row += T::threads) {
      float sum = bias[row];
#pragma unroll
      for (int k = 0; k < T::depth; k++) sum += a[k * A::stride + row];
      bias[row] = sum;
    }
  });
  if (biased) {
    for (int row = threadIdx.x; row < T::rows && at.row + row < g.rows; row += T::threads) {
      float* b = db + blockIdx.y * g.partial + filter + row;
      *b = f.accumulate ? *b + bias[row] : bias[row];
    }
  }
  unsigned first = filter * g.columns + at.column;
  auto place = [&](int row) { return first + row * g.columns; };
  product.write(buffer, ResultRows<decltype(place)>{dw + blockIdx.y * g.partial, f, (int)(g.rows - at.row), (int)(g.columns - at.column), 0, place}, f.vector);
}

extern "C" __global__ void __launch_bounds__(256, 2)
    convFilterGrad128x128(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<128, 128, 8, 8, 1>, 4, 4>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4)
    convFilterGrad64x64(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<64, 64, 8, 4, 1>, 4, 4>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4)
    convFilterGrad64x64Scalar(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<64, 64, 8, 4, 1>, 1, 1>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8)
    convFilterGrad64x32Scalar(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<64, 32, 8, 4, 1>, 1, 1>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4)
    convFilterGrad32x64(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<32, 64, 4, 4, 2>, 1, 4>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(128, 4)
    convFilterGrad32x64Scalar(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<32, 64, 4, 4, 2>, 1, 1>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8)
    convFilterGrad16x64(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<16, 64, 4, 4, 2>, 1, 4>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(64, 8)
    convFilterGrad16x64Scalar(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<16, 64, 4, 4, 2>, 1, 1>(dw, db, dy, x, g, f);
}

extern "C" __global__ void __launch_bounds__(32, 16)
    convFilterGrad16x32Scalar(float* dw, float* db, const float* dy, const float* x, ConvGeometry g, Finish f) {
  convFilterGrad<Tile<16, 32, 4, 4, 2>, 1, 1>(dw, db, dy, x, g, f);
}
