#include "guest_instruction.h"

#include <cstring>
#include <string_view>

namespace zxctl::arch {
namespace {

// What follows the opcode byte:
//   .  nothing            m  ModRM              b  8 bits            z  16 or 32 bits       w  16 bits
//   B  ModRM, 8 bits      Z  ModRM, 16 or 32    v  16, 32 or 64      o  an address          e  16 bits, 8 bits
//   t  ModRM, 8 bits for /0 and /1              T  the same with 16 or 32 bits
//   p  a far pointer      j  a 16 or 32-bit branch      x  no instruction, a prefix or an escape
constexpr std::string_view kOneByte =
    "mmmmbz..mmmmbz.x"   // 00
    "mmmmbz..mmmmbz.."   // 10
    "mmmmbzx.mmmmbzx."   // 20
    "mmmmbzx.mmmmbzx."   // 30
    "................"   // 40
    "................"   // 50
    "..mmxxxxzZbB...."   // 60
    "bbbbbbbbbbbbbbbb"   // 70
    "BZBBmmmmmmmmmmmm"   // 80
    "..........p....."   // 90
    "oooo....bz......"   // A0
    "bbbbbbbbvvvvvvvv"   // B0
    "BBw.mmBZe.w..b.."   // C0
    "mmmmbb..mmmmmmmm"   // D0
    "bbbbbbbbjjpb...."   // E0
    "x.xx..tT......mm";  // F0
constexpr std::string_view kTwoBytes =
    "mmmmx.....x.xm.x"   // 00
    "mmmmmmmmmmmmmmmm"   // 10
    "mmmmxxxxmmmmmmmm"   // 20
    "......x.xxxxxxxx"   // 30
    "mmmmmmmmmmmmmmmm"   // 40
    "mmmmmmmmmmmmmmmm"   // 50
    "mmmmmmmmmmmmmmmm"   // 60
    "BBBBmmm.mmmmmmmm"   // 70
    "jjjjjjjjjjjjjjjj"   // 80
    "mmmmmmmmmmmmmmmm"   // 90
    "...mBmmm...mBmmm"   // A0
    "mmmmmmmmmmBmmmmm"   // B0
    "mmBmBBBm........"   // C0
    "mmmmmmmmmmmmmmmm"   // D0
    "mmmmmmmmmmmmmmmm"   // E0
    "mmmmmmmmmmmmmmmm";  // F0
static_assert(kOneByte.size() == 256 && kTwoBytes.size() == 256);

constexpr uint8_t kStringIoMask = 0xfc;
constexpr uint8_t kStringIo = 0x6c;
constexpr int kRegisterBits = 7;
constexpr uint8_t kNoBase = 5;   // in the base field with mod 0
constexpr uint8_t kNoIndex = 4;  // in the index field
constexpr uint8_t kHasSib = 4;   // in the rm field

// Takes bytes off the front.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> code) : code_(code.first(std::min(code.size(), kMaxInstructionBytes))) {}

  bool Take(uint8_t& byte) {
    if (at_ == code_.size()) return false;
    byte = code_[at_++];
    return true;
  }
  [[nodiscard]] bool Peek(uint8_t& byte) const {
    if (at_ == code_.size()) return false;
    byte = code_[at_];
    return true;
  }
  bool Skip(size_t bytes) {
    if (code_.size() - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }
  // A number of so many bytes, with its sign.
  bool TakeSigned(size_t bytes, int64_t& out) {
    uint64_t value = 0;
    if (code_.size() - at_ < bytes) return false;
    std::memcpy(&value, code_.data() + at_, bytes);
    at_ += bytes;
    const auto unused = 64 - 8 * static_cast<int>(bytes);
    out = bytes == 0 ? 0 : static_cast<int64_t>(value << unused) >> unused;
    return true;
  }
  [[nodiscard]] size_t at() const { return at_; }

 private:
  std::span<const uint8_t> code_;
  size_t at_ = 0;
};

struct Prefixes {
  bool operand = false;
  bool address = false;
  uint8_t rex = 0;
  std::optional<Segment> segment;
};

class Decoder {
 public:
  Decoder(std::span<const uint8_t> code, CodeSize size) : in_(code), size_(size) {}

  std::optional<GuestInstruction> Decode() {
    if (!TakePrefixes() || !TakeOpcode()) return std::nullopt;
    SetSizes();
    if (!TakeRest()) return std::nullopt;
    out_.length = static_cast<uint8_t>(in_.at());
    return out_;
  }

  bool IsStringIo() {
    uint8_t opcode = 0;
    return TakePrefixes() && in_.Peek(opcode) && (opcode & kStringIoMask) == kStringIo;
  }

 private:
  bool TakePrefixes() {
    for (uint8_t byte = 0; in_.Peek(byte); in_.Skip(1)) {
      // REX counts only right in front of the opcode.
      const bool is_rex = size_ == CodeSize::k64 && (byte & 0xf0) == 0x40;
      if (!is_rex && !TakePrefix(byte)) return true;
      prefixes_.rex = is_rex ? byte : 0;
    }
    return false;
  }

  // Code of 64 bits has two segments that an address can start at.
  bool TakeSegment(Segment segment) {
    const bool counts = size_ != CodeSize::k64 || segment == Segment::kFs || segment == Segment::kGs;
    if (counts) prefixes_.segment = segment;
    return true;
  }

  bool TakePrefix(uint8_t byte) {
    switch (byte) {
      case 0x26:
        return TakeSegment(Segment::kEs);
      case 0x2e:
        return TakeSegment(Segment::kCs);
      case 0x36:
        return TakeSegment(Segment::kSs);
      case 0x3e:
        return TakeSegment(Segment::kDs);
      case 0x64:
        return TakeSegment(Segment::kFs);
      case 0x65:
        return TakeSegment(Segment::kGs);
      case 0x66:
        return prefixes_.operand = true;
      case 0x67:
        return prefixes_.address = true;
      case 0xf0:
        return true;
      case 0xf2:
      case 0xf3:
        out_.repeat = byte;
        return out_.repeats = true;
      default:
        return false;
    }
  }

  bool TakeOpcode() {
    uint8_t byte = 0;
    if (!in_.Take(byte)) return false;
    form_ = kOneByte[byte];
    if (byte == 0x0f) {
      if (!in_.Take(byte)) return false;
      out_.map = 1;
      form_ = kTwoBytes[byte];
      if (byte == 0x38 || byte == 0x3a) {
        out_.map = byte == 0x38 ? 2 : 3;
        form_ = byte == 0x38 ? 'm' : 'B';
        if (!in_.Take(byte)) return false;
      }
    }
    out_.opcode = byte;
    return form_ != 'x' && (size_ != CodeSize::k64 || IsIn64Bits());
  }

  // What code of 64 bits has not.
  [[nodiscard]] bool IsIn64Bits() const {
    if (out_.map != 0) return true;
    constexpr std::string_view kGone =
        "\x06\x07\x0e\x16\x17\x1e\x1f\x27\x2f\x37\x3f\x60\x61\x62\x82\x9a\xc4\xc5\xce\xd4\xd5\xd6\xea";
    return kGone.find(static_cast<char>(out_.opcode)) == std::string_view::npos;
  }

  void SetSizes() {
    out_.in_64_bits = size_ == CodeSize::k64;
    const bool wide = (prefixes_.rex & 8) != 0;
    const bool is16 = size_ == CodeSize::k16;
    if (is16 != prefixes_.operand) out_.operand_size = 2;
    if (wide) out_.operand_size = 8;
    if (size_ == CodeSize::k64) {
      out_.address_size = prefixes_.address ? 4 : 8;
    } else {
      out_.address_size = is16 != prefixes_.address ? 2 : 4;
    }
    out_.has_rex = prefixes_.rex != 0;
    out_.rex_b = (prefixes_.rex & 1) != 0;
    out_.has_66 = prefixes_.operand;
  }

  // 16 or 32 bits.
  [[nodiscard]] size_t ShortSize() const { return out_.operand_size == 2 ? 2 : 4; }

  bool TakeRest() {
    const bool has_modrm = std::string_view("mBZtT").find(form_) != std::string_view::npos;
    if (has_modrm && !TakeModRm()) return false;
    if (form_ == 'o') return TakeAddress();
    return in_.Skip(ImmediateBytes());
  }

  [[nodiscard]] size_t ImmediateBytes() const {
    switch (form_) {
      case 'b':
      case 'B':
        return 1;
      case 'w':
        return 2;
      case 'e':
        return 3;
      case 'z':
      case 'Z':
        return ShortSize();
      case 'v':
        return out_.operand_size;
      case 'j':
        return size_ == CodeSize::k64 ? 4 : ShortSize();
      case 'p':
        return ShortSize() + 2;
      case 't':
        return out_.reg % 8 < 2 ? 1 : 0;
      case 'T':
        return out_.reg % 8 < 2 ? ShortSize() : 0;
      default:
        return 0;
    }
  }

  bool TakeAddress() {
    out_.has_memory = true;
    out_.segment = prefixes_.segment.value_or(Segment::kDs);
    return in_.TakeSigned(out_.address_size, out_.displacement);
  }

  bool TakeModRm() {
    uint8_t modrm = 0;
    if (!in_.Take(modrm)) return false;
    out_.reg = static_cast<uint8_t>((modrm >> 3 & kRegisterBits) | (prefixes_.rex & 4) << 1);
    const auto mod = static_cast<uint8_t>(modrm >> 6);
    const auto rm = static_cast<uint8_t>(modrm & kRegisterBits);
    // Control and debug registers are never in memory, whatever mod says.
    const bool is_control = out_.map == 1 && out_.opcode >= 0x20 && out_.opcode <= 0x23;
    // With registers these are the first bytes of VEX and EVEX.
    const bool is_vector = out_.map == 0 && (out_.opcode == 0x62 || out_.opcode == 0xc4 || out_.opcode == 0xc5);
    if (mod == 3 || is_control) return !is_vector;
    out_.has_memory = true;
    const bool taken = out_.address_size == 2 ? TakeMemory16(mod, rm) : TakeMemory(mod, rm);
    if (prefixes_.segment) out_.segment = *prefixes_.segment;
    return taken;
  }

  bool TakeMemory16(uint8_t mod, uint8_t rm) {
    // bx+si, bx+di, bp+si, bp+di, si, di, bp, bx
    constexpr std::array<int, 8> kBases = {3, 3, 5, 5, 6, 7, 5, 3};
    constexpr std::array<int, 8> kIndexes = {6, 7, 6, 7, -1, -1, -1, -1};
    const bool absolute = mod == 0 && rm == 6;
    if (!absolute) {
      out_.base = kBases[rm];
      out_.index = kIndexes[rm];
      if (out_.base == 5) out_.segment = Segment::kSs;
    }
    const size_t bytes = absolute || mod == 2 ? 2 : mod;
    return in_.TakeSigned(bytes, out_.displacement);
  }

  bool TakeMemory(uint8_t mod, uint8_t rm) {
    uint8_t base = rm;
    if (rm == kHasSib) {
      uint8_t sib = 0;
      if (!in_.Take(sib)) return false;
      base = sib & kRegisterBits;
      const int index = (sib >> 3 & kRegisterBits) | (prefixes_.rex & 2) << 2;
      if (index != kNoIndex) out_.index = index;
      out_.scale = static_cast<uint8_t>(1U << (sib >> 6));
    }
    const bool no_base = mod == 0 && base == kNoBase;
    if (!no_base) {
      out_.base = base | (prefixes_.rex & 1) << 3;
      // Only the encodings of rsp and rbp themselves.
      if (out_.base == 4 || out_.base == 5) out_.segment = Segment::kSs;
    } else if (rm != kHasSib && size_ == CodeSize::k64) {
      out_.base = GuestInstruction::kInstructionPointer;
    }
    const size_t bytes = no_base || mod == 2 ? 4 : mod;
    return in_.TakeSigned(bytes, out_.displacement);
  }

  Reader in_;
  CodeSize size_;
  Prefixes prefixes_;
  char form_ = 'x';
  GuestInstruction out_;
};

// ---- what it does ----------------------------------------------------------------------------------------------------

uint64_t LowBytes(uint64_t value, size_t bytes) {
  return bytes >= sizeof(value) ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}

size_t StoredByOneByte(const GuestInstruction& i) {
  switch (i.opcode) {
    case 0x88:  // mov
    case 0xa2:
    case 0xaa:  // stos
    case 0xa4:  // movs
      return 1;
    case 0x89:
    case 0xa3:
    case 0xab:
    case 0xa5:
      return i.operand_size;
    case 0x8c:  // mov from a segment register
      return 2;
    case 0xc6:
      return i.reg % 8 == 0 ? 1 : 0;
    case 0xc7:
      return i.reg % 8 == 0 ? i.operand_size : 0;
    default:
      // In code of 64 bits they push as much, or 16 bits.
      if (!IsPush(i)) return 0;
      return i.in_64_bits && i.operand_size == 4 ? 8 : i.operand_size;
  }
}

size_t StoredByTwoBytes(const GuestInstruction& i) {
  switch (i.opcode) {
    case 0x11:  // movups, movupd, movss, movsd
    case 0x2b:  // movntps, movntpd, movntss, movntsd
      return i.repeat == 0xf3 ? 4 : i.repeat == 0xf2 ? 8 : 16;
    case 0x29:  // movaps
      return 16;
    case 0x13:  // movlps
    case 0x17:  // movhps
    case 0xd6:  // movq
      return 8;
    case 0x7e:  // movd; with F3 it loads
      return i.repeats ? 0 : i.operand_size == 8 ? 8 : 4;
    case 0x7f:  // movq, movdqa, movdqu
    case 0xe7:  // movntq, movntdq
      return i.has_66 || i.repeats ? 16 : 8;
    case 0xc3:  // movnti
      return i.operand_size == 8 ? 8 : 4;
    default:
      return i.opcode >= 0x90 && i.opcode <= 0x9f ? 1 : 0;  // setcc
  }
}

}  // namespace

std::optional<GuestInstruction> DecodeInstruction(std::span<const uint8_t> code, CodeSize size) {
  return Decoder(code, size).Decode();
}

uint64_t OperandAddress(const GuestInstruction& i, const GuestGprs& gprs, uint64_t next) {
  auto address = static_cast<uint64_t>(i.displacement);
  if (i.base == GuestInstruction::kInstructionPointer) {
    address += next;
  } else if (i.base != GuestInstruction::kNoRegister) {
    address += gprs[static_cast<size_t>(i.base)];
  }
  if (i.index != GuestInstruction::kNoRegister) address += gprs[static_cast<size_t>(i.index)] * i.scale;
  return LowBytes(address, i.address_size);
}

bool IsStringStore(const GuestInstruction& i) {
  return i.map == 0 && (i.opcode == 0xaa || i.opcode == 0xab || i.opcode == 0xa4 || i.opcode == 0xa5);
}

bool IsPush(const GuestInstruction& i) { return i.map == 0 && (i.opcode & 0xf8) == 0x50; }

bool IsOut(const GuestInstruction& i) { return i.map == 0 && (i.opcode & 0xf6) == 0xe6; }

bool IsStringIoAt(std::span<const uint8_t> code, CodeSize size) { return Decoder(code, size).IsStringIo(); }

size_t BytesStored(const GuestInstruction& i) {
  const bool implied = IsStringStore(i) || IsPush(i);
  if (!i.has_memory && !implied) return 0;
  if (i.map == 0) return StoredByOneByte(i);
  return i.map == 1 ? StoredByTwoBytes(i) : 0;
}

std::optional<StoredRegister> RegisterStored(const GuestInstruction& i) {
  if (IsPush(i)) return StoredRegister{.reg = static_cast<uint8_t>((i.opcode & kRegisterBits) | (i.rex_b ? 8 : 0))};
  if (i.map == 1 && i.opcode == 0xc3) return StoredRegister{.reg = i.reg};
  if (i.map != 0) return std::nullopt;
  switch (i.opcode) {
    case 0x88:
      // Without REX 4 to 7 are ah, ch, dh and bh.
      if (!i.has_rex && i.reg >= 4) return StoredRegister{.reg = static_cast<uint8_t>(i.reg - 4), .high_byte = true};
      return StoredRegister{.reg = i.reg};
    case 0x89:
      return StoredRegister{.reg = i.reg};
    case 0xa2:
    case 0xa3:
    case 0xaa:
    case 0xab:
      return StoredRegister{.reg = kRax};
    default:
      return std::nullopt;
  }
}

std::optional<Load> AsLoad(const GuestInstruction& i) {
  if (!i.has_memory) return std::nullopt;
  Load load{.bytes = i.operand_size, .target = i.reg, .target_bytes = i.operand_size};
  if (i.map == 0 && (i.opcode == 0x8b || i.opcode == 0xa1)) {
    if (i.opcode == 0xa1) load.target = kRax;
    return load;
  }
  if (i.map == 0 && (i.opcode == 0x8a || i.opcode == 0xa0)) {
    load.bytes = load.target_bytes = 1;
    if (i.opcode == 0xa0) load.target = kRax;
    // Without REX 4 to 7 are ah, ch, dh and bh.
    load.high_byte = !i.has_rex && load.target >= 4;
    if (load.high_byte) load.target = static_cast<uint8_t>(load.target - 4);
    return load;
  }
  if (i.map == 1 && (i.opcode & 0xf6) == 0xb6) {  // movzx, movsx
    load.bytes = (i.opcode & 1) == 0 ? 1 : 2;
    load.rest = (i.opcode & 8) == 0 ? Load::Rest::kZeroed : Load::Rest::kSign;
    return load;
  }
  return std::nullopt;
}

std::optional<uint64_t> DataFor(const Load& load, uint64_t wanted) {
  if (load.high_byte) return wanted >> 8 & 0xff;
  // A result of 32 bits zeroes what is above.
  if (load.target_bytes == 4 && wanted >> 32 != 0) return std::nullopt;
  const uint64_t data = LowBytes(wanted, load.bytes);
  uint64_t result = data;
  if (load.rest == Load::Rest::kSign) {
    const int unused = 64 - 8 * load.bytes;
    result = static_cast<uint64_t>(static_cast<int64_t>(data << unused) >> unused);
  }
  if (LowBytes(result, load.target_bytes) != LowBytes(wanted, load.target_bytes)) return std::nullopt;
  return data;
}

}  // namespace zxctl::arch
