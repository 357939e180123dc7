// The types of PTX instructions.
#pragma once

#include <cstdint>
#include <string_view>

namespace vm {

enum class Type : uint8_t {
  None, Pred,
  B8, B16, B32, B64, B128,
  U8, U16, U32, U64,
  S8, S16, S32, S64,
  F16, F16x2, BF16, BF16x2, TF32, F32, F64,
};

Type typeNamed(std::string_view name);  // None if there is none of that name
const char* name(Type t);

constexpr unsigned bitsOf(Type t) {
  switch (t) {
    case Type::None: return 0;
    case Type::Pred: return 1;
    case Type::B8: case Type::U8: case Type::S8: return 8;
    case Type::B16: case Type::U16: case Type::S16: case Type::F16: case Type::BF16: return 16;
    case Type::B64: case Type::U64: case Type::S64: case Type::F64: return 64;
    case Type::B128: return 128;
    default: return 32;
  }
}
constexpr bool isSigned(Type t) { return t == Type::S8 || t == Type::S16 || t == Type::S32 || t == Type::S64; }
constexpr bool isUnsigned(Type t) { return t == Type::U8 || t == Type::U16 || t == Type::U32 || t == Type::U64; }
constexpr bool isBits(Type t) { return t >= Type::B8 && t <= Type::B128; }
constexpr bool isInteger(Type t) { return isSigned(t) || isUnsigned(t); }
constexpr bool isHalf(Type t) { return t >= Type::F16 && t <= Type::BF16x2; }
constexpr bool isFloat(Type t) { return t >= Type::F16; }

}  // namespace vm
