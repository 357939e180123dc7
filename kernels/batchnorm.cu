// Batch normalisation, with the statistics of the batch or with given ones.
//
//   mean[c] = Σ x/rows, variance[c] = Σ (x − mean)²/rows
//   y = σ(gamma[c]·(x − mean[c])/√(variance[c] + ε) + beta[c])
//
//   x, y [rows, channels]; mean, variance, gamma, beta [channels]
//
// One launch for few rows: batchNorm. Else batchNormSlices makes the moments of each slice
// of rows in workspace [3·slice + field, channel], batchNormStatistics combines them, and
// batchNormApply, which does inference too, normalises.
//
// A thread computes mean and squares of normUnroll rows at a time, in two passes over
// registers; moments are combined as Chan, Golub and LeVeque 1983 do:
//
//   n = n₁ + n₂, S = S₁ + S₂, Q = Q₁ + Q₂ + n₁·n₂/n·(S₁/n₁ − S₂/n₂)²
//
// so that no digits are lost where the mean is large beside the deviation.
//
// Geometry: batchnorm.cuh; batchNormApply does four channels a thread with vector set.
// Shared memory: three numbers a thread. Deterministic: slices and trees follow from the
// shape.
#include "activation.cuh"
#include "batchnorm.cuh"

// Moments of some values: how many, their sum, and the sum of their squared distances to
// their mean.
struct Moments {
  float count, sum, squares;
};

__device__ inline Moments combine(Moments a, Moments b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  float count = a.count + b.count;
  float d = a.sum / a.count - b.sum / b.count;
  return {count, a.sum + b.sum, a.squares + b.squares + d * d * (a.count * (b.count / count))};
}

// moments are those of the thread's rows of its channel.
__device__ inline Moments moments(const Lane& at, const Channels& g, const float* x) {
  Moments m = {};
  if (!at.valid) return m;
  unsigned step = at.lanes * normUnroll;
#pragma unroll 1
  for (unsigned r = at.first + at.lane; r < at.end; r += step) {
    float v[normUnroll];
    Moments part = {};
#pragma unroll
    for (int k = 0; k < normUnroll; k++) {
      unsigned row = r + k * at.lanes;
      bool real = row < at.end;
      v[k] = real ? x[row * g.channels + at.channel] : 0;
      part.sum += v[k];
      part.count += real;
    }
    float mean = part.sum / part.count;
#pragma unroll
    for (int k = 0; k < normUnroll; k++) {
      float d = r + k * at.lanes < at.end ? v[k] - mean : 0;
      part.squares += d * d;
    }
    m = combine(m, part);
  }
  return m;
}

extern "C" __global__ void __launch_bounds__(normThreads)
    batchNorm(float* __restrict__ y, float* __restrict__ mean, float* __restrict__ variance, const float* __restrict__ x,
              const float* __restrict__ gamma, const float* __restrict__ beta, Channels g, float epsilon) {
  __shared__ Moments shared[normThreads];
  Lane at(g, 1);
  Moments m = tree(at, g, moments(at, g, x), shared, combine);
  m = first(g, m, shared);
  if (!at.valid) return;
  float mu = m.sum / g.rows, v = m.squares / g.rows;
  if (at.lane == 0) {
    mean[at.channel] = mu;
    variance[at.channel] = v;
  }
  float scale = gamma[at.channel] * inverseDeviation(v, epsilon), shift = beta[at.channel];
#pragma unroll 4
  for (unsigned r = at.first + at.lane; r < at.end; r += at.lanes) {
    unsigned i = r * g.channels + at.channel;
    y[i] = (x[i] - mu) * scale + shift;
  }
}

extern "C" __global__ void __launch_bounds__(normThreads) batchNormSlices(float* __restrict__ partial, const float* __restrict__ x, Channels g) {
  __shared__ Moments shared[normThreads];
  Lane at(g, 1);
  Moments m = tree(at, g, moments(at, g, x), shared, combine);
  if (!at.valid || at.lane > 0) return;
  float* to = partial + (size_t)blockIdx.y * 3 * g.channels + at.channel;
  to[0] = m.count;
  to[g.channels] = m.sum;
  to[2 * (size_t)g.channels] = m.squares;
}

// g counts slices as rows. values is how many there are of a channel.
extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormStatistics(float* __restrict__ mean, float* __restrict__ variance, const float* __restrict__ partial, Channels g, float values) {
  __shared__ Moments shared[normThreads];
  Lane at(g, 1);
  Moments m = {};
  if (at.valid) {
    for (unsigned r = at.lane; r < g.rows; r += at.lanes) {
      const float* from = partial + (size_t)r * 3 * g.channels + at.channel;
      m = combine(m, {from[0], from[g.channels], from[2 * (size_t)g.channels]});
    }
  }
  m = tree(at, g, m, shared, combine);
  if (!at.valid || at.lane > 0) return;
  mean[at.channel] = m.sum / values;
  variance[at.channel] = m.squares / values;
}

template <int W>
__device__ inline void normalise(float* y, const float* x, const float* gamma, const float* beta, const float* mean, const float* variance,
                                 const Channels& g, float epsilon, Activation activation) {
  Lane at(g, W);
  if (!at.valid) return;
  auto scale = load<W>(gamma, at.channel), shift = load<W>(beta, at.channel), mu = load<W>(mean, at.channel), v = load<W>(variance, at.channel);
#pragma unroll
  for (int k = 0; k < W; k++) scale[k] *= inverseDeviation(v[k], epsilon);
#pragma unroll 4
  for (unsigned r = at.first + at.lane; r < at.end; r += at.lanes) {
    unsigned i = r * g.channels + at.channel;
    auto z = load<W>(x, i);
#pragma unroll
    for (int k = 0; k < W; k++) z[k] = activate(activation, (z[k] - mu[k]) * scale[k] + shift[k]);
    store(y, i, z);
  }
}

// y may be x.
extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormApply(float* y, const float* x, const float* __restrict__ gamma, const float* __restrict__ beta, const float* __restrict__ mean,
                   const float* __restrict__ variance, Channels g, float epsilon, Activation activation, int vector) {
  if (vector) {
    normalise<4>(y, x, gamma, beta, mean, variance, g, epsilon, activation);
  } else {
    normalise<1>(y, x, gamma, beta, mean, variance, g, epsilon, activation);
  }
}
