// Max pooling and its gradient.
//
//   y[n, i, j, c] = the maximum of x[n, h, w, c] over the window i, j; argmax = h·W + w
//   dx[n, h, w, c] = (g + addend)·σ′(output), g = Σ dy[n, i, j, c] over the windows with
//     argmax[n, i, j, c] = h·W + w, in row-major order
//
//   x, dx [N, H, W, C]; y, dy, argmax [N, OH, OW, C]; maxPool's argmax is optional
//
// Padding never wins; of equal maxima the first in row-major order does, and NaN wins
// over all.
//
// Geometry: that of elementwise (vector.cuh) over the result; with vector set C is a
// multiple of 4. maxPoolShared is for few large windows: `lanes` threads (a power of two
// up to 256) share a window, poolThreads/lanes windows a block; their maxima meet in a
// tree in shared memory, a number and a position a thread. Deterministic: a maximum
// with its position does not depend on the order, and gradients are gathered.
#include "epilogue.cuh"
#include "maximum.cuh"
#include "pool.cuh"

constexpr float lowest = -__builtin_huge_valf();

struct MaxPoolBody {
  float* y;
  int* argmax;
  const float* x;
  const Pooling& p;

  template <int W>
  __device__ void at(int element) const {
    Place at(p, element);
    Taps down = tapsDown(p, at.i), across = tapsAcross(p, at.j);
    int base = at.n * p.height * p.width;
    Vector<float, W> best;
    Vector<int, W> winner;
#pragma unroll
    for (int k = 0; k < W; k++) {
      best[k] = lowest;
      winner[k] = down.first * p.width + across.first;
    }
#pragma unroll 1
    for (int i = 0; i < down.count; i++) {
      int line = (down.first + i * (int)p.dilationHeight.divisor) * p.width + across.first;
#pragma unroll 1
      for (int j = 0; j < across.count; j++) {
        int pixel = line + j * (int)p.dilationWidth.divisor;
        auto v = load<W>(x, (base + pixel) * (int)p.channels.divisor + at.c);
#pragma unroll
        for (int k = 0; k < W; k++) {
          if (beats(v[k], best[k])) {
            best[k] = v[k];
            winner[k] = pixel;
          }
        }
      }
    }
    store(y, element, best);
    if (argmax) store(argmax, element, winner);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    maxPool(float* __restrict__ y, int* __restrict__ argmax, const float* __restrict__ x, int n, Pooling p, int vector) {
  elementwise(n, vector, MaxPoolBody{y, argmax, x, p});
}

extern "C" __global__ void __launch_bounds__(poolThreads)
    maxPoolShared(float* __restrict__ y, int* __restrict__ argmax, const float* __restrict__ x, int n, Pooling p, int lanes) {
  __shared__ float values[poolThreads];
  __shared__ int winners[poolThreads];
  PoolShare s(lanes);
  Maximum best = {lowest, 0x7fffffff};
  if (s.element < n) {
    s.each(p, lanes, [&](int pixel, int at) { best = larger(best, {x[at], pixel}); });
  }
  values[threadIdx.x] = best.value;
  winners[threadIdx.x] = best.position;
  for (int half = lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (s.lane < half) {
      int other = threadIdx.x + half * s.partner;
      best = larger(best, {values[other], winners[other]});
      values[threadIdx.x] = best.value;
      winners[threadIdx.x] = best.position;
    }
  }
  if (s.lane > 0 || s.element >= n) return;
  y[s.element] = best.value;
  if (argmax) argmax[s.element] = best.position;
}

struct MaxPoolGradBody {
  float* dx;
  const float* dy;
  const int* argmax;
  const Pooling& p;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int element) const {
    Place at(p, element);
    Windows down = windowsDown(p, at.i), across = windowsAcross(p, at.j);
    int pixel = at.i * p.width + at.j;
    Vector<float, W> g = {};
#pragma unroll 1
    for (int i = down.first; i < down.end; i++) {
      int line = (at.n * p.outHeight + i) * p.outWidth;
#pragma unroll 1
      for (int j = across.first; j < across.end; j++) {
        int from = (line + j) * (int)p.channels.divisor + at.c;
        auto winner = load<W>(argmax, from);
        auto d = load<W>(dy, from);
#pragma unroll
        for (int k = 0; k < W; k++) g[k] += winner[k] == pixel ? d[k] : 0;
      }
    }
    store(dx, element, finish(epilogue, g, element));
  }
};

// dx may be the epilogue's arrays.
extern "C" __global__ void __launch_bounds__(elementThreads)
    maxPoolGrad(float* dx, const float* __restrict__ dy, const int* __restrict__ argmax, int n, Pooling p, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, MaxPoolGradBody{dx, dy, argmax, p, epilogue});
}
