// Device memory as the host sees it.
#include "harness.h"

using namespace vm;
using namespace vmtest;

TEST(memory_allocations) {
  MemoryConfig c;
  c.capacity = 1 << 20;
  c.quarantine = 1 << 16;
  DeviceMemory m(c);
  CHECK(m.allocate(0) == 0 && m.allocate((1 << 20) + 1) == 0, "");
  Address a = m.allocate(1000), b = m.allocate(1);
  CHECK(a % 256 == 0 && b % 256 == 0 && b >= a + 1000 + 256, "red zones lie between allocations");
  CHECK(m.used() == 1001 && m.allocations().size() == 2, std::to_string(m.used()));
  CHECK(m.find(a + 999).address == a && m.find(a + 1000).bytes == 0, "");
  CHECK(m.free(a + 4).kind == FaultKind::OutOfBounds, "");
  CHECK(!m.free(a), "");
  CHECK(m.free(a).kind == FaultKind::Freed, "");
  Address again = m.allocate(1000);
  CHECK(again != a, "an address in quarantine was given out");
  uint8_t byte = 0;
  CHECK(m.copyToHost(&byte, a, 1).kind == FaultKind::Freed, "");
  CHECK(m.copyToDevice(a + 2000 + (1 << 30), &byte, 1).kind == FaultKind::OutOfBounds, "");
  // Memory can be used up and comes back, for as long as one likes.
  for (int i = 0; i < 200; i++) {
    Address x = m.allocate(1 << 18);
    REQUIRE(x != 0, std::to_string(i));
    CHECK(!m.free(x), "");
  }
  CHECK(m.allocate((1 << 20) - 500) == 0, "more than the capacity");
}

TEST(memory_copies) {
  DeviceMemory m;
  Address a = m.allocate(64), b = m.allocate(64);
  std::vector<uint8_t> data(64);
  for (int i = 0; i < 64; i++) data[size_t(i)] = uint8_t(i);
  CHECK(!m.copyToDevice(a + 3, data.data(), 10), "");
  uint8_t back[64];
  CHECK(!m.copyToHost(back, a + 3, 10) && back[9] == 9, "");
  CHECK(m.copyToHost(back, a + 2, 2).kind == FaultKind::Uninitialised, "");
  CHECK(m.copyToHost(back, a + 12, 2).kind == FaultKind::Uninitialised, "");
  CHECK(m.copyToDevice(a + 60, data.data(), 5).kind == FaultKind::OutOfBounds, "");
  // The state of each byte goes along, at any alignment.
  CHECK(!m.copyWithin(b + 1, a, 20), "");
  CHECK(!m.copyToHost(back, b + 4, 10) && back[0] == 0 && back[9] == 9, "");
  CHECK(m.copyToHost(back, b + 3, 1).kind == FaultKind::Uninitialised, "");
  CHECK(m.copyToHost(back, b + 14, 1).kind == FaultKind::Uninitialised, "");
  CHECK(!m.fill(b, 0x01020304, 4, 4) && !m.copyToHost(back, b, 16) && back[4] == 4 && back[7] == 1, "");
  CHECK(!m.fill(b + 1, 0xab, 1, 3) && !m.copyToHost(back, b, 5) && back[3] == 0xab && back[4] == 4, "");
  CHECK(!m.poison(b + 4, 4), "");
  CHECK(m.copyToHost(back, b, 16).kind == FaultKind::Uninitialised, "");
  CHECK(m.checkAccess(b, 4, true).kind == FaultKind::None && m.checkAccess(b + 4, 1, true).kind == FaultKind::Uninitialised, "");
}

TEST(memory_ranges) {
  DeviceMemory m;
  Address a = m.allocate(256);
  m.fill(a, 1, 1, 256);
  CHECK(!m.nameRange(a, 100, "x", Life::Live) && !m.nameRange(a + 100, 56, "scratch", Life::Dead), "");
  uint8_t back[256];
  CHECK(!m.copyToHost(back, a, 100), "");
  Fault f = m.copyToHost(back, a, 101);
  CHECK(f.kind == FaultKind::Dead && f.message.find("\"scratch\"") != std::string::npos, f.text());
  CHECK(!m.nameRange(a + 100, 56, "y", Life::Uninitialised), "");
  CHECK(m.copyToHost(back, a, 101).kind == FaultKind::Uninitialised, "");
  CHECK(m.nameRange(a + 200, 57, "z", Life::Live).kind == FaultKind::OutOfBounds, "");
  CHECK(!m.nameRange(a + 100, 56, "y", Life::Dead) && !m.forgetRanges(a), "");
  CHECK(!m.copyToDevice(a, back, 256) && !m.copyToHost(back, a, 256), "");
}
