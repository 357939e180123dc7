#include "warp.h"

#include <algorithm>
#include <cstring>

#include "block.h"

namespace vm {
namespace {

constexpr int64_t kFuel = 1 << 16;  // instructions between looks at the limit and at loops
constexpr size_t kFileAlign = 64;

uint64_t specialOfThread(Special s, const Dim3& thread, const Dim3& block, uint32_t lane, uint32_t warp, uint32_t warps) {
  switch (s) {
    case Special::TidX: return thread.x;
    case Special::TidY: return thread.y;
    case Special::TidZ: return thread.z;
    case Special::NtidX: return block.x;
    case Special::NtidY: return block.y;
    case Special::NtidZ: return block.z;
    case Special::LaneId: return lane;
    case Special::WarpId: return warp;
    case Special::NwarpId: return warps;
    case Special::LanemaskEq: return 1u << lane;
    case Special::LanemaskLe: return (2u << lane) - 1;
    case Special::LanemaskLt: return (1u << lane) - 1;
    case Special::LanemaskGe: return ~((1u << lane) - 1);
    case Special::LanemaskGt: return ~((2u << lane) - 1);
    default: return 0;
  }
}

}  // namespace

void Warp::init(Block& block, uint32_t index, uint32_t lanes) {
  block_ = &block;
  index_ = index;
  lanes_ = lanes;
  const Program& p = block.program();
  storage_.reset(new uint8_t[p.fileBytes + kFileAlign]);
  file_ = storage_.get() + (kFileAlign - reinterpret_cast<uintptr_t>(storage_.get()) % kFileAlign) % kFileAlign;
  std::memset(file_, 0, p.fileBytes);
  code_ = p.code.data();
  counts_ = block.worker().counts.data();
  auto put = [&](uint32_t offset, unsigned bits, int lane, uint64_t value) {
    if (bits == 64) at<uint64_t>(offset)[lane] = value;
    else at<uint32_t>(offset)[lane] = uint32_t(value);
  };
  for (int lane = 0; lane < kLanes; lane++) {
    for (const FileConstant& c : p.constants) {
      if (c.bits != 1) put(c.offset, c.bits, lane, c.value);
    }
    Dim3 thread = block.threadIndex(index, uint32_t(lane));
    for (const FileSpecial& s : p.specials) {
      put(s.offset, s.bits, lane,
          specialOfThread(s.special, thread, block.grid().config.block, uint32_t(lane), index, block.warpCount()));
    }
  }
  for (const FileConstant& c : p.constants) {
    if (c.bits == 1) predicate(c.offset) = c.value ? kAllLanes : 0;
  }
}

void Warp::start() {
  const Grid& g = block_->grid();
  const Program& p = block_->program();
  for (const FileSpecial& s : p.specials) {
    uint64_t v;
    Dim3 b = block_->blockIndex();
    switch (s.special) {
      case Special::CtaidX: v = b.x; break;
      case Special::CtaidY: v = b.y; break;
      case Special::CtaidZ: v = b.z; break;
      case Special::NctaidX: v = g.config.grid.x; break;
      case Special::NctaidY: v = g.config.grid.y; break;
      case Special::NctaidZ: v = g.config.grid.z; break;
      case Special::NsmId: v = 1; break;
      case Special::DynamicSmemSize: v = g.config.dynamicShared; break;
      case Special::TotalSmemSize: v = g.function.staticShared + g.config.dynamicShared; break;
      default: continue;
    }
    for (int lane = 0; lane < kLanes; lane++) {
      if (s.bits == 64) at<uint64_t>(s.offset)[lane] = v;
      else at<uint32_t>(s.offset)[lane] = uint32_t(v);
    }
  }
  parked_.clear();
  joins_.clear();
  copies.clear();
  std::fill(std::begin(copyGroups), std::end(copyGroups), 0u);
  live_ = active_ = lanes_;
  pc_ = code_;
  join_ = -1;
  fuel_ = 0;
  executed_ = 0;
  watching_ = meeting_ = false;
  snapshot_.branch = nullptr;
  status_ = Status::Runnable;
}

void Warp::run() {
  running_ = true;
  if (status_ != Status::Runnable || active_ == 0) {
    // A pass over a spinning warp lets its loops go around again.
    for (Fragment& f : parked_) {
      if (f.state == Fragment::Spinning) f.state = Fragment::Ready;
    }
    if (!pick()) return;
    if (status_ == Status::Spinning) watching_ = true;
    status_ = Status::Runnable;
  }
  while (running_) {
    if (__builtin_expect(--fuel_ < 0, 0)) {
      refuel();
      if (!running_) return;
    }
    const Instr& in = *pc_++;
    InstrCount& count = counts_[&in - code_];
    uint32_t m = active_;
    if (in.guard) {
      uint32_t p = predicate(in.guard);
      m &= in.guardNegated ? ~p : p;
    }
    count.warps++;
    count.lanes += uint32_t(__builtin_popcount(m));
    if (m == 0) continue;
    mask = m;
    in.run(*this, in);
  }
}

void Warp::refuel() {
  executed_ += uint64_t(kFuel);
  if (executed_ > block_->grid().config.instructionLimit) {
    fault(*pc_, FaultKind::Spinning, uint32_t(__builtin_ctz(active_)),
          "the warp executed more than " + std::to_string(block_->grid().config.instructionLimit) + " instructions");
  }
  if (block_->grid().stop) {
    running_ = false;
    status_ = Status::Done;
    return;
  }
  fuel_ = kFuel;
  watching_ = executed_ > uint64_t(kFuel);
  if (block_->grid().config.seed != 0) {
    // Short slices of random length, so that warps interleave differently with each seed.
    fuel_ = 16 + int64_t(block_->random() % 512);
    executed_ -= uint64_t(kFuel - fuel_);
    watching_ = executed_ > uint64_t(kFuel) && block_->random() % 256 == 0;
    if (executed_ > uint64_t(fuel_)) running_ = false;
  }
}

void Warp::observe(const Instr& in) {
  if (snapshot_.branch == &in && snapshot_.mask == active_ && snapshot_.stores == stores &&
      std::memcmp(snapshot_.file.data(), file_, snapshot_.file.size()) == 0) {
    snapshot_.branch = nullptr;
    watching_ = false;
    park(Fragment::Spinning, code_ + in.target, 0);
    pick();
    return;
  }
  if (snapshot_.branch == &in) {
    watching_ = false;
    snapshot_.branch = nullptr;
    return;
  }
  if (snapshot_.branch != nullptr) return;
  snapshot_.branch = &in;
  snapshot_.mask = active_;
  snapshot_.stores = stores;
  snapshot_.file.assign(file_, file_ + block_->program().fileBytes);
}

void Warp::park(Fragment::State state, const Instr* pc, uint32_t members) {
  parked_.push_back({active_, pc, join_, state, members});
  active_ = 0;
}

void Warp::load(size_t i) {
  const Fragment f = parked_[i];
  parked_.erase(parked_.begin() + long(i));
  active_ = f.mask;
  pc_ = f.pc;
  join_ = f.join;
}

// pick goes on with some fragment that can; if there is none the warp stops running.
bool Warp::pick() {
  do {
    for (size_t i = parked_.size(); i-- > 0;) {
      if (parked_[i].state != Fragment::Ready) continue;
      load(i);
      return true;
    }
  } while (resolveMeeting() || breakJoin());
  running_ = false;
  if (live_ == 0) {
    status_ = Status::Done;
    return false;
  }
  bool spinning = std::any_of(parked_.begin(), parked_.end(), [](const Fragment& f) { return f.state == Fragment::Spinning; });
  status_ = spinning ? Status::Spinning : Status::Blocked;
  return false;
}

// resolveMeeting executes a .sync instruction whose lanes are all there, for every fragment of them.
bool Warp::resolveMeeting() {
  for (const Fragment& first : parked_) {
    if (first.state != Fragment::Meeting) continue;
    uint32_t members = first.members, there = 0;
    Handler handler = first.pc->run;
    uint32_t aux = first.pc->aux;
    auto belongs = [&](const Fragment& f) {
      return f.state == Fragment::Meeting && f.members == members && f.pc->run == handler && f.pc->aux == aux;
    };
    for (const Fragment& f : parked_) {
      if (belongs(f)) there |= f.mask;
    }
    if ((members & live_) & ~there) continue;
    meeting_ = true;
    met_ = there;
    for (Fragment& f : parked_) {
      if (!belongs(f)) continue;
      mask = active_ = f.mask;
      f.state = Fragment::Ready;
      f.members = 0;
      const Instr& in = *f.pc++;
      in.run(*this, in);
    }
    active_ = 0;
    meeting_ = false;
    return true;
  }
  return false;
}

// breakJoin lets lanes that wait to rejoin go on alone, since the others wait for them.
bool Warp::breakJoin() {
  for (size_t j = joins_.size(); j-- > 0;) {
    Join& join = joins_[j];
    if (join.arrived == 0) continue;
    parked_.push_back({join.arrived, code_ + join.at + 1, join.parent, Fragment::Ready, 0});
    join.expected &= ~join.arrived;
    join.arrived = 0;
    return true;
  }
  return false;
}

bool Warp::meet(const Instr& in, uint32_t members) {
  if (meeting_) return true;
  if (uint32_t strangers = mask & ~members) {
    char hex[16];
    snprintf(hex, sizeof hex, "0x%08x", members);
    fault(in, FaultKind::InvalidOperation, uint32_t(__builtin_ctz(strangers)),
          std::string("a lane executes a .sync instruction whose membermask ") + hex + " does not name it");
  }
  met_ = mask;
  if (((members & live_) & ~mask) == 0) return true;
  uint32_t rest = active_ & ~mask;
  active_ = mask;
  park(Fragment::Meeting, &in, members);
  if (rest) parked_.push_back({rest, &in + 1, join_, Fragment::Ready, 0});
  pick();
  return false;
}

void Warp::wait() {
  uint32_t rest = active_ & ~mask;
  active_ = mask;
  park(Fragment::Waiting, pc_, 0);
  if (rest) parked_.push_back({rest, pc_, join_, Fragment::Ready, 0});
  pick();
}

void Warp::release(uint32_t lanes) {
  for (Fragment& f : parked_) {
    if (f.state == Fragment::Waiting && (f.mask & lanes)) f.state = Fragment::Ready;
  }
  if (active_ == 0 && status_ == Status::Blocked) status_ = Status::Runnable;
}

// split parks some of the current lanes, ready to go on elsewhere.
void Warp::split(uint32_t lanes, const Instr* pc) {
  parked_.push_back({lanes, pc, join_, Fragment::Ready, 0});
  active_ &= ~lanes;
}

void Warp::branch(const Instr& in, uint32_t taken) {
  if (taken == active_) {
    pc_ = code_ + in.target;
    if (watching_ && in.target <= &in - code_) observe(in);
    return;
  }
  block_->worker().counters.divergentBranches++;
  int32_t targets[2] = {in.target, int32_t(&in - code_ + 1)};
  uint32_t masks[2] = {taken, active_ & ~taken};
  branchMany(in, masks, targets, 2);
}

// in.extra is the place where the ways rejoin, an index of a join instruction, or ~0.
void Warp::branchMany(const Instr& in, const uint32_t* masks, const int32_t* targets, size_t count) {
  if (in.extra != ~0u && !(join_ >= 0 && joins_[size_t(join_)].at == int32_t(in.extra))) {
    // A loop that sheds lanes comes here again and again with the same join, which then is the current one already.
    joins_.push_back({int32_t(in.extra), active_, 0, join_});
    join_ = int(joins_.size()) - 1;
  }
  size_t stay = count;
  for (size_t i = 0; i < count; i++) {
    if (masks[i] == 0) continue;
    if (stay == count) {
      stay = i;
      continue;
    }
    // By seed either side goes first.
    size_t away = i;
    if (block_->grid().config.seed != 0 && block_->random() % 2) std::swap(away, stay);
    split(masks[away], code_ + targets[away]);
  }
  pc_ = code_ + targets[stay];
}

void Warp::joinHere(const Instr& in) {
  int32_t here = int32_t(&in - code_);
  if (join_ < 0 || joins_[size_t(join_)].at != here) return;
  int j = join_;
  joins_[size_t(j)].arrived |= active_;
  active_ = 0;
  settleJoin(j);
  pick();
}

// settleJoin makes lanes ready again once all that are expected have arrived.
void Warp::settleJoin(int j) {
  Join& join = joins_[size_t(j)];
  if (join.arrived == 0 || join.arrived != join.expected) return;
  // At the same place again, so that an enclosing join at this place sees them too.
  parked_.push_back({join.arrived, code_ + join.at, join.parent, Fragment::Ready, 0});
  join.expected = join.arrived = 0;
  while (!joins_.empty() && joins_.back().expected == 0) joins_.pop_back();
}

void Warp::exitLanes(uint32_t lanes) {
  live_ &= ~lanes;
  active_ &= ~lanes;
  for (size_t j = joins_.size(); j-- > 0;) {
    if (j >= joins_.size() || joins_[j].expected == 0) continue;
    joins_[j].expected &= ~lanes;
    settleJoin(int(j));
  }
  if (active_ == 0) pick();
}

Fault Warp::placed(const Instr& in, Fault f, uint32_t lane) const {
  const Program& p = block_->program();
  const Place& place = p.places[in.statement];
  f.kernel = p.kernel;
  f.ptxLine = place.ptxLine;
  f.sourceLine = place.line;
  if (place.file >= 0) f.sourceFile = p.files[size_t(place.file)];
  f.block = block_->blockIndex();
  f.thread = block_->threadIndex(index_, lane);
  return f;
}

void Warp::fault(const Instr& in, FaultKind kind, uint32_t lane, const std::string& message) const {
  Fault f;
  f.kind = kind;
  f.message = message;
  throw KernelFault{placed(in, f, lane)};
}

}  // namespace vm
