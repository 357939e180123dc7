// The loss of each example, weighted: losses[i] = weights[i]·ℓ(input[i], target[i])/divisor.
//
//   SoftmaxCrossEntropy    ℓ = −Σ_j t_j·ln softmax(z)_j
//   KLDivergence           ℓ = Σ_j t_j·(ln t_j − ln softmax(z)_j)
//   SigmoidCrossEntropy    ℓ = Σ_j (max(z_j, 0) − z_j·t_j + ln(1 + e^−|z_j|))/length
//   NegativeLogLikelihood  ℓ = −Σ_j t_j·ln z_j
//   MeanSquaredError       ℓ = Σ_j (z_j − t_j)²/length
//   MultiClassHinge        ℓ = Σ_{j≠y} max(0, 1 − z_y + z_j)
//
//   input, target [rows, length]; indices, weights, losses [rows]
//
// A t_j of 0 contributes 0 in those with a logarithm; an example of weight 0 contributes
// 0 and is not read.
//
// Geometry: a team of `lanes` threads an example (rows.cuh). Shared memory: a number a warp.
// Deterministic: the tree of a sum follows from the length.
#include "loss.cuh"

// entropy is the loss of logits: −Σ t·ln softmax(z), and Σ t·ln t with it for the
// divergence.
__device__ inline float entropy(const Team& team, const Example& x, unsigned length, bool divergence) {
  float m = team.maximum(length, x.z);
  float l = logf(team.sum(length, [&](unsigned j) { return expf(x.z[j] - m); }));
  return team.sum(length, [&](unsigned j) {
    float t = x.target(j);
    if (t == 0) return 0.0f;
    float p = x.z[j] - m - l;
    return divergence ? t * (logf(t) - p) : -t * p;
  });
}

__device__ inline float hinge(const Team& team, const Example& x, unsigned length) {
  float own = x.label < length ? x.z[x.label] : 0;
  return team.sum(length, [&](unsigned j) {
    float v = excess(own, x.z[j]);
    return j == x.label || v <= 0 ? 0 : v;
  });
}

__device__ inline float lossOf(const Team& team, const Example& x, unsigned length, int kind) {
  switch (kind) {
    case SoftmaxCrossEntropy:
    case KLDivergence: return entropy(team, x, length, kind == KLDivergence);
    case SigmoidCrossEntropy:
      return team.sum(length, [&](unsigned j) {
        float z = x.z[j];
        return fmaxf(z, 0) - z * x.t[j] + log1pf(expf(-fabsf(z)));
      }) / length;
    case NegativeLogLikelihood:
      return team.sum(length, [&](unsigned j) {
        float t = x.target(j);
        return t == 0 ? 0 : -t * logf(x.z[j]);
      });
    case MeanSquaredError:
      return team.sum(length, [&](unsigned j) {
        float d = x.z[j] - x.t[j];
        return d * d;
      }) / length;
    case MultiClassHinge: return hinge(team, x, length);
  }
  return 0;
}

extern "C" __global__ void __launch_bounds__(longRowThreads)
    loss(float* __restrict__ losses, const float* __restrict__ input, int rows, int length, int lanes, Examples e) {
  Team team(lanes);
  unsigned row = min(team.row, rows - 1);
  float weight = team.row < rows ? weightOf(e, row) : 0;
  Example x(e, input, row, length);
  float l = lossOf(team, x, weight == 0 ? 0 : length, e.kind);
  if (team.row < rows && team.lane == 0) losses[row] = weight == 0 ? 0 : weight * l / e.divisor;
}
