// Copies the elements of one array to places in another: y[s₀(i)] = x[s₁(i)] for i below
// n. Copy, Slice, Embed, Concatenate and Transpose are made of it.
//
//   y and x lie as s tells; elements of 4 bytes or of 1
//
// Geometry: that of elementwise (vector.cuh). With vector set, four neighbours of the
// walk are neighbours in y, and in x or one element four times. Deterministic: no two
// elements of the walk have the same place in y.
#include "strided.cuh"
#include "vector.cuh"

template <class T>
struct MoveBody {
  T* y;
  const T* x;
  const Strided& s;

  template <int W>
  __device__ void at(int i) const {
    int p[2];
    positions(s, i, p);
    store(y, p[0], loadStrided<W>(x, p[1], s.stride[1][0]));
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    moveWords(int* __restrict__ y, const int* __restrict__ x, int n, Strided s, int vector) {
  elementwise(n, vector, MoveBody<int>{y, x, s});
}

extern "C" __global__ void __launch_bounds__(elementThreads)
    moveBytes(unsigned char* __restrict__ y, const unsigned char* __restrict__ x, int n, Strided s, int vector) {
  elementwise(n, vector, MoveBody<unsigned char>{y, x, s});
}
