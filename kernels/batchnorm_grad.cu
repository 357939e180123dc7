// The gradients of batch normalisation. With s = 1/√(variance + ε), x̂ = (x − mean)·s:
//
//   dbeta[c] (+)= b[c] = Σ dy, dgamma[c] (+)= a[c] = Σ dy·x̂
//   dx = (g + addend)·σ′(output), g = gamma·s·(dy − b/rows − x̂·a/rows)
//
//   x, dy, dx [rows, channels]; the others [channels]; dgamma and dbeta are optional
//
// One launch for few rows: batchNormGrad. Else batchNormGradSlices makes the sums of each
// slice of rows in workspace [2·slice + field, channel], batchNormGradSums adds them up, and
// batchNormGradApply makes dx.
//
// Geometry: batchnorm.cuh; batchNormGradApply does four channels a thread with vector set.
// Shared memory: two numbers a thread. Deterministic: slices and trees follow from the
// shape.
#include "batchnorm.cuh"
#include "epilogue.cuh"

// Gradients are a and b.
struct Gradients {
  float gamma, beta;
};

__device__ inline Gradients add(Gradients a, Gradients b) { return {a.gamma + b.gamma, a.beta + b.beta}; }

// gradients are those of the thread's rows of its channel.
__device__ inline Gradients gradients(const Lane& at, const Channels& g, const float* dy, const float* x, float mean, float s) {
  Gradients d = {};
#pragma unroll 4
  for (unsigned r = at.first + at.lane; r < at.end; r += at.lanes) {
    unsigned i = r * g.channels + at.channel;
    d.gamma += dy[i] * ((x[i] - mean) * s);
    d.beta += dy[i];
  }
  return d;
}

// write stores a and b; dgamma may be 0, and dbeta with it.
__device__ inline void write(float* dgamma, float* dbeta, unsigned channel, Gradients d, int accumulate) {
  if (!dgamma) return;
  dgamma[channel] = accumulate ? dgamma[channel] + d.gamma : d.gamma;
  dbeta[channel] = accumulate ? dbeta[channel] + d.beta : d.beta;
}

extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormGrad(float* __restrict__ dx, float* __restrict__ dgamma, float* __restrict__ dbeta, const float* __restrict__ dy,
                  const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ mean,
                  const float* __restrict__ variance, Channels g, float epsilon, int accumulate, GradEpilogue epilogue) {
  __shared__ Gradients shared[normThreads];
  Lane at(g, 1);
  Gradients d = {};
  float mu = 0, s = 0;
  if (at.valid) {
    mu = mean[at.channel];
    s = inverseDeviation(variance[at.channel], epsilon);
    d = gradients(at, g, dy, x, mu, s);
  }
  d = first(g, tree(at, g, d, shared, add), shared);
  if (!at.valid) return;
  if (at.lane == 0) write(dgamma, dbeta, at.channel, d, accumulate);
  float scale = gamma[at.channel] * s, a = d.gamma / g.rows, b = d.beta / g.rows;
#pragma unroll 4
  for (unsigned r = at.first + at.lane; r < at.end; r += at.lanes) {
    unsigned i = r * g.channels + at.channel;
    dx[i] = finish(epilogue, scale * (dy[i] - b - (x[i] - mu) * s * a), i);
  }
}

extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormGradSlices(float* __restrict__ partial, const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean,
                        const float* __restrict__ variance, Channels g, float epsilon) {
  __shared__ Gradients shared[normThreads];
  Lane at(g, 1);
  Gradients d = {};
  if (at.valid) d = gradients(at, g, dy, x, mean[at.channel], inverseDeviation(variance[at.channel], epsilon));
  d = tree(at, g, d, shared, add);
  if (!at.valid || at.lane > 0) return;
  float* to = partial + (size_t)blockIdx.y * 2 * g.channels + at.channel;
  to[0] = d.gamma;
  to[g.channels] = d.beta;
}

// g counts slices as rows. sums gets a, then b.
extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormGradSums(float* __restrict__ sums, float* __restrict__ dgamma, float* __restrict__ dbeta, const float* __restrict__ partial,
                      Channels g, int accumulate) {
  __shared__ Gradients shared[normThreads];
  Lane at(g, 1);
  Gradients d = {};
  if (at.valid) {
    for (unsigned r = at.lane; r < g.rows; r += at.lanes) {
      const float* from = partial + (size_t)r * 2 * g.channels + at.channel;
      d = add(d, {from[0], from[g.channels]});
    }
  }
  d = tree(at, g, d, shared, add);
  if (!at.valid || at.lane > 0) return;
  sums[at.channel] = d.gamma;
  sums[g.channels + at.channel] = d.beta;
  write(dgamma, dbeta, at.channel, d, accumulate);
}

template <int W>
__device__ inline void inputGradient(float* dx, const float* dy, const float* x, const float* gamma, const float* mean, const float* variance,
                                     const float* sums, const Channels& g, float values, float epsilon, const GradEpilogue& epilogue) {
  Lane at(g, W);
  if (!at.valid) return;
  auto scale = load<W>(gamma, at.channel), mu = load<W>(mean, at.channel), s = load<W>(variance, at.channel);
  auto a = load<W>(sums, at.channel), b = load<W>(sums, g.channels + at.channel);
#pragma unroll
  for (int k = 0; k < W; k++) {
    s[k] = inverseDeviation(s[k], epsilon);
    scale[k] *= s[k];
    a[k] /= values;
    b[k] /= values;
  }
#pragma unroll 1
  for (unsigned r = at.first + at.lane; r < at.end; r += at.lanes) {
    unsigned i = r * g.channels + at.channel;
    auto d = load<W>(dy, i), v = load<W>(x, i);
#pragma unroll
    for (int k = 0; k < W; k++) d[k] = scale[k] * (d[k] - b[k] - (v[k] - mu[k]) * s[k] * a[k]);
    store(dx, i, finish(epilogue, d, i));
  }
}

// values is how many there are of a channel.
extern "C" __global__ void __launch_bounds__(normThreads)
    batchNormGradApply(float* __restrict__ dx, const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ gamma,
                       const float* __restrict__ mean, const float* __restrict__ variance, const float* __restrict__ sums, Channels g,
                       float values, float epsilon, GradEpilogue epilogue, int vector) {
  if (vector) {
    inputGradient<4>(dx, dy, x, gamma, mean, variance, sums, g, values, epsilon, epilogue);
  } else {
    inputGradient<1>(dx, dy, x, gamma, mean, variance, sums, g, values, epsilon, epilogue);
  }
}
