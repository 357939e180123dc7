// Picks rows of an array, and makes float of stored integers.
//
//   y[i, j] = x[indices[i], j]                                   gatherWords, gatherBytes
//   y[e] = x[…]·scale[e mod C] + shift[e mod C]                  convertBytes, e counting all of y
//   y[i] = x[i]                                                  convertInts
//
//   x [rows, L], indices [N], y [N, L], n = N·L; scale and shift [C] are optional, and so
//   are the indices of convertBytes, without which y has x's own order
//
// Geometry: that of elementwise (vector.cuh); with vector set L is a multiple of 4.
// Deterministic: each element is made by one thread. A row that an index out of range
// names is zero.
#include "index.cuh"
#include "vector.cuh"

// source returns where element i of the result lies in x, or −1.
__device__ inline int source(const int* indices, int i, int rows, Divisor length) {
  unsigned column = i;
  unsigned row = indices[split(column, length)];
  return row < rows ? (int)(row * length.divisor + column) : -1;
}

template <class T>
struct GatherBody {
  T* y;
  const T* x;
  const int* indices;
  int rows;
  Divisor length;

  template <int W>
  __device__ void at(int i) const {
    int from = source(indices, i, rows, length);
    Vector<T, W> v = {};
    if (from >= 0) v = load<W>(x, from);
    store(y, i, v);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    gatherWords(int* __restrict__ y, const int* __restrict__ x, const int* __restrict__ indices, int n, int rows, Divisor length, int vector) {
  elementwise(n, vector, GatherBody<int>{y, x, indices, rows, length});
}

extern "C" __global__ void __launch_bounds__(elementThreads)
    gatherBytes(unsigned char* __restrict__ y, const unsigned char* __restrict__ x, const int* __restrict__ indices, int n, int rows,
                Divisor length, int vector) {
  elementwise(n, vector, GatherBody<unsigned char>{y, x, indices, rows, length});
}

struct ConvertBody {
  float* y;
  const unsigned char* x;
  const int* indices;
  const float *scale, *shift;
  int rows;
  Divisor length, channels;

  template <int W>
  __device__ void at(int i) const {
    int from = indices ? source(indices, i, rows, length) : i;
    Vector<float, W> r = {};
    if (from >= 0) {
      auto v = load<W>(x, from);
#pragma unroll
      for (int k = 0; k < W; k++) {
        r[k] = v[k];
        if (scale) {
          unsigned c = i + k;
          split(c, channels);
          r[k] = r[k] * scale[c] + shift[c];
        }
      }
    }
    store(y, i, r);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    convertBytes(float* __restrict__ y, const unsigned char* __restrict__ x, const int* __restrict__ indices,
                 const float* __restrict__ scale, const float* __restrict__ shift, int n, int rows, Divisor length, Divisor channels,
                 int vector) {
  elementwise(n, vector, ConvertBody{y, x, indices, scale, shift, rows, length, channels});
}

struct ConvertIntsBody {
  float* y;
  const int* x;

  template <int W>
  __device__ void at(int i) const {
    auto v = load<W>(x, i);
    Vector<float, W> r;
#pragma unroll
    for (int k = 0; k < W; k++) r[k] = v[k];
    store(y, i, r);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads) convertInts(float* __restrict__ y, const int* __restrict__ x, int n, int vector) {
  elementwise(n, vector, ConvertIntsBody{y, x});
}
