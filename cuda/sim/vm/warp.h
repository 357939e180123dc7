// A warp: 32 lanes, some of them together at one instruction, the others parked elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fault.h"
#include "program.h"

namespace vm {

class Block;

constexpr int kLanes = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;

// KernelFault ends a launch.
struct KernelFault {
  Fault fault;
};

// Fragment is a set of lanes that are at the same instruction.
struct Fragment {
  enum State : uint8_t {
    Ready,
    Meeting,   // at a .sync instruction, waiting for lanes of its mask
    Waiting,   // at a barrier of the block
    Spinning,  // went around a loop without any change
  };
  uint32_t mask = 0;
  const Instr* pc = nullptr;
  int join = -1;
  State state = Ready;
  uint32_t members = 0;  // Meeting: the lanes it waits for
};

// Join is a place where diverged lanes rejoin. Lanes that exit are no longer expected.
struct Join {
  int32_t at = -1;  // index of the join instruction
  uint32_t expected = 0, arrived = 0;
  int parent = -1;
};

// AsyncCopy is one lane's cp.async that has not been delivered.
struct AsyncCopy {
  const Instr* in = nullptr;
  uint8_t lane = 0, bytes = 0;
  uint32_t group = 0;  // of its lane
  uint64_t target = 0;
  uint8_t data[16];
};

// Counts of one instruction, one set for each host thread.
struct InstrCount {
  uint64_t warps = 0, lanes = 0;
};

class Warp {
 public:
  enum class Status : uint8_t { Runnable, Blocked, Spinning, Done };

  // init prepares the parts that stay the same for all blocks: constants and thread indices.
  void init(Block& block, uint32_t index, uint32_t lanes);
  // start puts all lanes at the first instruction.
  void start();
  // run executes until no fragment can go on, a yield is due, or the warp is done.
  void run();

  template <class T>
  T* at(uint32_t offset) { return reinterpret_cast<T*>(file_ + offset); }
  uint32_t& predicate(uint32_t offset) { return *at<uint32_t>(offset); }

  Block& block() { return *block_; }
  uint32_t index() const { return index_; }
  uint32_t live() const { return live_; }      // lanes that have not exited
  uint32_t started() const { return lanes_; }  // lanes that exist
  Status status() const { return status_; }
  const std::vector<Fragment>& parked() const { return parked_; }

  // The lanes that execute the current instruction.
  uint32_t mask = 0;

  // What lanes hand to each other in .sync instructions.
  uint64_t deposit[kLanes];

  // Counts stores and atomics that changed something; loops are watched by it.
  uint64_t stores = 0;

  std::vector<AsyncCopy> copies;
  uint32_t copyGroups[kLanes] = {};  // committed so far, a lane

  // For instructions.

  // branch sends the lanes in taken to the target of the instruction and leaves the others of `active` behind it.
  void branch(const Instr& in, uint32_t taken);
  // branchTo sends the current lanes along several ways at once.
  void branchMany(const Instr& in, const uint32_t* masks, const int32_t* targets, size_t count);
  void exitLanes(uint32_t lanes);
  void joinHere(const Instr& in);
  // meet is true when all lanes of members are there. Otherwise the fragment is parked and the instruction is executed again, by
  // all fragments that meet, once they are.
  bool meet(const Instr& in, uint32_t members);
  // met is the set of lanes that meet, for use after meet.
  uint32_t met() const { return met_; }
  // wait parks the current fragment at a barrier of the block; release makes the lanes ready again.
  void wait();
  void release(uint32_t lanes);

  [[noreturn]] void fault(const Instr& in, FaultKind kind, uint32_t lane, const std::string& message) const;
  // place fills in where a lane is.
  Fault placed(const Instr& in, Fault f, uint32_t lane) const;

 private:
  friend class Block;

  void park(Fragment::State state, const Instr* pc, uint32_t members);
  void load(size_t parkedIndex);
  bool pick();
  bool resolveMeeting();
  bool breakJoin();
  void settleJoin(int join);
  void split(uint32_t lanes, const Instr* pc);
  void refuel();
  void observe(const Instr& in);

  uint8_t* file_ = nullptr;
  const Instr* code_ = nullptr;
  InstrCount* counts_ = nullptr;
  const Instr* pc_ = nullptr;
  uint32_t active_ = 0;
  int join_ = -1;
  int64_t fuel_ = 0;
  bool running_ = false;
  bool watching_ = false;
  bool meeting_ = false;
  uint32_t met_ = 0;

  Block* block_ = nullptr;
  uint32_t index_ = 0, lanes_ = 0, live_ = 0;
  Status status_ = Status::Done;
  std::vector<Fragment> parked_;
  std::vector<Join> joins_;
  uint64_t executed_ = 0;

  // The state of a watched loop at its last backward branch.
  struct Snapshot {
    const Instr* branch = nullptr;
    uint32_t mask = 0;
    uint64_t stores = 0;
    std::vector<uint8_t> file;
  } snapshot_;
  std::unique_ptr<uint8_t[]> storage_;
};

}  // namespace vm
