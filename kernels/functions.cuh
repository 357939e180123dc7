// The scalar functions of the Unary Op and their derivatives: the table of
// backend/func.go. Errors are at most 4 ulps where the function is not exact.
#pragma once

#include "activation.cuh"
#include "power.cuh"
#include "trigonometry.cuh"

__device__ inline float sign(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; }  // ±0 and NaN stay

// softplus is ln(1+e^x), without overflow.
__device__ inline float softplus(float x) { return fmaxf(x, 0) + log1pf(expf(-fabsf(x))); }

// value is f of W elements. All threads of a warp should have the same f.
template <int W>
__device__ inline Vector<float, W> value(Activation f, const Vector<float, W>& x) {
  float alpha = f.alpha;
  switch (f.function) {
    case Neg: return map(x, [](float v) { return -v; });
    case Abs: return map(x, [](float v) { return fabsf(v); });
    case Square: return map(x, [](float v) { return v * v; });
    case Sqrt: return map(x, [](float v) { return sqrtf(v); });
    case Rsqrt: return map(x, [](float v) { return 1 / sqrtf(v); });
    case Reciprocal: return map(x, [](float v) { return 1 / v; });
    case Exp: return map(x, [](float v) { return expf(v); });
    case Log: return map(x, [](float v) { return logf(v); });
    case Sin: return map(x, [](float v) { return sine(v); });
    case Cos: return map(x, [](float v) { return cosine(v); });
    case Sign: return map(x, [](float v) { return sign(v); });
    case Floor: return map(x, [](float v) { return floorf(v); });
    case Softplus: return map(x, [](float v) { return softplus(v); });
    case Scale: return map(x, [=](float v) { return alpha * v; });
    case Offset: return map(x, [=](float v) { return v + alpha; });
    case Power: return map(x, [=](float v) { return power(v, alpha); });
  }
  return activate(f, x);
}

// derivative is f′ at W elements x, where y = f(x). Only the argument that the
// function's rule needs is read.
template <int W>
__device__ inline Vector<float, W> derivative(Activation f, const Vector<float, W>& x, const Vector<float, W>& y) {
  float alpha = f.alpha;
  switch (f.function) {
    case Neg: return map(x, [](float) { return -1.0f; });
    case Abs: return map(x, [](float v) { return sign(v); });
    case Square: return map(x, [](float v) { return 2 * v; });
    case Sqrt: return map(y, [](float v) { return 0.5f / v; });
    case Rsqrt: return map(y, [](float v) { return -0.5f * v * v * v; });
    case Reciprocal: return map(y, [](float v) { return -v * v; });
    case Exp: return y;
    case Log: return map(x, [](float v) { return 1 / v; });
    case Sin: return map(x, [](float v) { return cosine(v); });
    case Cos: return map(x, [](float v) { return -sine(v); });
    case Sign:
    case Floor: return map(x, [](float) { return 0.0f; });
    case Softplus: return map(x, [](float v) { return sigmoid(v); });
    case Scale: return map(x, [=](float) { return alpha; });
    case Power: return map(x, [=](float v) { return alpha * power(v, alpha - 1); });
  }
  return activationDerivative(f, y);  // 1 for Offset
}
