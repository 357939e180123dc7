// x^a for a that a whole launch shares, within 4 ulps, without the branches of the
// library's powf.
#pragma once

// scaled is y·2^n for |n| ≤ 252.
__device__ inline float scaled(float y, int n) {
  int half = n >> 1;
  return y * __int_as_float((half + 127) << 23) * __int_as_float((n - half + 127) << 23);
}

// powerOf is x^a for finite x > 0: 2^(a·log₂ x), where the logarithm has some 30 bits in
// the sum of two numbers.
//
//   x = m·2^e, √½ ≤ m < √2;  ln m = 2·(s + s³/3 + s⁵/5 + …), s = (m − 1)/(m + 1)
__device__ inline float powerOf(float x, float a) {
  int e = 0;
  if (x < 1.17549435e-38f) {  // subnormal
    x *= 16777216;
    e = -24;
  }
  int above = (__float_as_int(x) - 0x3f3504f3) >> 23;  // 0x3f3504f3 is √½
  float m = __int_as_float(__float_as_int(x) - (above << 23));
  e += above;
  // s and its rounding error.
  float f = m - 1, d = m + 1, dError = m - (d - 1);
  float s = f / d;
  float sError = fmaf(-s, dError, fmaf(-s, d, f)) / d;
  float z = s * s;
  float tail = fmaf(fmaf(fmaf(fmaf(1.0f / 11, z, 1.0f / 9), z, 1.0f / 7), z, 1.0f / 5), z, 1.0f / 3) * z * s;
  // Times 2/ln 2, which has a rounding error too.
  float l = s * 2.88539004f;
  float lError = fmaf(s, 2.88539004f, -l) + fmaf(s, 3.85192607e-08f, (sError + tail) * 2.88539004f);
  // log₂ x = h + hError.
  float sum = e + l;
  lError += (e - sum) + l;
  float h = sum + lError, hError = (sum - h) + lError;
  float p = a * h, pError = fmaf(a, h, -p) + a * hError;
  if (!(fabsf(p) < 200)) {  // overflows or vanishes, however much
    p = copysignf(200, p);
    pError = 0;
  }
  float n = rintf(p);
  return scaled(exp2f((p - n) + pError), (int)n);
}

// power is x^a with the special values of C's pow. a is finite.
__device__ inline float power(float x, float a) {
  if (a == 0 || x == 1) return 1;
  if (x != x) return x;
  bool whole = truncf(a) == a;
  bool odd = whole && fabsf(a) < 16777216 && ((int)a & 1);
  float magnitude = fabsf(x), y;
  if (magnitude == 0 || magnitude == __int_as_float(0x7f800000)) {
    y = (magnitude == 0) == (a < 0) ? __int_as_float(0x7f800000) : 0;
  } else {
    if (x < 0 && !whole) return __int_as_float(0x7fffffff);  // NaN
    y = powerOf(magnitude, a);
  }
  return odd && __float_as_int(x) < 0 ? -y : y;
}
