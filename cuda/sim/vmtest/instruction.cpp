#include "instruction.h"

#include <cstring>

#include "harness.h"

namespace vmtest {

uint64_t f32(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}
uint64_t f64(double x) {
  uint64_t u;
  std::memcpy(&u, &x, 8);
  return u;
}

namespace {

constexpr uint64_t kUntouched = 0x5a5a5a5a5a5a5a5aull;

std::string registerOf(size_t i, char kind) {
  if (kind == 'p' && i == 0) return "%p0";
  return std::string("%") + kind + std::to_string(i);
}

unsigned bitsOf(char kind) { return kind == 'h' ? 16 : kind == 'd' ? 64 : 32; }

// entry is a kernel that loads a row of 64-bit values a thread, executes the instruction and stores the target. Its guard is true in all
// lanes, or in the even ones.
std::string entry(const Case& c, const std::string& name, bool guarded) {
  std::string kinds = c.kinds, s = ".visible .entry " + name + "(.param .u64 out, .param .u64 in)\n{\n";
  s += ".reg .pred %p<16>;\n.reg .b16 %h<16>;\n.reg .b32 %r<16>, %t<4>;\n.reg .b64 %d<16>, %a<4>;\n";
  s += "ld.param.u64 %a0, [out];\nld.param.u64 %a1, [in];\nmov.u32 %t0, %tid.x;\n";
  s += "mad.wide.u32 %a0, %t0, 8, %a0;\nmad.wide.u32 %a1, %t0, " + std::to_string(8 * kinds.size()) + ", %a1;\n";
  for (size_t i = 1; i < kinds.size(); i++) {
    std::string at = "[%a1+" + std::to_string(8 * (i - 1)) + "]";
    if (kinds[i] == 'p') s += "ld.global.u32 %t1, " + at + ";\nsetp.ne.u32 %p" + std::to_string(i) + ", %t1, 0;\n";
    else s += "ld.global.b" + std::to_string(bitsOf(kinds[i])) + " " + registerOf(i, kinds[i]) + ", " + at + ";\n";
  }
  s += "mov.b16 %h0, 0x5a5a;\nmov.b32 %r0, 0x5a5a5a5a;\nmov.b64 %d0, 0x5a5a5a5a5a5a5a5a;\nsetp.ne.u32 %p0, 1, 1;\n";
  s += guarded ? "and.b32 %t2, %t0, 1;\nsetp.eq.u32 %p15, %t2, 0;\n@%p15 " : "";
  for (const char* p = c.text; *p; p++) {
    if (*p == '$') {
      size_t i = size_t(*++p - '0');
      s += registerOf(i, kinds[i]);
    } else {
      s += *p;
    }
  }
  s += "\n";
  switch (kinds[0]) {
    case 'p': s += "selp.u32 %t1, 1, 0, %p0;\ncvt.u64.u32 %d0, %t1;\n"; break;
    case 'h': s += "cvt.u64.u16 %d0, %h0;\n"; break;
    case 'r': s += "cvt.u64.u32 %d0, %r0;\n"; break;
    default: break;
  }
  return s + "st.global.u64 [%a0], %d0;\nret;\n}\n";
}

uint64_t untouched(char kind) {
  return kind == 'p' ? 0 : kind == 'd' ? kUntouched : kUntouched & ((uint64_t(1) << bitsOf(kind)) - 1);
}

std::string hex(uint64_t v) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

}  // namespace

void check(const std::vector<Case>& cases, int target) {
  for (const Case& c : cases) {
    // A module for each, so that one that does not load does not hide the others.
    Machine m(".version 7.8\n.target sm_" + std::to_string(target) + "\n.address_size 64\n" + entry(c, "plain", false) + entry(c, "guarded", true));
    CHECK(!m.loadFault, std::string(c.text) + ": " + m.loadFault.text());
    if (m.loadFault) continue;
    size_t columns = std::strlen(c.kinds);
    std::vector<uint64_t> in;
    // The lanes beyond the rows repeat them, so that whole warps run as well.
    size_t threads = std::max<size_t>(32, c.rows.size());
    for (size_t t = 0; t < threads; t++) {
      const auto& row = c.rows[t % c.rows.size()];
      CHECK(row.size() == columns, std::string(c.text) + ": a row of the wrong length");
      in.insert(in.end(), row.begin(), row.end());
    }
    vm::Address dIn = m.upload(in), dOut = m.allocate(threads * 8);
    for (const char* kernel : {"plain", "guarded"}) {
      vm::Fault f = m.launch(kernel, {1, 1, 1}, {uint32_t(threads), 1, 1}, dOut, dIn);
      CHECK(!f, std::string(c.text) + ": " + f.text());
      if (f) continue;
      auto out = m.download<uint64_t>(dOut, threads);
      for (size_t t = 0; t < threads; t++) {
        bool active = *kernel == 'p' || t % 2 == 0;
        uint64_t want = active ? c.rows[t % c.rows.size()].back() : untouched(c.kinds[0]);
        std::string inputs;
        for (size_t i = 0; i + 1 < columns; i++) inputs += " " + hex(in[t * columns + i]);
        CHECK(out[t] == want, std::string(c.text) + " of" + inputs + ": " + hex(out[t]) + ", want " + hex(want));
        if (out[t] != want) break;
      }
    }
  }
}

}  // namespace vmtest
