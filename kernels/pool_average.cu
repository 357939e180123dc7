// Average pooling and its gradient.
//
//   y[n, i, j, c] = Σ x[n, h, w, c]/divisor(i, j) over the real pixels of window i, j
//   dx[n, h, w, c] = (g + addend)·σ′(output), g = Σ dy[n, i, j, c]/divisor(i, j) over the
//     windows that hold pixel h, w, in row-major order
//
//   x, dx [N, H, W, C]; y, dy [N, OH, OW, C]
//
// divisor(i, j) is the number of real pixels under the window, or that of all its taps.
//
// Geometry: that of elementwise (vector.cuh) over the result; with vector set C is a
// multiple of 4. averagePoolShared is for few large windows: `lanes` threads (a power of
// two up to 256) share a window, poolThreads/lanes windows a block; a thread adds every
// lanes-th pixel in row-major order, and the lanes' sums meet in a tree in shared memory,
// a number a thread. Deterministic: the order of each sum follows from the shapes.
#include "epilogue.cuh"
#include "pool.cuh"

// divisor is what a sum over a window is divided by.
__device__ inline float divisor(const Pooling& p, Taps down, Taps across) {
  return p.divisor != 0 ? p.divisor : (float)(down.count * across.count);
}

struct AveragePoolBody {
  float* y;
  const float* x;
  const Pooling& p;

  template <int W>
  __device__ void at(int element) const {
    Place at(p, element);
    Taps down = tapsDown(p, at.i), across = tapsAcross(p, at.j);
    int base = at.n * p.height * p.width;
    Vector<float, W> sum = {};
#pragma unroll 1
    for (int i = 0; i < down.count; i++) {
      int line = base + (down.first + i * (int)p.dilationHeight.divisor) * p.width + across.first;
#pragma unroll 2
      for (int j = 0; j < across.count; j++) {
        auto v = load<W>(x, (line + j * (int)p.dilationWidth.divisor) * (int)p.channels.divisor + at.c);
#pragma unroll
        for (int k = 0; k < W; k++) sum[k] += v[k];
      }
    }
    float d = divisor(p, down, across);
#pragma unroll
    for (int k = 0; k < W; k++) sum[k] /= d;
    store(y, element, sum);
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    averagePool(float* __restrict__ y, const float* __restrict__ x, int n, Pooling p, int vector) {
  elementwise(n, vector, AveragePoolBody{y, x, p});
}

extern "C" __global__ void __launch_bounds__(poolThreads)
    averagePoolShared(float* __restrict__ y, const float* __restrict__ x, int n, Pooling p, int lanes) {
  __shared__ float sums[poolThreads];
  PoolShare s(lanes);
  float sum = 0;
  if (s.element < n) {
    s.each(p, lanes, [&](int, int at) { sum += x[at]; });
  }
  sums[threadIdx.x] = sum;
  for (int half = lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (s.lane < half) sums[threadIdx.x] = sum += sums[threadIdx.x + half * s.partner];
  }
  if (s.lane > 0 || s.element >= n) return;
  Place at(p, (unsigned)s.element);
  y[s.element] = sum / divisor(p, tapsDown(p, at.i), tapsAcross(p, at.j));
}

struct AveragePoolGradBody {
  float* dx;
  const float* dy;
  const Pooling& p;
  GradEpilogue epilogue;

  template <int W>
  __device__ void at(int element) const {
    Place at(p, element);
    Windows down = windowsDown(p, at.i), across = windowsAcross(p, at.j);
    Vector<float, W> g = {};
#pragma unroll 1
    for (int i = down.first; i < down.end; i++) {
      if (steppedOver(at.i + p.top - i * (int)p.down.divisor, p.dilationHeight)) continue;
      Taps rows = tapsDown(p, i);
      int line = (at.n * p.outHeight + i) * p.outWidth;
#pragma unroll 1
      for (int j = across.first; j < across.end; j++) {
        if (steppedOver(at.j + p.left - j * (int)p.across.divisor, p.dilationWidth)) continue;
        float share = 1 / divisor(p, rows, tapsAcross(p, j));
        auto d = load<W>(dy, (line + j) * (int)p.channels.divisor + at.c);
#pragma unroll
        for (int k = 0; k < W; k++) g[k] += d[k] * share;
      }
    }
    store(dx, element, finish(epilogue, g, element));
  }
};

// dx may be the epilogue's arrays.
extern "C" __global__ void __launch_bounds__(elementThreads)
    averagePoolGrad(float* dx, const float* __restrict__ dy, int n, Pooling p, GradEpilogue epilogue, int vector) {
  elementwise(n, vector, AveragePoolGradBody{dx, dy, p, epilogue});
}
