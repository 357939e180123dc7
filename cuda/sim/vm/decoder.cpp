#include "decoder.h"

#include <algorithm>

#include "control.h"
#include "numbers.h"

namespace vm {
namespace {

constexpr uint32_t kSharedGap = 128;     // between shared variables; a multiple of all banks, so that bank conflicts stay the same
constexpr uint32_t kSharedLimit = 1 << 20;
constexpr uint32_t kLocalLimit = 1 << 19;

uint32_t roundUp(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

std::string mnemonic(const Statement& s) {
  std::string m = s.opcode;
  for (const std::string& part : s.modifiers) m += "." + part;
  return m;
}

}  // namespace

Decoder::Decoder(const ParsedModule& module, const Entry& entry, const std::unordered_map<std::string, Address>& addresses)
    : module_(module), entry_(entry), addresses_(addresses) {
  if (entry.statements.empty()) failLoad(FaultKind::Syntax, entry.line, "kernel " + entry.name + " has no instructions");
  flow_ = analyseFlow(entry);
  registers_ = allocateRegisters(entry, flow_);
}

// layOut gives every variable its offset and reports what the kernel needs.
void Decoder::layOut() {
  for (const auto& [name, address] : addresses_) symbols_[name] = int64_t(address);
  for (const Symbol& p : entry_.parameters) {
    symbols_[p.name] = int64_t(p.offset);
    program_.parameterBytes = uint32_t(p.offset + p.bytes);
  }
  uint32_t sharedAt = 0, localAt = 0;
  std::vector<std::string> dynamic;
  auto place = [&](const Symbol& s) {
    if (s.space == Space::Shared && s.external) {
      dynamic.push_back(s.name);
    } else if (s.space == Space::Shared) {
      if (s.bytes > kSharedLimit) failLoad(FaultKind::Unsupported, s.line, "shared variable " + s.name + " is too large");
      staticShared_ = roundUp(staticShared_, s.align) + uint32_t(s.bytes);
      sharedAt = roundUp(sharedAt, s.align);
      program_.shared.push_back({s.name, sharedAt, uint32_t(s.bytes)});
      symbols_[s.name] = sharedAt;
      sharedAt += roundUp(uint32_t(s.bytes), kSharedGap) + kSharedGap;
    } else if (s.space == Space::Local) {
      if (s.bytes > kLocalLimit) failLoad(FaultKind::Unsupported, s.line, "local variable " + s.name + " is too large");
      localAt = roundUp(localAt, s.align);
      symbols_[s.name] = localAt;
      localAt += uint32_t(s.bytes);
    }
  };
  for (const Symbol& s : module_.symbols) {
    // Only kernels that name a shared variable of the module pay for it.
    auto names = [&](const Operand& o) { return o.name == s.name || (!o.items.empty() && o.items[0].name == s.name); };
    bool used = s.space == Space::Shared && std::any_of(entry_.statements.begin(), entry_.statements.end(), [&](const Statement& st) {
                  return std::any_of(st.operands.begin(), st.operands.end(), names);
                });
    if (used) place(s);
  }
  for (const Symbol& s : entry_.symbols) place(s);
  if (sharedAt > kSharedLimit || localAt > kLocalLimit) failLoad(FaultKind::Unsupported, entry_.line, "too many variables");
  for (const std::string& name : dynamic) symbols_[name] = sharedAt;
  program_.sharedBytes = sharedAt;
  program_.localBytes = localAt;
}

Program Decoder::run() {
  program_.kernel = entry_.name;
  for (const SourceFile& f : module_.files) {
    if (f.number < 0 || f.number > 4096) continue;
    if (size_t(f.number) >= program_.files.size()) program_.files.resize(size_t(f.number) + 1);
    program_.files[size_t(f.number)] = f.name;
  }
  layOut();

  // Slot 0 is never used, so that 0 can mean none. Wide slots come first; all are aligned to their vectors.
  doublesAt_ = 256;
  wordsAt_ = doublesAt_ + registers_.doubles * 256;
  sink_ = wordsAt_ + registers_.words * 128;
  predicatesAt_ = sink_ + 256;
  program_.fileBytes = roundUp(predicatesAt_ + registers_.predicates * 4, 256);

  std::vector<bool> joins(flow_.blocks.size(), false);
  for (size_t b = 0; b < flow_.blocks.size(); b++) {
    if (flow_.blocks[b].successors.size() > 1 && flow_.postDominator[b] != Flow::kExit) joins[size_t(flow_.postDominator[b])] = true;
  }
  joinAt_.assign(flow_.blocks.size(), ~0u);
  uint32_t next = 0;
  for (size_t i = 0; i < entry_.statements.size(); i++) {
    size_t b = size_t(flow_.blockOf[i]);
    // Branches go to the join instruction in front of a statement, not past it.
    bool atJoin = flow_.blocks[b].first == i && joins[b];
    if (atJoin) joinAt_[b] = next;
    instrOf_.push_back(next);
    next += atJoin ? 2 : 1;
  }
  instrOf_.push_back(next);

  for (size_t i = 0; i < entry_.statements.size(); i++) decode(i);
  // Threads that run past the last statement leave the kernel.
  Instr end;
  end.run = exitHandler;
  end.unit = InstructionClass::Branch;
  end.statement = uint32_t(program_.places.size()) - 1;
  program_.code.push_back(end);
  return std::move(program_);
}

void Decoder::decode(size_t index) {
  index_ = index;
  statement_ = &entry_.statements[index];
  left_ = statement_->modifiers;
  Place place;
  place.ptxLine = statement_->line;
  if (statement_->place >= 0) {
    const SourcePlace& p = entry_.places[size_t(statement_->place)];
    place.line = p.line;
    if (p.file >= 0 && size_t(p.file) < program_.files.size()) place.file = p.file;
  }
  program_.places.push_back(place);
  size_t b = size_t(flow_.blockOf[index]);
  if (joinAt_[b] != ~0u && flow_.blocks[b].first == index) {
    Instr join;
    join.run = joinHandler;
    join.statement = uint32_t(index);
    program_.code.push_back(join);
  }
  in = Instr{};
  in.statement = uint32_t(index);
  if (statement_->guard >= 0) {
    in.guard = slotOf(statement_->guard);
    in.guardNegated = statement_->guardNegated;
  }
  Family family = findFamily(statement_->opcode);
  if (!family) unsupported();
  family(*this);
  if (!left_.empty()) unsupported("modifier ." + left_[0]);
  program_.code.push_back(in);
}

bool Decoder::take(std::string_view modifier) {
  auto it = std::find(left_.begin(), left_.end(), modifier);
  if (it == left_.end()) return false;
  left_.erase(it);
  return true;
}

Type Decoder::takeType(bool optional) {
  for (auto it = left_.begin(); it != left_.end(); ++it) {
    Type t = typeNamed(*it);
    if (t == Type::None) continue;
    left_.erase(it);
    return t;
  }
  if (!optional) malformed("no type");
  return Type::None;
}

Rounding Decoder::takeRounding() {
  if (take("rz")) return Rounding::Zero;
  if (take("rm")) return Rounding::Down;
  if (take("rp")) return Rounding::Up;
  take("rn");
  return Rounding::Nearest;
}

void Decoder::unsupported(const std::string& why) const {
  failLoad(FaultKind::Unsupported, statement_->line, "instruction " + mnemonic(*statement_) + (why.empty() ? "" : ": " + why));
}

void Decoder::malformed(const std::string& why) const {
  failLoad(FaultKind::Syntax, statement_->line, "instruction " + mnemonic(*statement_) + ": " + why);
}

const Operand& Decoder::operand(size_t i) const {
  if (i >= statement_->operands.size()) malformed("operand " + std::to_string(i + 1) + " is missing");
  return statement_->operands[i];
}

void Decoder::expectOperands(size_t least, size_t most) const {
  if (operands() < least || operands() > most) malformed(std::to_string(operands()) + " operands");
}

uint32_t Decoder::slotOf(int reg) const {
  uint32_t slot = registers_.slot[size_t(reg)];
  switch (entry_.registers[size_t(reg)].bits) {
    case 1: return predicatesAt_ + slot * 4;
    case 64: return doublesAt_ + slot * 256;
    default: return wordsAt_ + slot * 128;
  }
}

unsigned Decoder::width(const Operand& o, Type t) const {
  if (o.kind == Operand::Register) return entry_.registers[size_t(o.index)].bits;
  unsigned bits = bitsOf(t);
  return bits == 64 || bits == 1 ? bits : bits <= 16 ? 16 : 32;
}

uint32_t Decoder::constant(uint64_t value, unsigned bits) {
  if (bits == 16) value &= 0xffff;
  if (bits == 32) value &= 0xffffffff;
  unsigned kind = bits == 16 ? 32 : bits;
  auto [it, fresh] = constants_.try_emplace({kind, value}, program_.fileBytes);
  if (fresh) {
    program_.constants.push_back({program_.fileBytes, uint8_t(kind), value});
    program_.fileBytes += kind == 64 ? 256 : 128;
  }
  return it->second;
}

uint32_t Decoder::source(const Operand& o, Type t) {
  unsigned bits = bitsOf(t);
  if (bits == 8) bits = 16;
  switch (o.kind) {
    case Operand::Register:
      if (entry_.registers[size_t(o.index)].bits != bits) malformed("register " + o.name + " does not have the size of ." + name(t));
      return slotOf(o.index);
    case Operand::Special: return special(o.name, bits);
    case Operand::Immediate:
      if (t == Type::F32 || t == Type::F64) malformed("integer as operand of type ." + std::string(name(t)));
      return constant(uint64_t(o.value), bits);
    case Operand::Float32:
      if (t == Type::F64) return constant(bitCast<uint64_t>(double(bitCast<float>(uint32_t(o.value)))), 64);
      if (bits != 32) malformed("float32 constant as operand of type ." + std::string(name(t)));
      return constant(uint64_t(o.value), 32);
    case Operand::Float64:
      if (bits == 32) return constant(bitCast<uint32_t>(float(bitCast<double>(o.value))), 32);
      return constant(uint64_t(o.value), 64);
    case Operand::Name: return constant(uint64_t(symbolValue(o.name) + o.value), bits);
    default: malformed("operand of this kind");
  }
}

uint32_t Decoder::target(const Operand& o, Type t) {
  if (o.kind == Operand::Sink) return bitsOf(t) == 1 ? sink_ + 128 : sink_;
  if (o.kind != Operand::Register) malformed("the target is no register");
  unsigned bits = bitsOf(t) == 8 ? 16 : bitsOf(t);
  if (entry_.registers[size_t(o.index)].bits != bits) malformed("register " + o.name + " does not have the size of ." + name(t));
  return slotOf(o.index);
}

int64_t Decoder::symbolValue(const std::string& name) const {
  auto it = symbols_.find(name);
  if (it == symbols_.end()) malformed("unknown name " + name);
  return it->second;
}

bool Decoder::address(const Operand& o, size_t slot) {
  if (o.kind != Operand::Memory) malformed("expected an address in brackets");
  in.imm = o.value;
  if (o.items.empty()) {
    in.r[slot] = constant(0, 64);
    return false;
  }
  const Operand& base = o.items[0];
  if (base.kind == Operand::Name) {
    in.imm += symbolValue(base.name);
    in.r[slot] = constant(0, 64);
    return false;
  }
  if (base.kind != Operand::Register) malformed("the base of the address is no register");
  unsigned bits = entry_.registers[size_t(base.index)].bits;
  if (bits < 32) malformed("the base of the address has " + std::to_string(bits) + " bits");
  in.r[slot] = slotOf(base.index);
  return bits == 32;
}

uint32_t Decoder::addExtra(const std::vector<uint32_t>& list) {
  uint32_t at = uint32_t(program_.extra.size());
  program_.extra.insert(program_.extra.end(), list.begin(), list.end());
  return at;
}

int32_t Decoder::branchTarget(const std::string& label) {
  return int32_t(instrOf_[labelTarget(entry_, label, statement_->line)]);
}

const std::vector<std::string>& Decoder::targetList(const std::string& name) const {
  for (const TargetList& list : entry_.targetLists) {
    if (list.name == name) return list.labels;
  }
  malformed("no list of targets " + name);
}

uint32_t Decoder::joinOf() const {
  int p = flow_.postDominator[size_t(flow_.blockOf[index_])];
  // Joins of later blocks have no instruction yet, but their place is known.
  return p == Flow::kExit ? ~0u : instrOf_[flow_.blocks[size_t(p)].first];
}

uint32_t Decoder::special(const std::string& name, unsigned bits) {
  static const std::unordered_map<std::string, Special> names = {
      {"%tid.x", Special::TidX},       {"%tid.y", Special::TidY},       {"%tid.z", Special::TidZ},
      {"%ntid.x", Special::NtidX},     {"%ntid.y", Special::NtidY},     {"%ntid.z", Special::NtidZ},
      {"%ctaid.x", Special::CtaidX},   {"%ctaid.y", Special::CtaidY},   {"%ctaid.z", Special::CtaidZ},
      {"%nctaid.x", Special::NctaidX}, {"%nctaid.y", Special::NctaidY}, {"%nctaid.z", Special::NctaidZ},
      {"%laneid", Special::LaneId},    {"%warpid", Special::WarpId},    {"%nwarpid", Special::NwarpId},
      {"%gridid", Special::GridId},    {"%smid", Special::SmId},        {"%nsmid", Special::NsmId},
      {"%lanemask_eq", Special::LanemaskEq}, {"%lanemask_le", Special::LanemaskLe}, {"%lanemask_lt", Special::LanemaskLt},
      {"%lanemask_ge", Special::LanemaskGe}, {"%lanemask_gt", Special::LanemaskGt},
      {"%dynamic_smem_size", Special::DynamicSmemSize}, {"%total_smem_size", Special::TotalSmemSize},
  };
  if (name == "WARP_SZ") return constant(32, bits);
  auto it = names.find(name);
  if (it == names.end()) unsupported("special register " + name);
  if (bits == 16) bits = 32;
  auto [slot, fresh] = specials_.try_emplace(name + ":" + std::to_string(bits), program_.fileBytes);
  if (fresh) {
    program_.specials.push_back({program_.fileBytes, uint8_t(bits), it->second});
    program_.fileBytes += bits == 64 ? 256 : 128;
  }
  return slot->second;
}

}  // namespace vm
