// cp.async. Copies happen as late as permitted: until the wait that names their group the target counts as unwritten.
#include <algorithm>
#include <cstring>

#include "access.h"
#include "block.h"
#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

// Instr::aux of copies: r[0] target, r[1] source, r[2] bytes to read or 0, r[3] predicate that suppresses the read or 0.
enum : uint32_t { kBytes = 31, kNarrow = 32, kNarrowSource = 64, kNegated = 128 };

void copyHandler(Warp& w, const Instr& in) {
  Request to, from;
  to.in = from.in = &in;
  to.bytes = from.bytes = in.aux & kBytes;
  fillAddresses(w, to, 0, in.aux & kNarrow);
  fillAddresses(w, from, 1, in.aux & kNarrowSource);
  // The offset of the source lies in extra, that of the target in imm.
  for (uint64_t& a : from.address) a += uint64_t(int64_t(int32_t(in.extra))) - uint64_t(in.imm);
  alignas(32) LaneData data = {};
  const uint32_t* sizes = in.r[2] ? w.at<uint32_t>(in.r[2]) : nullptr;
  uint32_t ignored = in.r[3] ? w.predicate(in.r[3]) : 0;
  if (in.aux & kNegated) ignored = ~ignored;
  // What is not read is filled with zeros; a source that is not read at all need not exist.
  Request whole = from;
  whole.mask = 0;
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    uint32_t size = ignored >> lane & 1 ? 0 : sizes ? sizes[lane] : to.bytes;
    if (size > to.bytes) w.fault(in, FaultKind::InvalidOperation, uint32_t(lane), "reads " + std::to_string(size) + " bytes to copy " + std::to_string(to.bytes));
    if (size == to.bytes) {
      whole.mask |= 1u << lane;
      continue;
    }
    for (uint32_t i = 0; i < size; i++) {
      Request byte = from;
      byte.mask = 1u << lane;
      byte.bytes = 1;
      byte.address[lane] += i;
      alignas(32) LaneData one;
      readGlobal(w, byte, one);
      data[lane * kLaneStride + int(i)] = one[lane * kLaneStride];
    }
  }
  if (whole.mask) readGlobal(w, whole, data);
  poisonShared(w, to);
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    AsyncCopy c;
    c.in = &in;
    c.lane = uint8_t(lane);
    c.bytes = uint8_t(to.bytes);
    c.group = w.copyGroups[lane];
    c.target = to.address[lane];
    std::memcpy(c.data, data + lane * kLaneStride, to.bytes);
    w.copies.push_back(c);
  }
}

void commitHandler(Warp& w, const Instr&) {
  for (uint32_t lanes = w.mask; lanes; lanes &= lanes - 1) w.copyGroups[__builtin_ctz(lanes)]++;
}

// imm: how many of the latest groups may stay pending, −1 to wait for everything.
void waitHandler(Warp& w, const Instr& in) {
  auto due = [&](const AsyncCopy& c) {
    if (!(w.mask >> c.lane & 1)) return false;
    return in.imm < 0 || int64_t(c.group) < int64_t(w.copyGroups[c.lane]) - in.imm;
  };
  // Copies of one instruction are delivered together, as one request of the warp.
  for (size_t i = 0; i < w.copies.size();) {
    const Instr* copy = w.copies[i].in;
    Request q;
    q.in = copy;
    q.bytes = w.copies[i].bytes;
    std::memset(q.address, 0, sizeof q.address);
    alignas(32) LaneData data;
    for (; i < w.copies.size() && w.copies[i].in == copy; i++) {
      const AsyncCopy& c = w.copies[i];
      if (q.mask >> c.lane & 1) break;
      if (!due(c)) continue;
      q.mask |= 1u << c.lane;
      q.address[c.lane] = c.target;
      std::memcpy(data + c.lane * kLaneStride, c.data, c.bytes);
    }
    if (q.mask) writeShared(w, q, data);
  }
  w.copies.erase(std::remove_if(w.copies.begin(), w.copies.end(), due), w.copies.end());
}

}  // namespace

void decodeAsync(Decoder& d) {
  d.in.unit = InstructionClass::Async;
  if (!d.take("async")) d.unsupported();
  if (d.take("commit_group")) {
    d.in.run = commitHandler;
    return;
  }
  if (d.take("wait_all") || d.take("wait_group")) {
    d.in.imm = -1;
    if (d.operands() == 1) {
      if (d.operand(0).kind != Operand::Immediate || d.operand(0).value < 0) d.malformed("the number of groups is no constant");
      d.in.imm = d.operand(0).value;
    }
    d.in.run = waitHandler;
    return;
  }
  bool onlyL2 = d.take("cg");
  if (!onlyL2 && !d.take("ca")) d.unsupported();
  if (!d.take("shared") && !d.take("shared::cta")) d.unsupported();
  if (!d.take("global")) d.unsupported();
  d.take("L2::64B");
  d.take("L2::128B");
  d.take("L2::256B");
  d.expectOperands(3, 4);
  const Operand& size = d.operand(2);
  if (size.kind != Operand::Immediate || (size.value != 16 && (onlyL2 || (size.value != 4 && size.value != 8)))) d.malformed("number of bytes");
  d.in.aux = uint32_t(size.value);
  if (d.address(d.operand(1), 1)) d.in.aux |= kNarrowSource;
  if (d.in.imm != int32_t(d.in.imm)) d.unsupported("offset of the source");
  d.in.extra = uint32_t(int32_t(d.in.imm));
  if (d.address(d.operand(0), 0)) d.in.aux |= kNarrow;
  if (d.operands() == 4) {
    const Operand& o = d.operand(3);
    if (d.width(o, Type::U32) == 1) {
      d.in.r[3] = d.source(o, Type::Pred);
      if (o.negated) d.in.aux |= kNegated;
    } else {
      d.in.r[2] = d.source(o, Type::U32);
    }
  }
  d.in.run = copyHandler;
}

}  // namespace vm
