// y = f(x), element by element, and its gradient dx = (dy·f′ + addend)·σ′(output).
//
//   x, y, dx, dy [n]
//
// Geometry: that of elementwise (vector.cuh). Deterministic: each element is made by
// one thread, of its own place alone. So y may be x, and dx any of the inputs.
#include "epilogue.cuh"
#include "functions.cuh"
#include "vector.cuh"

struct UnaryBody {
  float* y;
  const float* x;
  Activation f;

  template <int W>
  __device__ void at(int i) const {
    store(y, i, value(f, load<W>(x, i)));
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads) unary(float* y, const float* x, int n, Activation f, int vector) {
  elementwise(n, vector, UnaryBody{y, x, f});
}

struct UnaryGradBody {
  float* dx;
  const float *dy, *x, *y;
  Activation f;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int i) const {
    auto g = load<W>(dy, i);
    Vector<float, W> xs = {}, ys = {};
    if (x) xs = load<W>(x, i);
    if (y) ys = load<W>(y, i);
    auto slope = derivative(f, xs, ys);
#pragma unroll
    for (int k = 0; k < W; k++) g[k] *= slope[k];
    store(dx, i, finish(epilogue, g, i));
  }
};

// x or y is 0 where the function's derivative does not need it.
extern "C" __global__ void __launch_bounds__(elementThreads)
    unaryGrad(float* dx, const float* dy, const float* x, const float* y, int n, Activation f, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, UnaryGradBody{dx, dy, x, y, f, epilogue});
}
