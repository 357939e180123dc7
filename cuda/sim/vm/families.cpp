// Which family decodes an opcode, and the names of types.
#include <unordered_map>

#include "decoder.h"

namespace vm {

Family findFamily(const std::string& opcode) {
  static const std::unordered_map<std::string, Family> families = {
      {"mov", decodeMove},        {"selp", decodeSelect},      {"slct", decodeSelect},     {"cvta", decodeAddress},
      {"add", decodeArithmetic},  {"sub", decodeArithmetic},   {"mul", decodeArithmetic},  {"mad", decodeArithmetic},
      {"fma", decodeArithmetic},  {"div", decodeArithmetic},   {"rem", decodeArithmetic},  {"abs", decodeArithmetic},
      {"neg", decodeArithmetic},  {"min", decodeArithmetic},   {"max", decodeArithmetic},  {"sad", decodeArithmetic},
      {"mul24", decodeArithmetic}, {"mad24", decodeArithmetic}, {"copysign", decodeArithmetic}, {"testp", decodeArithmetic},
      {"and", decodeLogic},       {"or", decodeLogic},         {"xor", decodeLogic},       {"not", decodeLogic},
      {"cnot", decodeLogic},      {"lop3", decodeLogic},       {"shl", decodeLogic},       {"shr", decodeLogic},
      {"shf", decodeLogic},
      {"popc", decodeBits},       {"clz", decodeBits},         {"bfind", decodeBits},      {"brev", decodeBits},
      {"bfe", decodeBits},        {"bfi", decodeBits},         {"prmt", decodeBits},       {"dp4a", decodeBits},
      {"ex2", decodeSpecial},     {"lg2", decodeSpecial},      {"rcp", decodeSpecial},     {"rsqrt", decodeSpecial},
      {"sqrt", decodeSpecial},    {"sin", decodeSpecial},      {"cos", decodeSpecial},     {"tanh", decodeSpecial},
      {"cvt", decodeConvert},     {"setp", decodeCompare},     {"set", decodeCompare},
      {"ld", decodeLoad},         {"ldu", decodeLoad},         {"st", decodeStore},        {"atom", decodeAtomic},
      {"red", decodeAtomic},      {"cp", decodeAsync},         {"prefetch", decodePrefetch}, {"prefetchu", decodePrefetch},
      {"discard", decodePrefetch},
      {"bra", decodeControl},     {"brx", decodeControl},      {"ret", decodeControl},     {"exit", decodeControl},
      {"trap", decodeControl},    {"brkpt", decodeControl},    {"nanosleep", decodeControl},
      {"bar", decodeBarrier},     {"barrier", decodeBarrier},  {"membar", decodeBarrier},  {"fence", decodeBarrier},
      {"shfl", decodeExchange},   {"vote", decodeExchange},    {"match", decodeExchange},  {"activemask", decodeExchange},
      {"redux", decodeExchange},  {"mma", decodeTensor},       {"ldmatrix", decodeTensor},
  };
  auto it = families.find(opcode);
  return it == families.end() ? nullptr : it->second;
}

namespace {

const std::unordered_map<std::string_view, Type>& types() {
  static const std::unordered_map<std::string_view, Type> all = {
      {"pred", Type::Pred}, {"b8", Type::B8},   {"b16", Type::B16}, {"b32", Type::B32},     {"b64", Type::B64},
      {"b128", Type::B128}, {"u8", Type::U8},   {"u16", Type::U16}, {"u32", Type::U32},     {"u64", Type::U64},
      {"s8", Type::S8},     {"s16", Type::S16}, {"s32", Type::S32}, {"s64", Type::S64},     {"f16", Type::F16},
      {"f16x2", Type::F16x2}, {"bf16", Type::BF16}, {"bf16x2", Type::BF16x2}, {"tf32", Type::TF32}, {"f32", Type::F32},
      {"f64", Type::F64},
  };
  return all;
}

}  // namespace

Type typeNamed(std::string_view name) {
  auto it = types().find(name);
  return it == types().end() ? Type::None : it->second;
}

const char* name(Type t) {
  for (const auto& [n, type] : types()) {
    if (type == t) return n.data();
  }
  return "none";
}

}  // namespace vm
