// Updates the parameters of an arena from their gradients: the rules of
// backend.OptimizerStep, whose names are used here.
//
//   p, g [P]; s1, s2 [P], 0 where the rule has no such slot; rate [1]; step [1]
//
// Geometry: that of elementwise (vector.cuh) over the elements of up to maxSegments
// segments one behind the other; with vector set their offsets and lengths are
// multiples of 4. Factors that depend on attributes and step alone are computed in
// double precision and rounded. Deterministic: each element is made by one thread.
#include "vector.cuh"

// The numbers of backend.OptimizerRule.
enum OptimizerRule : int { SGD, Momentum, AdaGrad, AdaDelta, RMSProp, Adam, AdamW };

constexpr int maxSegments = 16;

// Segments are stretches of the arena. Those that are not used begin at n.
struct Segments {
  int begin[maxSegments];  // the first element in the walk over all segments
  int shift[maxSegments];  // from there to the arena
  double rateFactor[maxSegments];
  double weightDecay[maxSegments];
};

struct OptimizerSettings {
  int rule, nesterov;
  float momentum, epsilon;
  float decay, decayRest;  // Decay and 1 − Decay, or Beta1 and 1 − Beta1
  float beta2, beta2Rest;  // Beta2 and 1 − Beta2
  double beta1Exact, beta2Exact;
};

// powerOfStep is beta^t.
__device__ inline double powerOfStep(double beta, int t) {
  double y = 1;
#pragma unroll 1
  for (unsigned n = t; n; n >>= 1) {
    if (n & 1) y *= beta;
    beta *= beta;
  }
  return y;
}

struct OptimizerBody {
  float *p, *s1, *s2;
  const float* g;
  const Segments& segments;
  const OptimizerSettings& o;
  float rate, correction1, correction2;

  template <int W>
  __device__ void at(int i) const {
    int shift = segments.shift[0];
    double factor = segments.rateFactor[0], lambda = segments.weightDecay[0];
#pragma unroll
    for (int k = 1; k < maxSegments; k++) {
      if (i >= segments.begin[k]) {
        shift = segments.shift[k];
        factor = segments.rateFactor[k];
        lambda = segments.weightDecay[k];
      }
    }
    i += shift;
    float eta = (float)(rate * factor);
    float decoupled = (float)(rate * factor * lambda), coupled = (float)lambda;
    auto ps = load<W>(p, i), gs = load<W>(g, i);
    Vector<float, W> s1s = {}, s2s = {};
    if (s1) s1s = load<W>(s1, i);
    if (s2) s2s = load<W>(s2, i);
#pragma unroll
    for (int k = 0; k < W; k++) update(ps[k], gs[k], s1s[k], s2s[k], eta, coupled, decoupled);
    store(p, i, ps);
    if (s1) store(s1, i, s1s);
    if (s2) store(s2, i, s2s);
  }

  __device__ void update(float& p, float g, float& s1, float& s2, float eta, float coupled, float decoupled) const {
    if (o.rule == AdamW) {
      p -= decoupled * p;
    } else {
      g += coupled * p;
    }
    switch (o.rule) {
      case SGD:
        p -= eta * g;
        return;
      case Momentum:
        s1 = o.momentum * s1 + g;
        p -= eta * (o.nesterov ? g + o.momentum * s1 : s1);
        return;
      case AdaGrad:
        s1 += g * g;
        p -= eta * (g / (sqrtf(s1) + o.epsilon));
        return;
      case AdaDelta: {
        s1 = o.decay * s1 + o.decayRest * (g * g);
        float d = g * sqrtf(s2 + o.epsilon) / sqrtf(s1 + o.epsilon);
        s2 = o.decay * s2 + o.decayRest * (d * d);
        p -= eta * d;
        return;
      }
      case RMSProp:
        s1 = o.decay * s1 + o.decayRest * (g * g);
        p -= eta * (g / (sqrtf(s1) + o.epsilon));
        return;
      default:
        s1 = o.decay * s1 + o.decayRest * g;
        s2 = o.beta2 * s2 + o.beta2Rest * (g * g);
        p -= eta * correction1 * (s1 / (sqrtf(s2) / correction2 + o.epsilon));
    }
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    optimizerStep(float* __restrict__ p, float* __restrict__ s1, float* __restrict__ s2, const float* __restrict__ g,
                  const float* __restrict__ rate, const int* __restrict__ step, int n, Segments segments, OptimizerSettings o, int vector) {
  __shared__ float corrections[2];  // of Adam: 1/(1 − Beta1ᵗ), √(1 − Beta2ᵗ)
  if (threadIdx.x == 0) {
    int t = o.rule >= Adam ? step[0] : 1;
    corrections[0] = (float)(1 / (1 - powerOfStep(o.beta1Exact, t)));
    corrections[1] = (float)sqrt(1 - powerOfStep(o.beta2Exact, t));
  }
  __syncthreads();
  elementwise(n, vector, OptimizerBody{p, s1, s2, g, segments, o, rate[0], corrections[0], corrections[1]});
}
