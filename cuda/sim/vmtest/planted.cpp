// Tests of the checks: planted bugs of every kind are found, at the right source line.
#include "harness.h"

using namespace vm;
using namespace vmtest;

namespace {

// expect checks kind, file and line of a fault of a kernel in testdata/planted.cu (or another file).
void expect(const Fault& f, FaultKind kind, const std::string& kernel, const std::string& file = "planted.cu") {
  CHECK(f.kind == kind, std::string("wanted ") + name(kind) + ", got " + f.text());
  CHECK(f.kernel == kernel, f.kernel);
  CHECK(f.sourceLine == faultLine(file, kernel), "wanted line " + std::to_string(faultLine(file, kernel)) + ", got " + f.text());
  CHECK(f.sourceFile.size() >= file.size() && f.sourceFile.substr(f.sourceFile.size() - file.size()) == file, f.sourceFile);
  CHECK(f.ptxLine > 0, f.text());
}

Machine planted(uint64_t seed = 0) {
  Machine m = Machine::fromTestdata("planted.ptx");
  m.config.seed = seed;
  return m;
}

const uint64_t kSeeds[] = {0, 1, 2};

}  // namespace

TEST(planted_out_of_bounds) {
  Machine m = planted();
  Address x = m.upload(std::vector<float>(64)), y = m.allocate(64 * 4);
  Fault f = m.launch("outOfBounds", {2, 1, 1}, {32, 1, 1}, y, x, 64);
  expect(f, FaultKind::OutOfBounds, "outOfBounds");
  CHECK(f.block.x == 1 && f.thread.x == 31, f.text());
}

TEST(planted_overrun_of_allocation) {
  Machine m = planted();
  Address y = m.allocate(60 * 4);
  m.allocate(64 * 4);
  expect(m.launch("overrun", {2, 1, 1}, {32, 1, 1}, y, 64), FaultKind::OutOfBounds, "overrun");
}

TEST(planted_overrun_into_neighbour_of_arena) {
  Machine m = planted();
  Address arena = m.allocate(1024);
  CHECK(!m.memory().nameRange(arena, 240, "conv1.y", Life::Uninitialised), "");
  CHECK(!m.memory().nameRange(arena + 240, 784, "scratch", Life::Dead), "");
  Fault f = m.launch("overrun", {2, 1, 1}, {32, 1, 1}, arena, 64);
  expect(f, FaultKind::Dead, "overrun");
  CHECK(f.message.find("scratch") != std::string::npos, f.message);
}

TEST(planted_dead_and_unwritten_and_freed) {
  Machine m = planted();
  Address arena = m.upload(std::vector<float>(64)), y = m.allocate(64 * 4);
  m.memory().nameRange(arena, 128, "x", Life::Live);
  CHECK(!m.launch("copy", {1, 1, 1}, {32, 1, 1}, y, arena), "live memory can be read");
  m.memory().nameRange(arena, 128, "x", Life::Dead);
  expect(m.launch("copy", {1, 1, 1}, {32, 1, 1}, y, arena), FaultKind::Dead, "copy");
  m.memory().nameRange(arena, 128, "x", Life::Uninitialised);
  expect(m.launch("copy", {1, 1, 1}, {32, 1, 1}, y, arena), FaultKind::Uninitialised, "copy");
  Address fresh = m.allocate(128);
  expect(m.launch("copy", {1, 1, 1}, {32, 1, 1}, y, fresh), FaultKind::Uninitialised, "copy");
  m.memory().free(arena);
  expect(m.launch("copy", {1, 1, 1}, {32, 1, 1}, y, arena), FaultKind::Freed, "copy");
}

TEST(planted_unwritten_output) {
  Machine m = planted();
  Address y = m.allocate(32 * 4);
  CHECK(!m.launch("unwritten", {1, 1, 1}, {32, 1, 1}, y, 31), "");
  float host[32];
  Fault f = m.memory().copyToHost(host, y, sizeof host);
  CHECK(f.kind == FaultKind::Uninitialised, f.text());
  CHECK(!m.memory().copyToHost(host, y, 31 * 4), "the written part can be read");
}

TEST(planted_misaligned) {
  Machine m = planted();
  Address x = m.upload(std::vector<char>(128)), y = m.allocate(128);
  Fault f = m.launch("misaligned", {1, 1, 1}, {32, 1, 1}, y, x);
  expect(f, FaultKind::Misaligned, "misaligned");
  CHECK(f.thread.x == 1, f.text());
}

TEST(planted_shared) {
  Machine m = planted();
  Address y = m.allocate(256);
  Fault f = m.launch("sharedUninitialised", {1, 1, 1}, {64, 1, 1}, y);
  expect(f, FaultKind::Uninitialised, "sharedUninitialised");
  CHECK(f.thread.x == 60, f.text());
  CHECK(!m.launch("sharedOverrun", {1, 1, 1}, {64, 1, 1}, y, 0), "without the overrun");
  expect(m.launch("sharedOverrun", {1, 1, 1}, {64, 1, 1}, y, 1), FaultKind::OutOfBounds, "sharedOverrun");
}

TEST(planted_shared_races) {
  for (uint64_t seed : kSeeds) {
    Machine m = planted(seed);
    Address y = m.allocate(256);
    Fault f = m.launch("missingBarrier", {1, 1, 1}, {64, 1, 1}, y);
    // Which of the two is met first depends on the schedule: the read of what was not written yet, or of what another warp wrote.
    CHECK(f.kind == FaultKind::RaceShared || f.kind == FaultKind::Uninitialised, f.text());
    CHECK(f.sourceLine == faultLine("planted.cu", "missingBarrier"), f.text());
    expect(m.launch("raceInWarp", {1, 1, 1}, {32, 1, 1}, y), FaultKind::RaceShared, "raceInWarp");
    expect(m.launch("raceVolatile", {1, 1, 1}, {32, 1, 1}, y), FaultKind::RaceShared, "raceVolatile");
    CHECK(!m.launch("missingSecondBarrier", {1, 1, 1}, {64, 1, 1}, y, 1), "one round is in order");
    Fault second = m.launch("missingSecondBarrier", {1, 1, 1}, {64, 1, 1}, y, 3);
    CHECK(second.kind == FaultKind::RaceShared, second.text());
  }
}

TEST(planted_global_races) {
  for (uint64_t seed : kSeeds) {
    Machine m = planted(seed);
    m.config.workers = 1;
    Address y = m.upload(std::vector<float>(256)), x = m.upload(std::vector<float>(256));
    expect(m.launch("sameValue", {1, 1, 1}, {32, 1, 1}, y), FaultKind::RaceGlobal, "sameValue");
    expect(m.launch("raceBetweenBlocks", {2, 1, 1}, {32, 1, 1}, y, x), FaultKind::RaceGlobal, "raceBetweenBlocks");
    CHECK(!m.launch("raceBetweenBlocks", {1, 1, 1}, {32, 1, 1}, y, x), "one block alone");
    Fault f = m.launch("raceReadWrite", {4, 1, 1}, {32, 1, 1}, y);
    CHECK(f.kind == FaultKind::RaceGlobal, f.text());
    Address done = m.upload(std::vector<uint32_t>{0}), parts = m.allocate(64), total = m.allocate(4);
    expect(m.launch("lastBlockWithoutFence", {8, 1, 1}, {32, 1, 1}, total, parts, done), FaultKind::RaceGlobal, "lastBlockWithoutFence");
  }
}

TEST(planted_races_can_be_left_out) {
  Machine m = planted();
  m.config.races = false;
  Address y = m.allocate(256);
  CHECK(!m.launch("raceInWarp", {1, 1, 1}, {32, 1, 1}, y), "");
  CHECK(!m.launch("sameValue", {1, 1, 1}, {32, 1, 1}, y), "");
}

TEST(planted_barriers) {
  Machine m = planted();
  Address y = m.allocate(1024);
  expect(m.launch("divergentBarrier", {1, 1, 1}, {64, 1, 1}, y), FaultKind::BarrierDivergent, "divergentBarrier");
  expect(m.launch("barrierNeverReached", {1, 1, 1}, {64, 1, 1}, y), FaultKind::BarrierStuck, "barrierNeverReached");
  CHECK(!m.launch("barrierNeverReached", {1, 1, 1}, {32, 1, 1}, y), "reached by the only warp");
  expect(m.launch("shuffleNeverReached", {1, 1, 1}, {32, 1, 1}, y), FaultKind::WarpSyncStuck, "shuffleNeverReached");
  expect(m.launch("strangerInMask", {1, 1, 1}, {32, 1, 1}, y), FaultKind::InvalidOperation, "strangerInMask");
}

TEST(planted_no_progress) {
  Machine m = planted();
  Address flag = m.upload(std::vector<int>{0}), y = m.allocate(4);
  expect(m.launch("spin", {2, 1, 1}, {64, 1, 1}, flag), FaultKind::Spinning, "spin");
  m.config.instructionLimit = 1 << 20;
  expect(m.launch("forever", {1, 1, 1}, {32, 1, 1}, y), FaultKind::Spinning, "forever");
}

TEST(planted_trap) { expect(planted().launch("trap", {1, 1, 1}, {1, 1, 1}), FaultKind::Trap, "trap"); }

TEST(planted_unwaited_copy) {
  Machine m = Machine::fromTestdata("kernels80.ptx");
  Address x = m.upload(std::vector<float>(128)), y = m.allocate(128);
  expect(m.launch("unwaitedCopy", {1, 1, 1}, {32, 1, 1}, y, x), FaultKind::Uninitialised, "unwaitedCopy", "kernels80.cu");
}

TEST(planted_launches) {
  Machine m = planted();
  Address y = m.allocate(4096 * 4);
  auto kind = [&](Dim3 grid, Dim3 block) { return m.launch("overrun", grid, block, y, 0).kind; };
  CHECK(kind({1, 1, 1}, {1024, 1, 1}) == FaultKind::None, "");
  CHECK(kind({1, 1, 1}, {1024, 2, 1}) == FaultKind::TooManyThreads, "");
  CHECK(kind({0, 1, 1}, {32, 1, 1}) == FaultKind::InvalidGeometry, "");
  CHECK(kind({1, 70000, 1}, {32, 1, 1}) == FaultKind::InvalidGeometry, "");
  CHECK(m.launch("overrun", {1, 1, 1}, {32, 1, 1}, y).kind == FaultKind::ParameterSize, "");
  m.config.dynamicShared = 49 << 10;
  CHECK(kind({1, 1, 1}, {32, 1, 1}) == FaultKind::TooMuchShared, "");
  m.config.maxDynamicShared = 64 << 10;
  CHECK(kind({1, 1, 1}, {32, 1, 1}) == FaultKind::None, "");
}
