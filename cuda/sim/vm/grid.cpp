// Launches: geometry checks, the host threads that execute blocks, and the sum of what they counted.
#include "grid.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "block.h"
#include "control.h"

namespace vm {
namespace {

constexpr size_t kResidentBlocks = 64;  // blocks a host thread keeps that wait for others by spinning
constexpr uint64_t kNever = ~uint64_t(0), kFinished = kNever - 1;  // in Grid::idleAt

Fault refuse(const Function& function, FaultKind kind, const std::string& message) {
  Fault f;
  f.kind = kind;
  f.message = message;
  f.kernel = function.name;
  return f;
}

std::string extent(const Dim3& d) { return std::to_string(d.x) + "×" + std::to_string(d.y) + "×" + std::to_string(d.z); }

Fault checkLaunch(const Function& f, const LaunchConfig& c) {
  const DeviceLimits& l = c.limits;
  auto within = [](const Dim3& d, const Dim3& most) {
    return d.x >= 1 && d.y >= 1 && d.z >= 1 && d.x <= most.x && d.y <= most.y && d.z <= most.z;
  };
  if (!within(c.grid, l.maxGrid)) return refuse(f, FaultKind::InvalidGeometry, "grid of " + extent(c.grid) + " blocks, at most " + extent(l.maxGrid));
  if (!within(c.block, l.maxBlock)) return refuse(f, FaultKind::InvalidGeometry, "block of " + extent(c.block) + " threads, at most " + extent(l.maxBlock));
  uint64_t threads = c.block.count();
  uint64_t most = std::min<uint64_t>(l.maxThreadsPerBlock, f.maxThreads ? f.maxThreads : kMaxWarps * kLanes);
  if (threads > most) {
    return refuse(f, FaultKind::TooManyThreads, std::to_string(threads) + " threads a block, the kernel takes " + std::to_string(most));
  }
  const Dim3& r = f.requiredBlock;
  if (r.x != 0 && (r.x != c.block.x || r.y != c.block.y || r.z != c.block.z)) {
    return refuse(f, FaultKind::InvalidGeometry, "block of " + extent(c.block) + " threads, the kernel requires " + extent(r));
  }
  uint32_t granted = c.maxDynamicShared ? c.maxDynamicShared : l.sharedPerBlock - std::min(l.sharedPerBlock, f.staticShared);
  granted = std::min(granted, l.sharedPerBlockOptin - std::min(l.sharedPerBlockOptin, f.staticShared));
  if (c.dynamicShared > granted) {
    return refuse(f, FaultKind::TooMuchShared, std::to_string(c.dynamicShared) + " bytes of dynamic shared memory, the function was granted " +
                                                   std::to_string(granted) + " (static: " + std::to_string(f.staticShared) + ")");
  }
  if (c.parameterBytes != f.parameterBytes) {
    return refuse(f, FaultKind::ParameterSize, std::to_string(c.parameterBytes) + " bytes of parameters, the kernel takes " +
                                                   std::to_string(f.parameterBytes) + " in " + std::to_string(f.parameters.size()));
  }
  return {};
}

// BlockOrder is a permutation of the block indices chosen by the seed.
class BlockOrder {
 public:
  BlockOrder(uint64_t count, uint64_t seed) : count_(count) {
    if (seed == 0 || count < 3) return;
    std::minstd_rand random(uint32_t(seed * 2654435761u + 7));
    do factor_ = 1 + random() % (count - 1);
    while (std::gcd(factor_, count) != 1);
    offset_ = random() % count;
  }
  uint64_t at(uint64_t i) const { return uint64_t((static_cast<unsigned __int128>(i) * factor_ + offset_) % count_); }

 private:
  uint64_t count_, factor_ = 1, offset_ = 0;
};

void record(Grid& grid, const Fault& fault) {
  std::lock_guard<std::mutex> lock(grid.faultMutex);
  if (!grid.fault) grid.fault = fault;
  grid.stop = true;
}

// Worker executes blocks one after the other. Blocks that spin are put aside until the others have had their turn.
class Worker {
 public:
  Worker(Grid& grid, WorkerState& state, unsigned number, const BlockOrder& order, uint64_t count)
      : grid_(grid), state_(state), number_(number), order_(order), count_(count) {}

  void run() {
    try {
      while (!grid_.stop && next()) {
      }
      while (!kept_.empty() && !grid_.stop) pass();
      grid_.idleAt[number_] = kFinished;
    } catch (const KernelFault& f) {
      record(grid_, f.fault);
    }
  }

 private:
  bool next() {
    uint64_t i = grid_.nextBlock++;
    if (i >= count_) return false;
    std::unique_ptr<Block> block = std::move(spare_);
    if (!block) block = std::make_unique<Block>(grid_, state_);
    block->start(order_.at(i));
    finishOrKeep(std::move(block));
    // A multiprocessor holds fewer blocks than this; more would be progress that a device could not make either.
    while (kept_.size() >= kResidentBlocks && !grid_.stop) pass();
    return true;
  }

  void finishOrKeep(std::unique_ptr<Block> block) {
    if (block->run() == Block::Outcome::Finished) {
      grid_.progress++;
      spare_ = std::move(block);
    } else {
      if (block->progressed()) grid_.progress++;
      kept_.push_back(std::move(block));
    }
  }

  // pass lets every block that waits have another look.
  void pass() {
    uint64_t before = grid_.progress;
    std::vector<std::unique_ptr<Block>> again;
    again.swap(kept_);
    for (auto& b : again) finishOrKeep(std::move(b));
    if (grid_.progress != before) return;
    grid_.idleAt[number_] = before;
    bool allIdle = true;
    for (const auto& at : grid_.idleAt) allIdle &= at == before || at == kFinished;
    if (allIdle && grid_.progress == before) kept_.front()->faultSpinning();
    std::this_thread::yield();
  }

  Grid& grid_;
  WorkerState& state_;
  unsigned number_;
  const BlockOrder& order_;
  uint64_t count_;
  std::unique_ptr<Block> spare_;
  std::vector<std::unique_ptr<Block>> kept_;
};

void addCounts(const Program& p, const WorkerState& w, Counters& c) {
  for (size_t i = 0; i < p.code.size(); i++) {
    const Instr& in = p.code[i];
    if (in.run == joinHandler) continue;
    c.warpInstructions += w.counts[i].warps;
    c.laneInstructions += w.counts[i].lanes;
    c.byClass[size_t(in.unit)] += w.counts[i].warps;
    c.flops += w.counts[i].lanes * in.flops;
    if (in.target >= 0 && in.guard != 0) c.branches += w.counts[i].warps;
  }
}

}  // namespace

Report launch(const Function& function, const LaunchConfig& config, DeviceMemory& memory) {
  Report report;
  report.fault = checkLaunch(function, config);
  if (report.fault) return report;

  Grid grid{function, *function.program, config, memory};
  grid.generation = memory.nextGeneration();
  grid.dynamicStart = function.program->sharedBytes;
  grid.sharedBytes = grid.dynamicStart + config.dynamicShared;
  const uint8_t* bytes = static_cast<const uint8_t*>(config.parameters);
  if (config.parameterBytes) grid.parameters.assign(bytes, bytes + config.parameterBytes);

  uint64_t blocks = config.grid.count();
  unsigned workers = config.workers ? config.workers : std::max(1u, std::thread::hardware_concurrency());
  workers = unsigned(std::min<uint64_t>(workers, blocks));
  BlockOrder order(blocks, config.seed);
  std::vector<WorkerState> states(workers);
  for (WorkerState& s : states) s.counts.resize(function.program->code.size());
  grid.idleAt = std::vector<std::atomic<uint64_t>>(workers);
  for (auto& at : grid.idleAt) at = kNever;
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < workers; i++) {
    threads.emplace_back([&, i] { Worker(grid, states[i], i, order, blocks).run(); });
  }
  Worker(grid, states[0], 0, order, blocks).run();
  for (std::thread& t : threads) t.join();

  report.fault = grid.fault;
  for (const WorkerState& s : states) {
    report.counters.add(s.counters);
    addCounts(*function.program, s, report.counters);
  }
  return report;
}

}  // namespace vm
