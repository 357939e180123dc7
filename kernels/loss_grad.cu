// The gradient of the losses' inputs: dx = (g + addend)·σ′(output),
// g[i, j] = seed[i]·weights[i]/divisor·∂ℓ/∂z_j.
//
//   SoftmaxCrossEntropy, KLDivergence  softmax(z)_j·Σ_k t_k − t_j            lossGradRows
//   MultiClassHinge                    1 if 1 − z_y + z_j > 0, else 0, for j ≠ y;
//                                      −Σ_{j≠y} of these for y               lossGradRows
//   SigmoidCrossEntropy                (σ(z_j) − t_j)/length                 lossGradElements
//   NegativeLogLikelihood              −t_j/z_j, 0 where t_j is 0            lossGradElements
//   MeanSquaredError                   2(z_j − t_j)/length                   lossGradElements
//
//   input, target, dx [rows, length]; indices, weights [rows]; seed [rows], or [1] with
//   seeds = 1
//
// The g of an example of weight 0 is 0, and its input is not read.
//
// Geometry: lossGradRows has a team of `lanes` threads an example (rows.cuh), and a number
// of shared memory a warp; lossGradElements that of elementwise (vector.cuh), with length a
// multiple of 4 if vector is set. Deterministic: the tree of a sum follows from the
// length, and each element is made by one thread. dx may be input and the epilogue's arrays:
// a thread reads the elements that it writes, and what others read of them is read before.
#include "epilogue.cuh"
#include "index.cuh"
#include "loss.cuh"

// factorOf is what the derivative of ℓ is multiplied by.
__device__ inline float factorOf(const Examples& e, const float* seed, int seeds, unsigned row, float weight) {
  return seed[seeds == 1 ? 0 : row] * weight / e.divisor;
}

extern "C" __global__ void __launch_bounds__(longRowThreads)
    lossGradRows(float* dx, const float* input, const float* __restrict__ seed, int rows, int length, int seeds, int lanes, Examples e,
                 GradEpilogue epilogue) {
  Team team(lanes);
  unsigned row = min(team.row, rows - 1);
  float weight = team.row < rows ? weightOf(e, row) : 0;
  float factor = factorOf(e, seed, seeds, row, weight);
  Example x(e, input, row, length);
  unsigned start = row * length;
  unsigned read = weight == 0 ? 0 : length, written = team.row < rows ? length : 0;
  if (e.kind == MultiClassHinge) {
    float own = x.label < read ? x.z[x.label] : 0;
    team.sync();
    int above = team.sum(read, [&](unsigned j) { return j != x.label && excess(own, x.z[j]) > 0 ? 1 : 0; });
    for (unsigned j = team.lane; j < written; j += lanes) {
      float g = 0;
      if (read) g = factor * (j == x.label ? (float)-above : excess(own, x.z[j]) > 0 ? 1 : 0);
      dx[start + j] = finish(epilogue, g, start + j);
    }
    return;
  }
  float total = e.indices ? 1 : team.sum(read, [&](unsigned j) { return x.t[j]; });
  float m = team.maximum(read, x.z);
  float inverse = 1 / team.sum(read, [&](unsigned j) { return expf(x.z[j] - m); });
  for (unsigned j = team.lane; j < written; j += lanes) {
    float g = 0;
    if (read) g = factor * (expf(x.z[j] - m) * inverse * total - x.target(j));
    dx[start + j] = finish(epilogue, g, start + j);
  }
}

struct LossGradBody {
  float* dx;
  const float *input, *seed;
  Divisor length;
  int seeds;
  const Examples& e;
  GradEpilogue epilogue;

  // derivative is ∂ℓ/∂z for the target t.
  __device__ float derivative(float z, float t) const {
    switch (e.kind) {
      case SigmoidCrossEntropy: return (sigmoid(z) - t) / length.divisor;
      case NegativeLogLikelihood: return t == 0 ? 0 : -t / z;
      case MeanSquaredError: return 2 * (z - t) / length.divisor;
    }
    return 0;
  }

  template <int W>
  __device__ void at(int i) const {
    unsigned column = i;
    unsigned row = split(column, length);
    float weight = weightOf(e, row);
    Vector<float, W> g = {};
    if (weight != 0) {
      float factor = factorOf(e, seed, seeds, row, weight);
      auto z = load<W>(input, i);
      Vector<float, W> t;
      if (e.target) {
        t = load<W>(e.target, i);
      } else {
        unsigned label = e.indices[row];
#pragma unroll
        for (int k = 0; k < W; k++) t[k] = column + k == label ? 1 : 0;
      }
#pragma unroll
      for (int k = 0; k < W; k++) g[k] = factor * derivative(z[k], t[k]);
    }
    store(dx, i, finish(epilogue, g, i));
  }
};

extern "C" __global__ void __launch_bounds__(elementThreads)
    lossGradElements(float* dx, const float* input, const float* __restrict__ seed, int n, Divisor length, int seeds, Examples e,
                     GradEpilogue epilogue, int vector) {
  elementwise(n, vector, LossGradBody{dx, input, seed, length, seeds, e, epilogue});
}
