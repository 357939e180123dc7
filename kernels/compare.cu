// y = 1 where a relation holds between a and b, else 0, with broadcasting.
//
//   y [n], dense; a and b, both float or both int, lie as s tells
//
// Geometry and aliases are as in binary.cu. All relations but NotEqual are false where
// one side is NaN.
#include "strided.cuh"
#include "vector.cuh"

// The numbers of backend.CompareFunc.
enum CompareFunc : int { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

template <class T>
__device__ inline bool holds(int f, T a, T b) {
  switch (f) {
    case Equal: return a == b;
    case NotEqual: return a != b;
    case Less: return a < b;
    case LessEqual: return a <= b;
    case Greater: return a > b;
  }
  return a >= b;
}

template <class T>
struct CompareBody {
  float* y;
  const T *a, *b;
  const Strided& s;
  int f;

  template <int W>
  __device__ void at(int i) const {
    int p[2];
    positions(s, i, p);
    auto u = loadStrided<W>(a, p[0], s.stride[0][0]), v = loadStrided<W>(b, p[1], s.stride[1][0]);
    Vector<float, W> r;
#pragma unroll
    for (int k = 0; k < W; k++) r[k] = holds(f, u[k], v[k]) ? 1 : 0;
    store(y, i, r);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    compareFloats(float* y, const float* a, const float* b, int n, Strided s, int f, int vector) {
  elementwise(n, vector, CompareBody<float>{y, a, b, s, f});
}

extern "C" __global__ void __launch_bounds__(elementThreads)
    compareInts(float* y, const int* a, const int* b, int n, Strided s, int f, int vector) {
  elementwise(n, vector, CompareBody<int>{y, a, b, s, f});
}
