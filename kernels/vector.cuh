// Accesses of one or of four neighbouring elements, and the loop of element-wise kernels
// over them.
#pragma once

// Vector holds W neighbouring elements in registers.
template <class T, int W>
struct Vector {
  T v[W];
  __device__ T& operator[](int k) { return v[k]; }
  __device__ const T& operator[](int k) const { return v[k]; }
};

// map applies f to each element.
template <class T, int W, class F>
__device__ inline Vector<T, W> map(const Vector<T, W>& x, F f) {
  Vector<T, W> y;
#pragma unroll
  for (int k = 0; k < W; k++) y[k] = f(x[k]);
  return y;
}

// Packed is a type of W elements that one instruction moves.
template <class T, int W>
struct Packed;
template <class T>
struct Packed<T, 1> {
  using type = T;
};
template <>
struct Packed<float, 4> {
  using type = float4;
};
template <>
struct Packed<int, 4> {
  using type = int4;
};
template <>
struct Packed<unsigned char, 4> {
  using type = uchar4;
};

// load reads W elements from p[i]; their address must be a multiple of their size.
template <int W, class T>
__device__ inline Vector<T, W> load(const T* p, int i) {
  Vector<T, W> x;
  if constexpr (W == 1) {
    x[0] = p[i];
  } else {
    auto q = *reinterpret_cast<const typename Packed<T, W>::type*>(p + i);
    x[0] = q.x, x[1] = q.y, x[2] = q.z, x[3] = q.w;
  }
  return x;
}

// store writes W elements to p[i], likewise.
template <int W, class T>
__device__ inline void store(T* p, int i, const Vector<T, W>& x) {
  if constexpr (W == 1) {
    p[i] = x[0];
  } else {
    typename Packed<T, W>::type q;
    q.x = x[0], q.y = x[1], q.z = x[2], q.w = x[3];
    *reinterpret_cast<typename Packed<T, W>::type*>(p + i) = q;
  }
}

// loadStrided reads p[i], and W − 1 neighbours if the stride is 1, or the same element
// again if it is 0.
template <int W, class T>
__device__ inline Vector<T, W> loadStrided(const T* p, int i, int stride) {
  if (W == 1 || stride) return load<W>(p, i);
  Vector<T, W> x;
  T v = p[i];
#pragma unroll
  for (int k = 0; k < W; k++) x[k] = v;
  return x;
}

// The geometry of element-wise kernels: a block of elementThreads threads does
// elementBlock elements, ⌈n/elementBlock⌉ blocks do all n.
constexpr int elementThreads = 256;
constexpr int elementBlock = 1024;

// elementwise calls body.at<4>(i) for four elements from i on, or body.at<1>(i) for
// one, until each of n elements was visited once. With vector set a thread does four
// neighbours, else four that lie elementThreads apart, so that a warp touches
// neighbours either way.
template <class Body>
__device__ inline void elementwise(int n, int vector, const Body& body) {
  // In 64 bits: the last block may reach beyond 2³¹.
  long long first = (long long)blockIdx.x * elementBlock + (vector ? 4 * threadIdx.x : threadIdx.x);
  int step = elementThreads;
  if (vector) {
    if (first + 4 <= n) {
      body.template at<4>((int)first);
      return;
    }
    step = 1;
  }
#pragma unroll 1
  for (int k = 0; k < 4; k++) {
    long long i = first + k * step;
    if (i < n) body.template at<1>((int)i);
  }
}
