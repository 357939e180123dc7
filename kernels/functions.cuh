// The scalar functions of the Unary Op and their derivatives: the table of
// backend/func.go. Errors are at most 4 ulps where the function is not exact.
#pragma once

#include "activation.cuh"
#include "power.cuh"
#include "trigonometry.cuh"

// value is f(x). All threads of a warp should have the same f and alpha.
__device__ inline float value(int f, float x, float alpha) {
  switch (f) {
    case Identity:
    case Sigmoid:
    case Tanh:
    case ReLU:
    case LeakyReLU:
    case ELU: return activate({f, alpha}, x);
    case Neg: return -x;
    case Abs: return fabsf(x);
    case Square: return x * x;
    case Sqrt: return sqrtf(x);
    case Rsqrt: return 1 / sqrtf(x);
    case Reciprocal: return 1 / x;
    case Exp: return expf(x);
    case Log: return logf(x);
    case Sin: return sine(x);
    case Cos: return cosine(x);
    case Sign: return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
    case Floor: return floorf(x);
    case Softplus: return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
    case Scale: return alpha * x;
    case Offset: return x + alpha;
    case Power: return power(x, alpha);
  }
  return x;
}

// derivative is f′ at x, where y = f(x). Only the argument that the function's
// rule needs is read.
__device__ inline float derivative(int f, float x, float y, float alpha) {
  switch (f) {
    case Identity:
    case Sigmoid:
    case Tanh:
    case ReLU:
    case LeakyReLU:
    case ELU: return activationDerivative({f, alpha}, y);
    case Neg: return -1;
    case Abs: return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
    case Square: return 2 * x;
    case Sqrt: return 0.5f / y;
    case Rsqrt: return -0.5f * y * y * y;
    case Reciprocal: return -y * y;
    case Exp: return y;
    case Log: return 1 / x;
    case Sin: return cosine(x);
    case Cos: return -sine(x);
    case Sign:
    case Floor: return 0;
    case Softplus: return sigmoid(x);
    case Scale: return alpha;
    case Offset: return 1;
    case Power: return alpha * power(x, alpha - 1);
  }
  return 1;
}
