// Sine and cosine for all arguments, within 2 ulps, in registers alone: the library's
// reduction of large arguments keeps an array in local memory.
#pragma once

// reduceFar returns r and q as reduce does, for |x| ≥ 2¹⁶, from a window of 96 bits
// of 2/π: the bits before it add multiples of 4 to x·2/π, those behind it less than
// 2⁻⁶². Source: Payne and Hanek 1983.
__device__ inline float reduceFar(float x, int& q) {
  q = 0;
  if (!(fabsf(x) < __int_as_float(0x7f800000))) return x - x;  // NaN
  unsigned bits = __float_as_uint(x);
  unsigned mantissa = bits << 8 | 0x80000000u;  // |x| = mantissa·2^(exponent − 31)
  unsigned exponent = (bits >> 23 & 0xff) - 127;
  // The words of 2/π behind a word of zeros; the window begins at bit exponent − 1.
  constexpr unsigned w0 = 0, w1 = 0xa2f9836e, w2 = 0x4e441529, w3 = 0xfc2757d1, w4 = 0xf534ddc0, w5 = 0xdb629599, w6 = 0x3c439041;
  unsigned word = (exponent - 1) >> 5, shift = (exponent - 1) & 31;
  unsigned a = word == 0 ? w0 : word == 1 ? w1 : word == 2 ? w2 : w3;
  unsigned b = word == 0 ? w1 : word == 1 ? w2 : word == 2 ? w3 : w4;
  unsigned c = word == 0 ? w2 : word == 1 ? w3 : word == 2 ? w4 : w5;
  unsigned d = word == 0 ? w3 : word == 1 ? w4 : word == 2 ? w5 : w6;
  a = __funnelshift_l(b, a, shift);
  b = __funnelshift_l(c, b, shift);
  c = __funnelshift_l(d, c, shift);
  // x·2/π modulo 4 in units of 2⁻⁹⁴: the low 96 bits of mantissa·window.
  unsigned long long low = (unsigned long long)mantissa * c;
  unsigned long long middle = (unsigned long long)mantissa * b + (low >> 32);
  unsigned high = mantissa * a + (unsigned)(middle >> 32);
  unsigned long long fraction = (unsigned long long)(high << 2 | (unsigned)middle >> 30) << 32 | ((unsigned)middle << 2 | (unsigned)low >> 30);
  q = (int)(high >> 30) + (int)(fraction >> 63);  // to the nearest quadrant
  float r = (float)((double)(long long)fraction * 8.5153039502163873e-20);  // π/2·2⁻⁶⁴
  if (x < 0) {
    q = -q;
    r = -r;
  }
  return r;
}

// reduce returns r, |r| ≤ π/4, and q with x = q·π/2 + r, modulo 2π.
__device__ inline float reduce(float x, int& q) {
  if (!(fabsf(x) < 65536)) return reduceFar(x, q);
  float j = rintf(x * 0.636619747f);
  q = (int)j;
  // π/2 in three parts. The first is a multiple of 2⁻²², and so is what it leaves
  // of x, without rounding; the second leaves no rounding where the result is small.
  float r = fmaf(j, -1.57079625f, x);
  r = fmaf(j, -7.54979013e-08f, r);
  return fmaf(j, 1.71512451e-15f, r);
}

// The polynomials interpolate at the Chebyshev points of [0, (π/4)²].
__device__ inline float sineOrCosine(float r, int q) {
  float z = r * r;
  float s = fmaf(fmaf(fmaf(-0.00019587639f, z, 0.00833274703f), z, -0.166666642f) * z, r, r);
  float c = fmaf(fmaf(fmaf(2.45476895e-05f, z, -0.00138883013f), z, 0.0416666642f), z * z, fmaf(-0.5f, z, 1));
  float y = q & 1 ? c : s;
  return q & 2 ? -y : y;
}

__device__ inline float sine(float x) {
  int q;
  float r = reduce(x, q);
  return sineOrCosine(r, q);
}

__device__ inline float cosine(float x) {
  int q;
  float r = reduce(x, q);
  return sineOrCosine(r, q + 1);
}
