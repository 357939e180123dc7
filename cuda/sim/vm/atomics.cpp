// atom and red on integers, and accesses by generic address. Atomics of floating-point numbers are refused: their result depends on the
// order of threads.
#include <cstring>

#include "access.h"
#include "block.h"
#include "decoder.h"
#include "lanes.h"
#include "order.h"

namespace vm {
namespace {

enum class Action : uint8_t { Add, Exchange, CompareAndSwap, And, Or, Xor, Min, Max, Increment, Decrement };

template <class T>
T result(Action action, T old, T b, T c) {
  using U = std::make_unsigned_t<T>;
  switch (action) {
    case Action::Add: return T(U(old) + U(b));
    case Action::Exchange: return b;
    case Action::CompareAndSwap: return old == b ? c : old;
    case Action::And: return old & b;
    case Action::Or: return old | b;
    case Action::Xor: return old ^ b;
    case Action::Min: return old < b ? old : b;
    case Action::Max: return old > b ? old : b;
    case Action::Increment: return U(old) >= U(b) ? T(0) : T(U(old) + 1);
    case Action::Decrement: return old == 0 || U(old) > U(b) ? b : T(U(old) - 1);
  }
  return old;
}

// imm of the address is in use, so the rest is packed into aux.
struct Atomic {
  Action action;
  bool narrow, shared, generic, returns, acquire, release;
};
uint32_t pack(const Atomic& a) {
  return uint32_t(a.action) | uint32_t(a.narrow) << 4 | uint32_t(a.shared) << 5 | uint32_t(a.generic) << 6 | uint32_t(a.returns) << 7 |
         uint32_t(a.acquire) << 8 | uint32_t(a.release) << 9;
}
Atomic unpack(uint32_t v) {
  return {Action(v & 15), bool(v >> 4 & 1), bool(v >> 5 & 1), bool(v >> 6 & 1), bool(v >> 7 & 1), bool(v >> 8 & 1), bool(v >> 9 & 1)};
}

template <class T>
void atomicHandler(Warp& w, const Instr& in) {
  Atomic a = unpack(in.aux);
  Request q;
  q.in = &in;
  q.bytes = sizeof(T);
  fillAddresses(w, q, 1, a.narrow);
  Counters& counters = w.block().worker().counters;
  const T *b = w.at<T>(in.r[2]), *c = in.r[3] ? w.at<T>(in.r[3]) : b;
  releaseAt(w, q, a.release ? Order::Release : Order::Relaxed);
  T old[kLanes] = {};
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    bool shared = a.shared || (a.generic && q.address[lane] - kSharedWindow < kWindowBytes);
    Request one = q;
    if (a.generic && shared) one.address[lane] -= kSharedWindow;
    T* p = static_cast<T*>(shared ? atomicShared(w, one, lane) : atomicGlobal(w, one, lane));
    T seen = __atomic_load_n(p, __ATOMIC_RELAXED), next;
    do next = result(a.action, seen, b[lane], c[lane]);
    while (!__atomic_compare_exchange_n(p, &seen, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    old[lane] = seen;
    if (next != seen) w.stores++;
    if (!shared) {
      counters.globalStoreBytes += sizeof(T);
      counters.globalStoreSectors++;
    }
  }
  acquireAt(w, q, a.acquire ? Order::Acquire : Order::Relaxed);
  if (a.returns && in.r[0]) store<T>(w, in.r[0], [&](int i) { return old[i]; });
}

bool takeAction(Decoder& d, Action& action) {
  static const struct {
    const char* name;
    Action action;
  } names[] = {{"add", Action::Add}, {"exch", Action::Exchange}, {"cas", Action::CompareAndSwap}, {"and", Action::And},
               {"or", Action::Or},   {"xor", Action::Xor},       {"min", Action::Min},            {"max", Action::Max},
               {"inc", Action::Increment}, {"dec", Action::Decrement}};
  for (const auto& n : names) {
    if (!d.take(n.name)) continue;
    action = n.action;
    return true;
  }
  return false;
}

using Read = void (*)(Warp&, const Request&, uint8_t*);
using Write = void (*)(Warp&, const Request&, const uint8_t*);

// inWindow selects the lanes of a request whose address lies in a window, and makes their addresses relative to it.
bool inWindow(const Request& q, Request& part, Address window) {
  part = q;
  part.mask = 0;
  for (uint32_t lanes = q.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint64_t relative = q.address[lane] - window;
    if (relative >= kWindowBytes) continue;
    part.address[lane] = relative;
    part.mask |= 1u << lane;
  }
  return part.mask != 0;
}

template <class Data, class F>
void byWindow(Warp& w, const Request& q, Data* data, F global, F shared, F local, F parameter) {
  Request part, rest = q;
  const std::pair<Address, F> windows[] = {{kSharedWindow, shared}, {kLocalWindow, local}, {kParameterWindow, parameter}};
  for (const auto& [window, access] : windows) {
    if (!access || !inWindow(q, part, window)) continue;
    access(w, part, data);
    rest.mask &= ~part.mask;
  }
  if (rest.mask) global(w, rest, data);
}

}  // namespace

void readGeneric(Warp& w, const Request& q, uint8_t* data) {
  byWindow<uint8_t, Read>(w, q, data, readGlobal, readShared, readLocal, readParameters);
}

void writeGeneric(Warp& w, const Request& q, const uint8_t* data) {
  byWindow<const uint8_t, Write>(w, q, data, writeGlobal, writeShared, writeLocal, nullptr);
}

void decodeAtomic(Decoder& d) {
  d.in.unit = InstructionClass::Atomic;
  Atomic a{};
  a.returns = d.statement().opcode == "atom";
  a.acquire = d.take("acquire");
  a.release = d.take("release");
  if (d.take("acq_rel")) a.acquire = a.release = true;
  d.take("relaxed");
  if (!d.take("cta") && !d.take("gpu")) d.take("sys");
  a.shared = d.take("shared") || d.take("shared::cta");
  a.generic = !a.shared && !d.take("global");
  Type t = d.takeType();
  if (isFloat(t)) d.unsupported("atomics of floating-point numbers depend on the order of threads");
  if (!takeAction(d, a.action)) d.malformed("no operation");
  if (bitsOf(t) != 32 && bitsOf(t) != 64) d.unsupported();
  size_t first = a.returns ? 1 : 0, sources = a.action == Action::CompareAndSwap ? 2 : 1;
  d.expectOperands(first + 1 + sources, first + 1 + sources);
  if (a.returns && d.operand(0).kind != Operand::Sink) d.in.r[0] = d.target(0, t);
  a.narrow = d.address(d.operand(first), 1);
  for (size_t i = 0; i < sources; i++) d.in.r[2 + i] = d.source(first + 1 + i, t);
  d.in.aux = pack(a);
  if (bitsOf(t) == 64) d.in.run = t == Type::S64 ? atomicHandler<int64_t> : atomicHandler<uint64_t>;
  else d.in.run = t == Type::S32 ? atomicHandler<int32_t> : atomicHandler<uint32_t>;
}

}  // namespace vm
