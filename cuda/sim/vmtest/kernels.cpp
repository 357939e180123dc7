// Realistic kernels against plain host code, under several schedules.
#include <algorithm>
#include <cmath>
#include <random>

#include "harness.h"

using namespace vm;
using namespace vmtest;

namespace {

std::vector<float> randoms(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 g(seed);
  std::uniform_real_distribution<float> d(-scale, scale);
  std::vector<float> v(n);
  for (float& x : v) x = d(g);
  return v;
}

const uint64_t kSeeds[] = {0, 1, 2};

}  // namespace

TEST(kernel_matmul) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int M = 128, N = 64, K = 40;
  auto a = randoms(size_t(M * K), 1), b = randoms(size_t(K * N), 2);
  Address da = m.upload(a), db = m.upload(b);
  for (uint64_t seed : kSeeds) {
    m.config.seed = seed;
    Address dc = m.allocate(uint64_t(M * N * 4));
    Fault f = m.launch("matmul", {uint32_t(N / 64), uint32_t(M / 64), 1}, {256, 1, 1}, dc, da, db, M, N, K);
    REQUIRE(!f, f.text());
    auto c = m.download<float>(dc, size_t(M * N));
    for (int i = 0; i < M; i++) {
      for (int j = 0; j < N; j++) {
        float sum = 0;  // the kernel sums in the same order, by fma
        for (int k = 0; k < K; k++) sum = std::fma(a[size_t(i * K + k)], b[size_t(k * N + j)], sum);
        REQUIRE(c[size_t(i * N + j)] == sum, std::to_string(i) + "," + std::to_string(j));
      }
    }
  }
  CHECK(m.counters.flops == uint64_t(2 * M * N * K), std::to_string(m.counters.flops));
  CHECK(m.counters.storeEfficiency() == 1, std::to_string(m.counters.storeEfficiency()));
}

TEST(kernel_softmax) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int rows = 37, columns = 10;
  auto x = randoms(size_t(rows * columns), 3, 20);
  Address dx = m.upload(x);
  for (uint64_t seed : kSeeds) {
    m.config.seed = seed;
    Address dy = m.allocate(x.size() * 4);
    Fault f = m.launch("softmax", {10, 1, 1}, {128, 1, 1}, dy, dx, rows, columns);
    REQUIRE(!f, f.text());
    auto y = m.download<float>(dy, x.size());
    for (int r = 0; r < rows; r++) {
      // The difference is rounded to float32 here as there; everything else is exact.
      float most = *std::max_element(&x[size_t(r * columns)], &x[size_t(r * columns)] + columns);
      double sum = 0;
      for (int c = 0; c < columns; c++) sum += std::exp(double(x[size_t(r * columns + c)] - most));
      for (int c = 0; c < columns; c++) {
        double want = std::exp(double(x[size_t(r * columns + c)] - most)) / sum;
        // expf is within 2 ulp, ten additions and a division add at most 6: 2^-20 is ample.
        CHECK(std::fabs(y[size_t(r * columns + c)] - want) <= want * 0x1p-20, std::to_string(r));
      }
    }
  }
}

TEST(kernel_philox) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  uint32_t n = 1000;
  Address out = m.allocate(n * 16);
  Fault f = m.launch("philox", {8, 1, 1}, {128, 1, 1}, out, 0u, 0u, int(n));
  REQUIRE(!f, f.text());
  auto got = m.download<uint32_t>(out, n * 4);
  // Known answers of Philox4x32-10 for counter 0 and key 0 (Random123, kat_vectors).
  const uint32_t known[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (int i = 0; i < 4; i++) CHECK(got[size_t(i)] == known[i], std::to_string(got[size_t(i)]));
  for (uint32_t i = 0; i < n; i++) {
    uint32_t c[4] = {i, 0, 0, 0}, k[2] = {0, 0};
    for (int r = 0; r < 10; r++) {
      uint64_t p = uint64_t(0xD2511F53u) * c[0], q = uint64_t(0xCD9E8D57u) * c[2];
      uint32_t next[4] = {uint32_t(q >> 32) ^ c[1] ^ k[0], uint32_t(q), uint32_t(p >> 32) ^ c[3] ^ k[1], uint32_t(p)};
      std::copy(next, next + 4, c);
      k[0] += 0x9E3779B9u;
      k[1] += 0xBB67AE85u;
    }
    REQUIRE(std::equal(c, c + 4, &got[i * 4]), std::to_string(i));
  }
}

TEST(kernel_maxpool) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int n = 2, h = 6, w = 8, c = 3, count = n * h / 2 * w / 2 * c;
  auto x = randoms(size_t(n * h * w * c), 5);
  Address dx = m.upload(x), dy = m.allocate(uint64_t(count * 4)), da = m.allocate(uint64_t(count * 4));
  Fault f = m.launch("maxpool", {2, 1, 1}, {64, 1, 1}, dy, da, dx, n, h, w, c);
  REQUIRE(!f, f.text());
  auto y = m.download<float>(dy, size_t(count));
  auto at = m.download<int>(da, size_t(count));
  for (int i = 0; i < count; i++) {
    int ch = i % c, ox = i / c % (w / 2), oy = i / c / (w / 2) % (h / 2), image = i / c / (w / 2) / (h / 2), best = -1;
    for (int d = 0; d < 4; d++) {
      int j = ((image * h + oy * 2 + d / 2) * w + ox * 2 + d % 2) * c + ch;
      if (best < 0 || x[size_t(j)] > x[size_t(best)]) best = j;
    }
    CHECK(at[size_t(i)] == best && y[size_t(i)] == x[size_t(best)], std::to_string(i));
  }
}

TEST(kernel_reduce) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int n = 10000, blocks = 6;
  auto x = randoms(size_t(n), 6);
  double want = 0;
  for (float v : x) want += v;
  Address dx = m.upload(x);
  float first = 0;
  for (uint64_t seed : kSeeds) {
    m.config.seed = seed;
    Address total = m.allocate(4), parts = m.allocate(uint64_t(blocks * 4)), done = m.upload(std::vector<uint32_t>{0});
    Fault f = m.launch("reduce", {uint32_t(blocks), 1, 1}, {256, 1, 1}, total, parts, done, dx, n);
    REQUIRE(!f, f.text());
    float got = m.download<float>(total, 1)[0];
    CHECK(std::fabs(got - want) < 1e-3, std::to_string(got));
    if (seed == 0) first = got;
    CHECK(got == first, "the sum depends on the schedule");
  }
}

TEST(kernel_transpose) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int rows = 50, columns = 70;
  auto x = randoms(size_t(rows * columns), 7);
  Address dx = m.upload(x);
  for (uint64_t seed : kSeeds) {
    m.config.seed = seed;
    Address dy = m.allocate(x.size() * 4);
    Fault f = m.launch("transpose", {3, 2, 1}, {32, 8, 1}, dy, dx, rows, columns);
    REQUIRE(!f, f.text());
    auto y = m.download<float>(dy, x.size());
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) CHECK(y[size_t(c * rows + r)] == x[size_t(r * columns + c)], std::to_string(r));
    }
  }
  CHECK(m.counters.sharedFactor() == 1, std::to_string(m.counters.sharedFactor()));
}

TEST(kernel_saxpy_counters) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  int n = 1000;
  auto x = randoms(size_t(n), 8), y = randoms(size_t(n), 9);
  Address dx = m.upload(x), dy = m.upload(y);
  Fault f = m.launch("saxpy", {8, 1, 1}, {128, 1, 1}, dy, dx, 2.0f, n);
  REQUIRE(!f, f.text());
  auto got = m.download<float>(dy, size_t(n));
  for (int i = 0; i < n; i++) CHECK(got[size_t(i)] == std::fma(2.0f, x[size_t(i)], y[size_t(i)]), std::to_string(i));
  const Counters& c = m.counters;
  CHECK(c.blocks == 8 && c.warps == 32, "");
  CHECK(c.flops == 2000, std::to_string(c.flops));
  CHECK(c.globalLoadRequests == 64 && c.globalLoadBytes == 8000 && c.globalLoadSectors == 250, std::to_string(c.globalLoadSectors));
  CHECK(c.globalStoreRequests == 32 && c.globalStoreSectors == 125, std::to_string(c.globalStoreSectors));
  CHECK(c.divergentBranches == 1 && c.branches == 32, std::to_string(c.divergentBranches));
  CHECK(c.byClass[size_t(InstructionClass::Global)] == 96, "");
}

TEST(kernel_functions) {
  Machine m = Machine::fromTestdata("kernels.ptx");
  std::vector<float> x = {0, -0.0f, 1, -1, 0.5f, 10, -10, 80, -80, 1e-6f, 3.25f, 60, -33, 1e-30f, 7e6f, 123.456f};
  for (float v : randoms(100, 10, 30)) x.push_back(v);
  int n = int(x.size());
  Address dx = m.upload(x), dy = m.allocate(uint64_t(n * 7 * 4));
  Fault f = m.launch("functions", {1, 1, 1}, {128, 1, 1}, dy, dx, n);
  REQUIRE(!f, f.text());
  auto y = m.download<float>(dy, size_t(n * 7));
  for (int i = 0; i < n; i++) {
    double v = x[size_t(i)];
    float scaled = x[size_t(i)] * 1000;
    double want[7] = {std::exp(v), std::log(double(std::fabs(x[size_t(i)]) + 1e-3f)), std::tanh(v), 1 / (1 + std::exp(-v)),
                      std::sqrt(std::fabs(v)) + 1 / std::sqrt(double(std::fabs(x[size_t(i)]) + 1)), std::sin(double(scaled)), v};
    for (int j = 0; j < 7; j++) {
      float got = y[size_t(j * n + i)];
      if (std::fabs(want[j]) > 3e38) {
        CHECK(std::isinf(got), std::to_string(got));
        continue;
      }
      // A few ulp, as CUDA documents for these; bfloat16 keeps 8 bits. Denormal results are flushed in places.
      double bound = std::fabs(want[j]) * (j == 6 ? 0x1p-8 : 0x1p-20) + 1e-37;
      CHECK(std::fabs(got - want[j]) <= bound, "function " + std::to_string(j) + " of " + std::to_string(v) + ": " + std::to_string(got) + ", want " + std::to_string(want[j]));
    }
  }
}

TEST(kernel_tf32) {
  Machine m = Machine::fromTestdata("kernels80.ptx");
  int k = 32;
  auto a = randoms(size_t(16 * k), 11), b = randoms(size_t(8 * k), 12);
  Address da = m.upload(a), db = m.upload(b), dd = m.allocate(16 * 8 * 4);
  Fault f = m.launch("tf32", {1, 1, 1}, {32, 1, 1}, dd, da, db, k);
  REQUIRE(!f, f.text());
  auto d = m.download<float>(dd, 128);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 8; j++) {
      double want = 0, size = 0;
      for (int l = 0; l < k; l++) {
        double p = double(a[size_t(i * k + l)]) * b[size_t(l * 8 + j)];
        want += p;
        size += std::fabs(p);
      }
      // Each operand is off by 2^-11 at most after rounding to 10 bits.
      CHECK(std::fabs(d[size_t(i * 8 + j)] - want) <= size * 0x1p-9, std::to_string(i));
    }
  }
  CHECK(m.counters.flops == uint64_t(2 * 16 * 8 * k), std::to_string(m.counters.flops));
}

TEST(kernel_bf16_ldmatrix_async) {
  Machine m = Machine::fromTestdata("kernels80.ptx");
  auto shorten = [](float x) {
    uint32_t u;
    std::memcpy(&u, &x, 4);
    return uint16_t(u >> 16);
  };
  auto widen = [](uint16_t h) {
    uint32_t u = uint32_t(h) << 16;
    float x;
    std::memcpy(&x, &u, 4);
    return x;
  };
  std::vector<uint16_t> a, b;
  for (float v : randoms(256, 13)) a.push_back(shorten(v));
  for (float v : randoms(128, 14)) b.push_back(shorten(v));
  Address da = m.upload(a), db = m.upload(b), dd = m.allocate(128 * 4);
  Fault f = m.launch("bf16", {1, 1, 1}, {32, 1, 1}, dd, da, db);
  REQUIRE(!f, f.text());
  auto d = m.download<float>(dd, 128);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 8; j++) {
      double want = 0;
      for (int l = 0; l < 16; l++) want += double(widen(a[size_t(i * 16 + l)])) * widen(b[size_t(j * 16 + l)]);
      CHECK(std::fabs(d[size_t(i * 8 + j)] - want) <= 1e-5, std::to_string(i));
    }
  }
}
