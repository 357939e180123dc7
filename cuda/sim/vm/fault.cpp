#include "fault.h"

namespace vm {

const char* name(FaultKind kind) {
  switch (kind) {
    case FaultKind::None: return "none";
    case FaultKind::OutOfBounds: return "out of bounds";
    case FaultKind::Freed: return "freed memory";
    case FaultKind::Dead: return "dead memory";
    case FaultKind::Misaligned: return "misaligned address";
    case FaultKind::Uninitialised: return "uninitialised read";
    case FaultKind::ReadOnly: return "write to read-only memory";
    case FaultKind::RaceShared: return "race in shared memory";
    case FaultKind::RaceGlobal: return "race in global memory";
    case FaultKind::BarrierDivergent: return "divergent barrier";
    case FaultKind::BarrierStuck: return "barrier never reached";
    case FaultKind::WarpSyncStuck: return "warp synchronisation never reached";
    case FaultKind::Spinning: return "spinning without progress";
    case FaultKind::InvalidOperation: return "invalid operation";
    case FaultKind::Trap: return "trap";
    case FaultKind::ParameterSize: return "wrong parameter size";
    case FaultKind::TooMuchShared: return "too much shared memory";
    case FaultKind::TooManyThreads: return "too many threads";
    case FaultKind::InvalidGeometry: return "invalid launch geometry";
    case FaultKind::Syntax: return "syntax error";
    case FaultKind::Unsupported: return "unsupported";
  }
  return "unknown";
}

namespace {

std::string triple(const Dim3& d) {
  return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
}

}  // namespace

std::string Fault::text() const {
  std::string s = std::string(name(kind)) + ": " + message;
  if (!kernel.empty()) s += ", kernel " + kernel;
  if (sourceLine > 0) s += ", " + sourceFile + ":" + std::to_string(sourceLine);
  if (ptxLine > 0) s += ", PTX line " + std::to_string(ptxLine);
  if (!kernel.empty() && ptxLine > 0) s += ", block " + triple(block) + ", thread " + triple(thread);
  return s;
}

}  // namespace vm
