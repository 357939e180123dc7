// Integer instructions against values worked out from the PTX manual's definitions.
#include "harness.h"
#include "instruction.h"

using namespace vmtest;

TEST(integer_arithmetic) {
  check({
      {"add.s32 $0, $1, $2;", "rrr", {{1, 2, 3}, {0xffffffff, 1, 0}, {0x7fffffff, 1, 0x80000000}}},
      {"add.sat.s32 $0, $1, $2;", "rrr", {{0x7fffffff, 1, 0x7fffffff}, {0x80000000, 0xffffffff, 0x80000000}, {5, 6, 11}}},
      {"sub.sat.s32 $0, $1, $2;", "rrr", {{0x80000000, 1, 0x80000000}, {0, 0x80000000, 0x7fffffff}}},
      {"add.s16 $0, $1, $2;", "hhh", {{0xffff, 2, 1}, {0x7fff, 1, 0x8000}}},
      {"sub.u64 $0, $1, $2;", "ddd", {{0, 1, ~0ull}, {1ull << 40, 1, (1ull << 40) - 1}}},
      {"mul.lo.s32 $0, $1, $2;", "rrr", {{0x10000, 0x10000, 0}, {0xffffffff, 7, 0xfffffff9}}},
      {"mul.hi.s32 $0, $1, $2;", "rrr", {{0x80000000, 0x80000000, 0x40000000}, {0xffffffff, 1, 0xffffffff}}},
      {"mul.hi.u32 $0, $1, $2;", "rrr", {{0xffffffff, 0xffffffff, 0xfffffffe}}},
      {"mul.hi.u64 $0, $1, $2;", "ddd", {{~0ull, ~0ull, ~0ull - 1}, {1ull << 63, 4, 2}}},
      {"mul.hi.s64 $0, $1, $2;", "ddd", {{~0ull, 5, ~0ull}}},
      {"mul.lo.u16 $0, $1, $2;", "hhh", {{0x100, 0x100, 0}, {0xff, 0xff, 0xfe01}}},
      {"mul.wide.s32 $0, $1, $2;", "drr", {{0xffffffff, 3, ~0ull - 2}, {0x7fffffff, 2, 0xfffffffe}}},
      {"mul.wide.u32 $0, $1, $2;", "drr", {{0xffffffff, 3, 0x2fffffffdull}}},
      {"mul.wide.u16 $0, $1, $2;", "rhh", {{0xffff, 0xffff, 0xfffe0001}}},
      {"mul.wide.s16 $0, $1, $2;", "rhh", {{0xffff, 2, 0xfffffffe}}},
      {"mad.lo.s32 $0, $1, $2, $3;", "rrrr", {{3, 4, 5, 17}, {0xffffffff, 2, 1, 0xffffffff}}},
      {"mad.hi.u32 $0, $1, $2, $3;", "rrrr", {{0x80000000, 4, 7, 9}}},
      {"mad.hi.sat.s32 $0, $1, $2, $3;", "rrrr", {{0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff}}},
      {"mad.wide.s32 $0, $1, $2, $3;", "drrd", {{0xffffffff, 8, 100, 92}}},
      {"mad.wide.u32 $0, $1, $2, $3;", "drrd", {{0xffffffff, 8, 8, 0x800000000ull}}},
      {"mul24.lo.u32 $0, $1, $2;", "rrr", {{0xff000003, 4, 12}}},
      {"mul24.hi.s32 $0, $1, $2;", "rrr", {{0x00ffffff, 0x10000, 0xffffffff}}},
      {"mad24.lo.s32 $0, $1, $2, $3;", "rrrr", {{0x00ffffff, 5, 7, 2}}},
      {"div.s32 $0, $1, $2;", "rrr", {{7, 0xfffffffe, 0xfffffffd}, {0xfffffff9, 2, 0xfffffffd}, {0x80000000, 0xffffffff, 0x80000000}}},
      {"div.u32 $0, $1, $2;", "rrr", {{0xffffffff, 2, 0x7fffffff}, {5, 0, 0xffffffff}}},
      {"rem.s32 $0, $1, $2;", "rrr", {{0xfffffff9, 3, 0xffffffff}, {7, 0xfffffffd, 1}, {0x80000000, 0xffffffff, 0}}},
      {"div.u64 $0, $1, $2;", "ddd", {{1ull << 50, 1024, 1ull << 40}}},
      {"rem.u16 $0, $1, $2;", "hhh", {{0xffff, 10, 5}}},
      {"abs.s32 $0, $1;", "rr", {{0xfffffffb, 5}, {0x80000000, 0x80000000}, {3, 3}}},
      {"neg.s64 $0, $1;", "dd", {{1, ~0ull}, {0, 0}}},
      {"min.s32 $0, $1, $2;", "rrr", {{0xffffffff, 1, 0xffffffff}}},
      {"min.u32 $0, $1, $2;", "rrr", {{0xffffffff, 1, 1}}},
      {"max.s16 $0, $1, $2;", "hhh", {{0x8000, 1, 1}}},
      {"max.u64 $0, $1, $2;", "ddd", {{~0ull, 1, ~0ull}}},
      {"sad.s32 $0, $1, $2, $3;", "rrrr", {{0xffffffff, 2, 10, 13}}},
      {"sad.u32 $0, $1, $2, $3;", "rrrr", {{0xffffffff, 2, 0, 0xfffffffd}}},
      {"dp4a.s32.s32 $0, $1, $2, $3;", "rrrr", {{0xff010203, 0x01020304, 5, 5 - 1 + 2 + 6 + 12}}},
      {"dp4a.u32.u32 $0, $1, $2, $3;", "rrrr", {{0xff010203, 0x01020304, 5, 5 + 255 + 2 + 6 + 12}}},
  });
}

TEST(integer_logic) {
  check({
      {"and.b32 $0, $1, $2;", "rrr", {{0xff00ff00, 0x0ff00ff0, 0x0f000f00}}},
      {"or.b64 $0, $1, $2;", "ddd", {{1ull << 63, 1, (1ull << 63) | 1}}},
      {"xor.b16 $0, $1, $2;", "hhh", {{0xffff, 0x0ff0, 0xf00f}}},
      {"not.b16 $0, $1;", "hh", {{0x0ff0, 0xf00f}}},
      {"not.b32 $0, $1;", "rr", {{0, 0xffffffff}}},
      {"cnot.b32 $0, $1;", "rr", {{0, 1}, {7, 0}}},
      {"and.pred $0, $1, $2;", "ppp", {{1, 1, 1}, {1, 0, 0}, {0, 0, 0}}},
      {"xor.pred $0, $1, $2;", "ppp", {{1, 1, 0}, {1, 0, 1}}},
      {"not.pred $0, $1;", "pp", {{1, 0}, {0, 1}}},
      {"mov.pred $0, $1;", "pp", {{1, 1}, {0, 0}}},
      {"lop3.b32 $0, $1, $2, $3, 0x96;", "rrrr", {{0xf0, 0xcc, 0xaa, 0xf0 ^ 0xcc ^ 0xaa}, {0x12345678, 0x9abcdef0, 0xffffffff, 0x77777777}}},
      {"lop3.b32 $0, $1, $2, $3, 0xe8;", "rrrr", {{0xf0, 0xcc, 0xaa, 0xe8}}},
      {"lop3.b32 $0, $1, $2, $3, 0x2a;", "rrrr", {{0xf0, 0xcc, 0xaa, 0x2a}}},
      {"shl.b32 $0, $1, $2;", "rrr", {{1, 31, 0x80000000}, {1, 32, 0}, {1, 0xffffffff, 0}, {3, 0, 3}}},
      {"shl.b64 $0, $1, $2;", "ddr", {{1, 63, 1ull << 63}, {1, 64, 0}}},
      {"shl.b16 $0, $1, $2;", "hhr", {{0x00ff, 8, 0xff00}, {1, 16, 0}}},
      {"shr.u32 $0, $1, $2;", "rrr", {{0x80000000, 31, 1}, {0xffffffff, 40, 0}}},
      {"shr.s32 $0, $1, $2;", "rrr", {{0x80000000, 31, 0xffffffff}, {0x80000000, 100, 0xffffffff}, {0x40000000, 100, 0}}},
      {"shr.s64 $0, $1, $2;", "ddr", {{1ull << 63, 4, 0xf800000000000000ull}}},
      {"shr.s16 $0, $1, $2;", "hhr", {{0x8000, 4, 0xf800}, {0x8000, 99, 0xffff}}},
      {"shr.u16 $0, $1, $2;", "hhr", {{0x8000, 4, 0x0800}}},
      {"shf.l.wrap.b32 $0, $1, $2, $3;", "rrrr", {{0x80000000, 1, 1, 3}, {5, 9, 32, 9}}},
      {"shf.l.clamp.b32 $0, $1, $2, $3;", "rrrr", {{0x80000000, 1, 1, 3}, {5, 9, 40, 5}}},
      {"shf.r.wrap.b32 $0, $1, $2, $3;", "rrrr", {{2, 1, 1, 0x80000001}, {5, 9, 32, 5}}},
      {"shf.r.clamp.b32 $0, $1, $2, $3;", "rrrr", {{5, 9, 32, 9}}},
      {"popc.b32 $0, $1;", "rr", {{0xf0f0, 8}, {0, 0}}},
      {"popc.b64 $0, $1;", "rd", {{~0ull, 64}}},
      {"clz.b32 $0, $1;", "rr", {{1, 31}, {0, 32}, {0x80000000, 0}}},
      {"clz.b64 $0, $1;", "rd", {{1, 63}, {0, 64}}},
      {"bfind.u32 $0, $1;", "rr", {{0x100, 8}, {0, 0xffffffff}}},
      {"bfind.s32 $0, $1;", "rr", {{0xffffffff, 0xffffffff}, {0xfffffeff, 8}, {0x7f, 6}}},
      {"bfind.shiftamt.u32 $0, $1;", "rr", {{0x100, 23}}},
      {"brev.b32 $0, $1;", "rr", {{1, 0x80000000}, {0x12345678, 0x1e6a2c48}}},
      {"brev.b64 $0, $1;", "dd", {{1, 1ull << 63}}},
      {"bfe.u32 $0, $1, $2, $3;", "rrrr", {{0xabcd1234, 8, 8, 0x12}, {0xabcd1234, 28, 8, 0xa}, {0xffffffff, 0, 0, 0}, {0xffffffff, 40, 4, 0}}},
      {"bfe.s32 $0, $1, $2, $3;", "rrrr", {{0x0000f000, 12, 4, 0xffffffff}, {0x80000000, 28, 8, 0xfffffff8}, {0x80000000, 40, 4, 0xffffffff}}},
      {"bfe.u64 $0, $1, $2, $3;", "ddrr", {{0xff00000000ull, 32, 4, 0xf}, {~0ull, 0, 64, ~0ull}}},
      {"bfi.b32 $0, $1, $2, $3, $4;", "rrrrr", {{0xff, 0, 8, 4, 0xf00}, {0xff, 0x1234, 0, 0, 0x1234}, {0xffffffff, 0, 0, 32, 0xffffffff}, {1, 2, 35, 4, 2}}},
      {"bfi.b64 $0, $1, $2, $3, $4;", "dddrr", {{0xabcd, 0x11, 32, 16, 0xabcd00000011ull}}},
      {"prmt.b32 $0, $1, $2, $3;", "rrrr", {{0x33221100, 0x77665544, 0x7410, 0x77441100}, {0x00008000, 0, 0x9999, 0xffffffff}}},
  });
}

TEST(moves_and_selections) {
  check({
      {"mov.b32 $0, 0f3f800000;", "r", {{0x3f800000}}},
      {"mov.u32 $0, -1;", "r", {{0xffffffff}}},
      {"mov.b64 $0, {$1, $2};", "drr", {{1, 2, 0x200000001ull}}},
      {"mov.b32 $0, {$1, $2};", "rhh", {{0x1234, 0xabcd, 0xabcd1234}}},
      {"selp.b32 $0, $1, $2, $3;", "rrrp", {{1, 2, 1, 1}, {1, 2, 0, 2}}},
      {"selp.b16 $0, $1, $2, $3;", "hhhp", {{1, 2, 0, 2}}},
      {"selp.b64 $0, $1, $2, $3;", "dddp", {{1ull << 40, 2, 1, 1ull << 40}}},
      {"slct.b32.s32 $0, $1, $2, $3;", "rrrr", {{1, 2, 0, 1}, {1, 2, 0xffffffff, 2}}},
      {"slct.f32.f32 $0, $1, $2, $3;", "rrrr", {{1, 2, kMinusZero, 1}, {1, 2, kNaN, 2}}},
      {"cvta.to.global.u64 $0, $1;", "dd", {{12345, 12345}}},
      {"mov.u32 $0, WARP_SZ;", "r", {{32}}},
  });
}

TEST(integer_comparisons) {
  check({
      {"setp.lt.s32 $0, $1, $2;", "prr", {{0xffffffff, 0, 1}, {0, 0xffffffff, 0}, {1, 1, 0}}},
      {"setp.lt.u32 $0, $1, $2;", "prr", {{0xffffffff, 0, 0}, {0, 0xffffffff, 1}}},
      {"setp.lo.u32 $0, $1, $2;", "prr", {{0, 1, 1}}},
      {"setp.hs.u32 $0, $1, $2;", "prr", {{1, 1, 1}, {0, 1, 0}}},
      {"setp.ge.s16 $0, $1, $2;", "phh", {{0x8000, 0, 0}, {5, 5, 1}}},
      {"setp.ne.u16 $0, $1, $2;", "phh", {{1, 2, 1}, {3, 3, 0}}},
      {"setp.eq.b64 $0, $1, $2;", "pdd", {{1ull << 40, 1ull << 40, 1}, {1ull << 40, 0, 0}}},
      {"setp.gt.s64 $0, $1, $2;", "pdd", {{0, ~0ull, 1}}},
      {"setp.eq.and.s32 $0, $1, $2, $3;", "prrp", {{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 2, 1, 0}}},
      {"setp.eq.or.s32 $0, $1, $2, !$3;", "prrp", {{1, 2, 0, 1}, {1, 2, 1, 0}}},
      {"setp.eq.s32 %p9|$0, $1, $2;", "prr", {{1, 1, 0}, {1, 2, 1}}},
      {"set.lt.u32.s32 $0, $1, $2;", "rrr", {{0xffffffff, 0, 0xffffffff}, {0, 0, 0}}},
      {"set.gt.f32.s32 $0, $1, $2;", "rrr", {{1, 0, 0x3f800000}, {0, 0, 0}}},
  });
}
