// Softmax of rows, and its gradient.
//
//   y[j] = e^(x[j] − m)/S, m = max x, S = Σ_k e^(x[k] − m);  log: y[j] = x[j] − m − ln S
//   dx[j] = (g + addend)·σ′(output), g = y[j]·(dy[j] − Σ_k dy[k]·y[k]);  log: g = dy[j] − e^y[j]·Σ_k dy[k]
//
//   x, y, dx, dy [rows, length]
//
// Geometry: a team of `lanes` threads a row (rows.cuh): a part of a warp or a warp for
// short rows, a block for long ones. Shared memory: a number a warp. Deterministic: the
// tree of a sum follows from the length. A thread reads the elements that it writes, and
// nobody else does, so that y may be x, and dx any input of its gradient but y.
#include "epilogue.cuh"
#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(longRowThreads) softmax(float* y, const float* x, int rows, int length, int lanes, int log) {
  Team team(lanes);
  if (team.row >= rows) length = 0;
  size_t start = (size_t)team.row * length;
  x += start;
  y += start;
  float m = team.maximum(length, x);
  float s = team.sum(length, [&](unsigned j) { return expf(x[j] - m); });
  if (log) {
    float l = logf(s);
    for (unsigned j = team.lane; j < length; j += lanes) y[j] = x[j] - m - l;
  } else {
    float inverse = 1 / s;
    for (unsigned j = team.lane; j < length; j += lanes) y[j] = expf(x[j] - m) * inverse;
  }
}

extern "C" __global__ void __launch_bounds__(longRowThreads)
    softmaxGrad(float* dx, const float* dy, const float* __restrict__ y, int rows, int length, int lanes, int log, GradEpilogue epilogue) {
  Team team(lanes);
  if (team.row >= rows) length = 0;
  unsigned start = team.row * length;
  if (log) {
    float s = team.sum(length, [&](unsigned j) { return dy[start + j]; });
    for (unsigned j = team.lane; j < length; j += lanes) {
      unsigned i = start + j;
      dx[i] = finish(epilogue, dy[i] - expf(y[i]) * s, i);
    }
  } else {
    float s = team.sum(length, [&](unsigned j) { return dy[start + j] * y[start + j]; });
    for (unsigned j = team.lane; j < length; j += lanes) {
      unsigned i = start + j;
      dx[i] = finish(epilogue, y[i] * (dy[i] - s), i);
    }
  }
}
