// Tests of single instructions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmtest {

// Case is an instruction and what it must do. $0 is its target, $1, $2, … its sources; the letters of `kinds` give their registers:
// h 16, r 32, d 64 bits, p predicate. Each row holds the sources' values and, last, the expected target.
struct Case {
  const char* text;
  const char* kinds;
  std::vector<std::vector<uint64_t>> rows;
};

// check runs every case, each row in a lane of its own: once with all lanes active, and once with every other lane switched off, whose
// targets must keep what they held.
void check(const std::vector<Case>& cases, int target = 80);

uint64_t f32(float x);
uint64_t f64(double x);

constexpr uint64_t kNaN = 0x7fffffff;           // the one that float32 instructions return
constexpr uint64_t kSomeNaN = 0xffc12345;       // another
constexpr uint64_t kInf = 0x7f800000, kMinusInf = 0xff800000, kMinusZero = 0x80000000;
constexpr uint64_t kTiny = 0x00000001, kMaxFloat = 0x7f7fffff;

}  // namespace vmtest
