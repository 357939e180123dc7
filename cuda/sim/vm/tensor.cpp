// mma.sync and ldmatrix. Fragment layouts are those of the PTX manual, "Matrix fragments for mma.m16n8k…"; with g = lane/4 and t = lane mod 4:
//   C, D (16×8):  registers 0, 1 at row g, 2, 3 at row g+8; columns 2t and 2t+1
//   tf32 A (16×8): a0 (g, t), a1 (g+8, t), a2 (g, t+4), a3 (g+8, t+4);   B (8×8): b0 (t, g), b1 (t+4, g)
//   16-bit A (16×16): pairs at a0 (g, 2t), a1 (g+8, 2t), a2 (g, 2t+8), a3 (g+8, 2t+8);   B (16×8): b0 (2t, g), b1 (2t+8, g)
// m16n8k4 and the 16-bit m16n8k8 are the first halves along k.
#include <cstring>

#include "access.h"
#include "block.h"
#include "decoder.h"
#include "lanes.h"

namespace vm {
namespace {

constexpr int kRows = 16, kColumns = 8, kDepth = 16;

enum : uint32_t { kTF32, kHalf, kBFloat, kHalfResult = 4 };

void needWholeWarp(Warp& w, const Instr& in) {
  if (w.mask == kAllLanes) return;
  uint32_t missing = w.started() & ~w.mask;
  w.fault(in, FaultKind::InvalidOperation, uint32_t(__builtin_ctz(missing ? missing : w.mask)),
          "an instruction of the whole warp is executed by " + std::to_string(__builtin_popcount(w.mask)) + " lanes");
}

float pairElement(uint32_t pair, int i, bool half) {
  uint16_t bits = uint16_t(pair >> (16 * i));
  return half ? toFloat(Half{bits}) : toFloat(BFloat{bits});
}

// Tensor cores drop the low 13 bits of a tf32 operand that was not rounded before.
float tf32(uint32_t bits) { return bitCast<float>(bits & 0xffffe000u); }

// aux: the operands' format, kHalfResult; imm: k. extra: slots of D, A, B, C.
void mmaHandler(Warp& w, const Instr& in) {
  needWholeWarp(w, in);
  const uint32_t* slots = &w.block().program().extra[in.extra];
  uint32_t format = in.aux & 3;
  bool halfResult = in.aux & kHalfResult;
  int k = int(in.imm), results = halfResult ? 2 : 4;
  int aCount = format == kTF32 ? k / 2 : k / 4, bCount = aCount / 2;
  float a[kRows][kDepth], b[kDepth][kColumns];
  alignas(32) float c[kRows][kColumns];
  for (int lane = 0; lane < kLanes; lane++) {
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < aCount; i++) {
      uint32_t v = w.at<uint32_t>(slots[results + i])[lane];
      int row = g + (i & 1) * 8;
      if (format == kTF32) a[row][t + i / 2 * 4] = tf32(v);
      else for (int e = 0; e < 2; e++) a[row][2 * t + e + i / 2 * 8] = pairElement(v, e, format == kHalf);
    }
    for (int i = 0; i < bCount; i++) {
      uint32_t v = w.at<uint32_t>(slots[results + aCount + i])[lane];
      if (format == kTF32) b[t + i * 4][g] = tf32(v);
      else for (int e = 0; e < 2; e++) b[2 * t + e + i * 8][g] = pairElement(v, e, format == kHalf);
    }
    for (int i = 0; i < results; i++) {
      uint32_t v = w.at<uint32_t>(slots[results + aCount + bCount + i])[lane];
      if (!halfResult) c[g + i / 2 * 8][2 * t + i % 2] = bitCast<float>(v);
      else for (int e = 0; e < 2; e++) c[g + i * 8][2 * t + e] = pairElement(v, e, true);
    }
  }
  for (int row = 0; row < kRows; row++) {
    for (int i = 0; i < k; i++) {
      for (int column = 0; column < kColumns; column++) c[row][column] = std::fma(a[row][i], b[i][column], c[row][column]);
    }
  }
  for (int lane = 0; lane < kLanes; lane++) {
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < results; i++) {
      uint32_t& d = w.at<uint32_t>(slots[i])[lane];
      if (!halfResult) d = bitCast<uint32_t>(canonical(c[g + i / 2 * 8][2 * t + i % 2]));
      else d = toHalf(c[g + i * 8][2 * t]).bits | uint32_t(toHalf(c[g + i * 8][2 * t + 1]).bits) << 16;
    }
  }
}

// ldmatrix: aux the number of matrices, bit 3 transposed, bit 4 a 32-bit address; r[4] the address, r[0] to r[3] the targets.
enum : uint32_t { kCount = 7, kTransposed = 8, kNarrow = 16, kGeneric = 32 };

void ldmatrixHandler(Warp& w, const Instr& in) {
  needWholeWarp(w, in);
  Request q;
  q.in = &in;
  q.bytes = 16;
  fillAddresses(w, q, 4, in.aux & kNarrow);
  uint32_t count = in.aux & kCount;
  q.mask = count == 4 ? kAllLanes : (1u << count * 8) - 1;
  if (in.aux & kGeneric) {
    for (uint64_t& a : q.address) a -= kSharedWindow;
  }
  alignas(32) LaneData rows;
  readShared(w, q, rows);
  auto half = [&](uint32_t matrix, int row, int column) {
    uint16_t v;
    std::memcpy(&v, rows + (int(matrix) * 8 + row) * kLaneStride + column * 2, 2);
    return uint32_t(v);
  };
  for (uint32_t m = 0; m < count; m++) {
    store<uint32_t>(w, in.r[m], [&](int lane) {
      int g = lane / 4, t = lane % 4;
      return in.aux & kTransposed ? half(m, 2 * t, g) | half(m, 2 * t + 1, g) << 16 : half(m, g, 2 * t) | half(m, g, 2 * t + 1) << 16;
    });
  }
}

void decodeLdmatrix(Decoder& d) {
  if (!d.take("m8n8")) d.unsupported();
  uint32_t count = d.take("x1") ? 1 : d.take("x2") ? 2 : d.take("x4") ? 4 : 0;
  if (count == 0) d.malformed("no number of matrices");
  d.in.aux = count | (d.take("trans") ? kTransposed : 0u);
  if (!d.take("shared") && !d.take("shared::cta")) d.in.aux |= kGeneric;
  if (d.takeType() != Type::B16) d.unsupported();
  d.expectOperands(2, 2);
  const Operand& to = d.operand(0);
  std::vector<Operand> items = to.kind == Operand::Vector ? to.items : std::vector<Operand>{to};
  if (items.size() != count) d.malformed("number of registers");
  for (size_t i = 0; i < count; i++) d.in.r[i] = d.target(items[i], Type::B32);
  if (d.address(d.operand(1), 4)) d.in.aux |= kNarrow;
  d.in.unit = InstructionClass::Shared;
  d.in.run = ldmatrixHandler;
}

void decodeMma(Decoder& d) {
  int k = d.take("m16n8k4") ? 4 : d.take("m16n8k8") ? 8 : d.take("m16n8k16") ? 16 : 0;
  if (k == 0 || !d.take("row") || !d.take("col")) d.unsupported("shape or layout");
  Type result = d.takeType(), a = d.takeType(), b = d.takeType(), c = d.takeType();
  uint32_t format = a == Type::TF32 ? kTF32 : a == Type::F16 ? kHalf : kBFloat;
  bool known = a == b && result == c && (a == Type::TF32 || a == Type::F16 || a == Type::BF16) &&
               (result == Type::F32 || (result == Type::F16 && a == Type::F16)) && (format == kTF32 ? k <= 8 : k >= 8);
  if (!known) d.unsupported("types");
  size_t results = result == Type::F16 ? 2 : 4, aCount = size_t(format == kTF32 ? k / 2 : k / 4);
  size_t counts[4] = {results, aCount, aCount / 2, results};
  d.expectOperands(4, 4);
  std::vector<uint32_t> slots;
  for (size_t o = 0; o < 4; o++) {
    const Operand& v = d.operand(o);
    std::vector<Operand> items = v.kind == Operand::Vector ? v.items : std::vector<Operand>{v};
    if (items.size() != counts[o]) d.malformed("operand " + std::to_string(o + 1) + " has " + std::to_string(items.size()) + " registers");
    for (const Operand& item : items) slots.push_back(o == 0 ? d.target(item, Type::B32) : d.source(item, Type::B32));
  }
  d.in.extra = d.addExtra(slots);
  d.in.aux = format | (result == Type::F16 ? kHalfResult : 0u);
  d.in.imm = k;
  d.in.flops = uint16_t(2 * kRows * kColumns * k / kLanes);
  d.in.run = mmaHandler;
}

}  // namespace

void decodeTensor(Decoder& d) {
  d.in.unit = InstructionClass::Tensor;
  if (!d.take("sync") || !d.take("aligned")) d.unsupported("without .sync.aligned");
  if (d.statement().opcode == "mma") decodeMma(d);
  else decodeLdmatrix(d);
}

}  // namespace vm
