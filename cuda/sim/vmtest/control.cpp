// Divergence, synchronisation, atomics and memory spaces against plain host code, under several schedules.
#include <algorithm>

#include "harness.h"

using namespace vm;
using namespace vmtest;

namespace {

// forSeeds runs a test under several schedules.
void forSeeds(void (*test)(Machine&, uint64_t seed)) {
  for (uint64_t seed = 0; seed < 6; seed++) {
    Machine m = Machine::fromTestdata("control.ptx");
    m.config.seed = seed;
    test(m, seed);
  }
}

}  // namespace

TEST(control_loops) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.allocate(128);
    Fault f = m.launch("loops", {1, 1, 1}, {32, 1, 1}, y);
    REQUIRE(!f, f.text());
    auto got = m.download<int>(y, 32);
    int n[32] = {};
    for (int lane = 0; lane < 32; lane++) {
      for (int i = 0; i < lane; i++) {
        if (i % 3 == 0) continue;
        if (i == 20) break;
        n[lane] += i;
      }
    }
    for (int lane = 0; lane < 32; lane++) CHECK(got[size_t(lane)] == n[lane] + n[lane ^ 1], std::to_string(lane));
  });
}

TEST(control_choices) {
  forSeeds([](Machine& m, uint64_t) {
    std::vector<int> x(64), start(67, 0);
    for (int i = 0; i < 64; i++) x[size_t(i)] = i * 5 % 9;
    start[64] = 100, start[65] = 200, start[66] = 300;
    Address dx = m.upload(x), dy = m.upload(start);
    Fault f = m.launch("choices", {1, 1, 1}, {64, 1, 1}, dy, dx);
    REQUIRE(!f, f.text());
    auto y = m.download<int>(dy, 64);
    const int want[9] = {11, 300, 195, 303, 100 ^ 77, 66, -6, -1, -1};
    for (int i = 0; i < 64; i++) CHECK(y[size_t(i)] == want[x[size_t(i)]], std::to_string(i));
  });
}

TEST(control_meeting) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.allocate(128);
    Fault f = m.launch("meeting", {1, 1, 1}, {32, 1, 1}, y);
    REQUIRE(!f, f.text());
    auto got = m.download<int>(y, 32);
    for (int i = 0; i < 32; i++) CHECK(got[size_t(i)] == (i % 2 == 0 ? (i + 1) * 100 + 1000 : (i - 1) * 10 + 2000), std::to_string(got[size_t(i)]));
    f = m.launch("halfWarp", {1, 1, 1}, {32, 1, 1}, y);
    REQUIRE(!f, f.text());
    got = m.download<int>(y, 32);
    for (int i = 0; i < 32; i++) CHECK(got[size_t(i)] == (i < 16 ? 120 : i), std::to_string(got[size_t(i)]));
  });
}

TEST(control_lock_and_chain) {
  forSeeds([](Machine& m, uint64_t) {
    Address mutex = m.upload(std::vector<int>{0}), count = m.upload(std::vector<int>{0});
    Fault f = m.launch("lock", {3, 1, 1}, {40, 1, 1}, mutex, count);
    REQUIRE(!f, f.text());
    CHECK(m.download<int>(count, 1)[0] == 120, std::to_string(m.download<int>(count, 1)[0]));
    Address value = m.upload(std::vector<int>{1}), flag = m.upload(std::vector<int>{0});
    f = m.launch("chain", {9, 1, 1}, {32, 1, 1}, value, flag);
    REQUIRE(!f, f.text());
    int want = 1;
    for (int b = 0; b < 9; b++) want = want * 3 + b;
    CHECK(m.download<int>(value, 1)[0] == want, "");
    Address v = m.allocate(4), sent = m.upload(std::vector<int>{0}), y = m.allocate(4);
    f = m.launch("message", {2, 1, 1}, {32, 1, 1}, v, sent, y);
    REQUIRE(!f, f.text());
    CHECK(m.download<int>(y, 1)[0] == 42, "");
  });
}

TEST(control_barriers) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.allocate(400);
    Fault f = m.launch("namedBarriers", {1, 1, 1}, {128, 1, 1}, y);
    REQUIRE(!f, f.text());
    auto got = m.download<int>(y, 64);
    for (int i = 0; i < 64; i++) CHECK(got[size_t(i)] == 2 * i + 1, std::to_string(got[size_t(i)]));
    f = m.launch("barrierVotes", {1, 1, 1}, {70, 1, 1}, y);
    REQUIRE(!f, f.text());
    got = m.download<int>(y, 70);
    for (int i = 0; i < 70; i++) CHECK(got[size_t(i)] == 24 * 4 + 3, std::to_string(got[size_t(i)]));
  });
}

TEST(control_votes) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.allocate(1024);
    Fault f = m.launch("votes", {1, 1, 1}, {32, 1, 1}, y);
    REQUIRE(!f, f.text());
    auto got = m.download<uint32_t>(y, 256);
    for (uint32_t i = 0; i < 32; i++) {
      uint32_t match = 0;
      for (uint32_t j = 0; j < 32; j++) match |= uint32_t(i / 3 == j / 3) << j;
      CHECK(got[i] == 0x42108421, std::to_string(got[i]));
      CHECK(got[32 + i] == 2, std::to_string(got[32 + i]));
      CHECK(got[64 + i] == match, std::to_string(got[64 + i]));
      CHECK(got[96 + i] == 0, std::to_string(got[96 + i]));
      CHECK(got[128 + i] == (i < 10 ? 0x3ffu : 0u), std::to_string(got[128 + i]));
      CHECK(got[160 + i] == (i % 8 < 3 ? i : i - 3), std::to_string(got[160 + i]));
      CHECK(got[192 + i] == (i % 8 > 4 ? i : i + 3), std::to_string(got[192 + i]));
      CHECK(got[224 + i] == i / 16 * 16 + 5, std::to_string(got[224 + i]));
    }
  });
}

TEST(control_atomics) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.upload(std::vector<int>(8)), h = m.upload(std::vector<uint32_t>(8));
    Fault f = m.launch("atomics", {5, 1, 1}, {64, 1, 1}, y, h);
    REQUIRE(!f, f.text());
    auto got = m.download<int>(y, 8);
    auto histogram = m.download<uint32_t>(h, 8);
    CHECK(got[0] == 319 && got[1] == -319 && got[2] == 0, std::to_string(got[0]));
    for (int r = 0; r < 4; r++) {
      int sum = 0;
      for (int i = r; i < 320; i += 4) sum += i;
      CHECK(got[size_t(4 + r)] == sum, std::to_string(got[size_t(4 + r)]));
    }
    for (int r = 0; r < 7; r++) CHECK(histogram[size_t(r)] == uint32_t((320 - r + 6) / 7), std::to_string(r));
    CHECK(histogram[7] == 0, std::to_string(histogram[7]));
  });
}

TEST(control_spaces) {
  forSeeds([](Machine& m, uint64_t) {
    std::vector<float> x(32);
    for (int i = 0; i < 32; i++) x[size_t(i)] = float(100 + i);
    Address dx = m.upload(x), dy = m.allocate(128);
    m.config.dynamicShared = 128;
    Fault f = m.launch("spaces", {1, 1, 1}, {32, 1, 1}, dy, dx, 5);
    REQUIRE(!f, f.text());
    auto y = m.download<float>(dy, 32);
    const float weights[5] = {1, 2, 4, 8, 16};
    for (int i = 0; i < 32; i++) {
      int j = 31 - i;
      float want = (i % 3 == 0 ? 100 + float(j) : i % 3 == 1 ? float(j) : 2 * float(j)) + weights[i % 5] * 3 + 2 * float((i + 5) % 32);
      CHECK(y[size_t(i)] == want, std::to_string(i) + ": " + std::to_string(y[size_t(i)]));
    }
    m.config.dynamicShared = 124;
    f = m.launch("spaces", {1, 1, 1}, {32, 1, 1}, dy, dx, 5);
    CHECK(f.kind == FaultKind::OutOfBounds, f.text());
    const Variable* v = m.module().variable("weights");
    REQUIRE(v != nullptr, "");
    CHECK(v->bytes == 20 && v->constant, "");
    CHECK(m.memory().isReadOnly(v->address, 4), "");
  });
}

TEST(control_local_leavers_bytes) {
  forSeeds([](Machine& m, uint64_t) {
    Address y = m.allocate(800);
    Fault f = m.launch("local", {1, 1, 1}, {32, 1, 1}, y, 5);
    REQUIRE(!f, f.text());
    auto got = m.download<int>(y, 32);
    for (int t = 0; t < 32; t++) {
      int a[16], sum = 0;
      for (int i = 0; i < 16; i++) a[i * 5 % 16] = i * t;
      for (int i = 0; i < 16; i++) sum += a[i] * (a[(i * 5 + 1) % 16] % 5);
      CHECK(got[size_t(t)] == sum, std::to_string(t));
    }
    // A step of 2 leaves half of the array unwritten.
    f = m.launch("local", {1, 1, 1}, {32, 1, 1}, y, 2);
    CHECK(f.kind == FaultKind::Uninitialised, f.text());

    f = m.launch("leavers", {4, 1, 1}, {64, 1, 1}, y, 200);
    REQUIRE(!f, f.text());
    got = m.download<int>(y, 200);
    for (int i = 0; i < 200; i++) {
      int v = i;
      while (v % 2 == 0 && v > 0) v /= 2;
      CHECK(got[size_t(i)] == (i % 7 == 3 ? -1 : v), std::to_string(i));
    }

    Address b = m.allocate(165), s = m.allocate(330);
    f = m.launch("bytes", {5, 1, 1}, {33, 1, 1}, b, s);
    REQUIRE(!f, f.text());
    auto z = m.download<uint16_t>(s, 165);
    for (int i = 0; i < 165; i++) CHECK(z[size_t(i)] == 256 + i, std::to_string(i));
  });
}
