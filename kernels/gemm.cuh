// The core of every kernel that is a matrix product:
//
//   Y[m,n] = finish(Σ_k A(m,k)·B(k,n))
//
// A block makes a tile of T::rows × T::columns results, a thread T::threadRows ×
// T::threadColumns of them, in registers. The sum runs in stages of T::depth products:
// while the threads multiply one stage, which lies in shared memory, they fetch the next
// from global memory into registers, and put it into a second buffer. One barrier a stage.
//
// In shared memory a stage is [k][m] and [k][n], so that a thread reads its factors four
// at a time; a warp reads neighbours, and what several lanes read is broadcast. How a factor
// comes there is the business of its loader, a type with
//
//   stride     elements from one k to the next in shared memory
//   fetch()    reads the next stage into registers, with zeros outside the matrix
//   put(s)     writes it to shared memory
//
// Matrix below is the loader of strided matrices; conv.cuh has those that gather pixels.
// Loaders read at least 8 neighbours, a sector of 32 bytes, at a time.
//
// Deterministic: a result is the sum over ascending k of one thread, with fused
// multiply-adds. A sum that is split (SumSlice) is added up in a fixed order by gemm_sum.cu.
#pragma once

#include "epilogue.cuh"
#include "gemm_store.cuh"
#include "index.cuh"
#include "vector.cuh"

// octet is the number of successive k that loaders work in.
constexpr int octet = 8;

// Tile is how a block divides its work among its threads.
template <int M, int N, int ThreadM, int ThreadN, int Octets>
struct Tile {
  static constexpr int rows = M, columns = N, threadRows = ThreadM, threadColumns = ThreadN;
  static constexpr int octets = Octets, depth = Octets * octet;
  static constexpr int down = M / ThreadM, across = N / ThreadN, threads = down * across;
  // A warp is warpDown × warpAcross threads, 4 × 8 where there are as many.
  static constexpr int warpAcross = across < 8 ? across : down < 4 ? 32 / down : 8, warpDown = 32 / warpAcross;
  static_assert(threads % 32 == 0 && ThreadM % 4 == 0 && ThreadN % 4 == 0 && across % warpAcross == 0 && down % warpDown == 0);
};

// TilePlace is the place of a block's tile, from blockIdx.x: columns fastest, so that blocks
// that run together share rows.
struct TilePlace {
  unsigned row, column;  // the first of the tile
  unsigned batch;        // which of several products: a group, a phase
};

template <class T>
__device__ inline TilePlace block(const Divisor& rowTiles, const Divisor& columnTiles) {
  unsigned row = blockIdx.x;
  unsigned batch = split(row, columnTiles);
  unsigned column = row;
  row = batch;
  batch = split(row, rowTiles);
  return {row * T::rows, column * T::columns, batch};
}

// SumSlice is the part of the sum that blockIdx.y is about.
struct SumSlice {
  int begin, end;

  __device__ SumSlice(int length, int depth) {
    begin = min((long long)blockIdx.y * length, (long long)depth);
    end = min((long long)begin + length, (long long)depth);
  }

  template <class T>
  __device__ int stages() const {
    return (end - begin + T::depth - 1) / T::depth;
  }
};

// readOnly reads W elements of an operand that nobody writes.
template <int W>
__device__ inline Vector<float, W> readOnly(const float* p) {
  Vector<float, W> x;
  if constexpr (W == 1) {
    x[0] = __ldg(p);
  } else {
    float4 q = __ldg(reinterpret_cast<const float4*>(p));
    x[0] = q.x, x[1] = q.y, x[2] = q.z, x[3] = q.w;
  }
  return x;
}

// Lanes tells which elements of an octet of R rows a thread moves: `loads` times W
// neighbours. AlongDepth has neighbouring threads take neighbouring k, else neighbouring rows.
template <class T, int R, int W>
struct Lanes {
  static constexpr int count = R * octet / W;
  static constexpr int loads = (count + T::threads - 1) / T::threads;
  static constexpr bool all = count % T::threads == 0;  // no thread is idle
  static_assert(all || count < T::threads);

  __device__ static bool active() { return all || threadIdx.x < count; }

  struct AlongDepth {
    static constexpr int rowStep = T::threads / (octet / W), kStep = 0;
    __device__ static int row() { return threadIdx.x / (octet / W); }
    __device__ static int k() { return threadIdx.x % (octet / W) * W; }
  };
  struct AlongRows {
    static constexpr int rowStep = 0, kStep = all ? octet / loads : 0;
    __device__ static int row() {
      static_assert(!all || T::threads % (R / W) == 0, "a thread stays with its rows");
      return threadIdx.x % (R / W) * W;
    }
    __device__ static int k() { return threadIdx.x / (R / W); }
  };
};

// putAlongDepth writes W successive k of a row; putAlongRows W rows of one k. A stride
// of 4 beyond a multiple of 8 keeps the former free of bank conflicts.
template <int W>
__device__ inline void putAlongDepth(float* s, int stride, const Vector<float, W>& v) {
#pragma unroll
  for (int i = 0; i < W; i++) s[i * stride] = v[i];
}

template <int W>
__device__ inline void putAlongRows(float* s, const Vector<float, W>& v) {
  if constexpr (W == 4)
    storeShared(s, v[0], v[1], v[2], v[3]);
  else
    *s = v[0];
}

// Indices of elements are unsigned and wrap: those outside an operand are made, but
// never used.

// Matrix is the loader of R rows of a matrix at p[row·rowStride + k·depthStride], one
// of the strides being 1. With W = 4 all the other numbers are multiples of 4.
// Along tells which: 1 depth, 0 rows, −1 decided at run time.
template <class T, int R, int W, int Along>
struct Matrix {
  using L = Lanes<T, R, W>;
  static constexpr int stride = Along == 0 ? R : R + 4;

  const float* p;
  unsigned at, step, octetStep;  // index of the next element; elements to the next load, to the next octet
  int row, rows, rowStep;
  int k, end, kStep;
  bool alongDepth;
  Vector<float, W> v[T::octets][L::loads];

  // The block's first row begins at p[first], and `rows` are left from there.
  __device__ Matrix(const float* p, unsigned first, unsigned rowStride, unsigned depthStride, int rows, SumSlice slice)
      : p(p), rows(rows), end(slice.end) {
    alongDepth = Along < 0 ? depthStride == 1 : Along;
    row = alongDepth ? L::AlongDepth::row() : L::AlongRows::row();
    k = alongDepth ? L::AlongDepth::k() : L::AlongRows::k();
    rowStep = alongDepth ? L::AlongDepth::rowStep : L::AlongRows::rowStep;
    kStep = alongDepth ? L::AlongDepth::kStep : L::AlongRows::kStep;
    step = rowStep * rowStride + kStep * depthStride;
    octetStep = octet * depthStride;
    k += slice.begin;
    at = first + row * rowStride + k * depthStride;
    if (!L::active()) this->rows = 0;
    if (Along == 0 && row >= this->rows) end = 0;  // saves the comparison with rows, and registers
  }

  __device__ void fetch() {
#pragma unroll
    for (int o = 0; o < T::octets; o++) {
#pragma unroll
      for (int i = 0; i < L::loads; i++) {
        bool inside = (Along == 0 || row + i * rowStep < rows) && k + i * kStep < end;
        v[o][i] = inside ? readOnly<W>(p + (at + i * step)) : Vector<float, W>{};
      }
      at += octetStep;
      k += octet;
    }
  }

  __device__ void put(float* s) const {
    if (!L::active()) return;
    int first = alongDepth ? L::AlongDepth::k() : L::AlongRows::k();
    s += first * stride + row;
#pragma unroll
    for (int o = 0; o < T::octets; o++)
#pragma unroll
      for (int i = 0; i < L::loads; i++) {
        float* to = s + o * octet * stride + i * (rowStep + kStep * stride);
        if (alongDepth)
          putAlongDepth<W>(to, stride, v[o][i]);
        else
          putAlongRows<W>(to, v[o][i]);
      }
  }
};

// Product is a block's tile of sums.
template <class T, class A, class B>
struct Product {
  static constexpr int sizeA = T::depth * A::stride, sizeB = T::depth * B::stride;
  // The two buffers serve the epilogue too, which passes `strip` rows of each thread
  // through them at a time.
  static constexpr int shared = 2 * (sizeA + sizeB);
  static constexpr int stripRows() {
    int n = T::threadRows;
    while (n * T::down * T::columns > shared) n /= 2;
    return n;
  }
  static constexpr int strip = stripRows();
  static_assert(strip > 0);

  float sum[T::threadRows][T::threadColumns] = {};
  int x, y;  // of the thread

  __device__ Product() {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    constexpr int warps = T::across / T::warpAcross;
    x = warp % warps * T::warpAcross + lane % T::warpAcross;
    y = warp / warps * T::warpDown + lane / T::warpAcross;
  }

  // multiply adds up `stages` stages. each(s) is called with A's part of every one.
  template <class Each>
  __device__ void multiply(A& a, B& b, int stages, float* buffer, const Each& each) {
    a.fetch();
    b.fetch();
    a.put(buffer);
    b.put(buffer + 2 * sizeA);
    __syncthreads();
#pragma unroll 1
    for (int stage = 0; stage < stages; stage++) {
      float* currentA = buffer + (stage & 1) * sizeA;
      float* currentB = buffer + 2 * sizeA + (stage & 1) * sizeB;
      bool more = stage + 1 < stages;
      if (more) {
        a.fetch();
        b.fetch();
      }
      multiply(currentA, currentB);
      each(currentA);
      if (more) {
        a.put(buffer + (~stage & 1) * sizeA);
        b.put(buffer + 2 * sizeA + (~stage & 1) * sizeB);
      }
      __syncthreads();
    }
  }

  // multiply adds one stage.
  __device__ void multiply(const float* a, const float* b) {
    a += y * 4;
    b += x * 4;
#pragma unroll
    for (int k = 0; k < T::depth; k++) {
      Vector<float, 4> left[T::threadRows / 4], right[T::threadColumns / 4];
#pragma unroll
      for (int i = 0; i < T::threadRows / 4; i++) left[i] = load<4>(a, k * A::stride + i * 4 * T::down);
#pragma unroll
      for (int j = 0; j < T::threadColumns / 4; j++) right[j] = load<4>(b, k * B::stride + j * 4 * T::across);
#pragma unroll
      for (int i = 0; i < T::threadRows; i++)
#pragma unroll
        for (int j = 0; j < T::threadColumns; j++) sum[i][j] = fmaf(left[i / 4][i % 4], right[j / 4][j % 4], sum[i][j]);
    }
  }

  // write calls write(row, column, s) for every place of the tile, with four sums of a row, or with
  // one. The sums pass through shared memory so that a warp has neighbours, and so that the code
  // of write, with all its activations, is not there once for every sum of a thread.
  template <class Write>
  __device__ void write(float* buffer, const Write& write, bool vector) const {
    constexpr int elements = strip * T::down * T::columns;
#pragma unroll 1
    for (int first = 0; first < T::threadRows; first += strip) {
#pragma unroll
      for (int i = 0; i < T::threadRows; i++) {
        if (i / strip * strip != first) continue;
#pragma unroll
        for (int j = 0; j < T::threadColumns / 4; j++) {
          float* at = buffer + ((i % strip) * T::down + y) * T::columns + j * 4 * T::across + x * 4;
          storeShared(at, sum[i][4 * j], sum[i][4 * j + 1], sum[i][4 * j + 2], sum[i][4 * j + 3]);
        }
      }
      __syncthreads();
      if (vector) {
#pragma unroll 1
        for (int e = threadIdx.x * 4; e < elements; e += T::threads * 4) write(row(first, e), e % T::columns, load<4>(buffer, e));
      } else {
#pragma unroll 1
        for (int e = threadIdx.x; e < elements; e += T::threads) write(row(first, e), e % T::columns, load<1>(buffer, e));
      }
      __syncthreads();
    }
  }

  // row is that of the tile which element e of a strip belongs to.
  __device__ static int row(int first, int e) {
    int r = e / T::columns;
    int i = first + r / T::down;
    return i / 4 * 4 * T::down + r % T::down * 4 + i % 4;
  }
};

// Finish is what happens to the sums s of a product:
//
//   y = (σ(s + bias) + addend)·derivative′(output)
//
// or y += s + bias with accumulate, which goes with the identity alone. bias and the
// arrays of the gradient are optional. With vector set all addresses and strides are
// multiples of 16 bytes, and so is the number of columns.
struct Finish {
  const float* bias;
  GradEpilogue gradient;
  Activation activation;
  int accumulate;
  int vector;

  // apply writes y[i…] for W sums, the first of which is in the given column.
  template <int W>
  __device__ void apply(float* y, int i, int column, Vector<float, W> s) const {
    if (bias) {
      auto b = load<W>(bias, column);
#pragma unroll
      for (int k = 0; k < W; k++) s[k] += b[k];
    }
    if (accumulate) {
      auto former = load<W>(y, i);
#pragma unroll
      for (int k = 0; k < W; k++) s[k] += former[k];
    }
    store<W>(y, i, finish(gradient, activate(activation, s), i));
  }
};

// ResultRows writes the results of a tile with Finish where place(row) is the index of a row's
// first element, and rows and columns are what is left of the matrix.
template <class Place>
struct ResultRows {
  float* y;
  const Finish& finish;
  int rows, columns;
  int firstColumn;  // for the bias
  Place place;

  template <int W>
  __device__ void operator()(int row, int column, const Vector<float, W>& s) const {
    if (row < rows && column < columns) finish.apply<W>(y, place(row) + column, firstColumn + column, s);
  }
};
