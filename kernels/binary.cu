// y = f(a, b), element by element, with broadcasting.
//
//   y [n], dense; a and b lie as s tells
//
// Geometry: that of elementwise (vector.cuh). With vector set, four neighbours of y have
// four neighbours of a, or one element four times, and the same of b. Deterministic:
// each element is made by one thread. y may be a or b where that has y's shape.
#include "maximum.cuh"
#include "strided.cuh"
#include "vector.cuh"

// The numbers of backend.BinaryFunc.
enum BinaryFunc : int { Add, Sub, Mul, Div, Max, Min };

__device__ inline float apply(int f, float a, float b) {
  switch (f) {
    case Add: return a + b;
    case Sub: return a - b;
    case Mul: return a * b;
    case Div: return a / b;
    case Max: return beats(b, a) ? b : a;
  }
  return beats(-b, -a) ? b : a;
}

struct BinaryBody {
  float* y;
  const float *a, *b;
  const Strided& s;
  int f;

  template <int W>
  __device__ void at(int i) const {
    int p[2];
    positions(s, i, p);
    auto u = loadStrided<W>(a, p[0], s.stride[0][0]), v = loadStrided<W>(b, p[1], s.stride[1][0]);
#pragma unroll
    for (int k = 0; k < W; k++) u[k] = apply(f, u[k], v[k]);
    store(y, i, u);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    binary(float* y, const float* a, const float* b, int n, Strided s, int f, int vector) {
  elementwise(n, vector, BinaryBody{y, a, b, s, f});
}
