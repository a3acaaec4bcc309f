// What a trapped access was: the packets that tell of it.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "guest_cpu.h"

namespace zxctl::arch {
namespace {

constexpr uint64_t kPageBytes = GuestBytes::kPageBytes;

// What the packet is on this machine.
static_assert(offsetof(zx_packet_guest_mem_t, inst_len) == 8 && offsetof(zx_packet_guest_mem_t, inst_buf) == 9 &&
              offsetof(zx_packet_guest_mem_t, default_operand_size) == 24);

uint64_t LowBytes(uint64_t value, size_t bytes) {
  return bytes == sizeof(value) ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}

// A number that other bytes rarely have too.
uint64_t PlaceOf(const std::array<uint8_t, kMaxInstructionBytes>& bytes) {
  constexpr uint64_t kGolden = 0x9e37'79b9'7f4a'7c15;
  std::array<uint64_t, 2> halves = {};
  std::memcpy(halves.data(), bytes.data(), bytes.size());
  return (halves[0] * kGolden ^ halves[1]) * kGolden >> 32;
}

}  // namespace

size_t GuestCpu::ReadCode(uint64_t linear, std::span<uint8_t> out, GuestBytes& memory) {
  const uint64_t offset = linear % kPageBytes;
  if (offset + out.size() > kPageBytes) return ReadLinear(Paging(), linear, out.data(), out.size(), memory);
  if (!code_page_.Find(Paging(), linear, memory) || code_page_.bytes() == nullptr) return 0;
  std::memcpy(out.data(), code_page_.bytes() + offset, out.size());
  return out.size();
}

std::optional<GuestInstruction> GuestCpu::DecodeAt(uint64_t pc, GuestBytes& memory, CodeBytes* bytes) {
  *bytes = {};
  const size_t got = ReadCode(BaseOf(Segment::kCs) + pc, *bytes, memory);
  auto instruction = DecodeInstruction(std::span(*bytes).first(got), Code());
  const size_t length = instruction ? instruction->length : 0;
  std::fill(bytes->begin() + static_cast<ptrdiff_t>(length), bytes->end(), uint8_t{0});
  return instruction;
}

bool GuestCpu::HasStored(const GuestInstruction& store, GuestBytes& memory) {
  const auto& mmio = page_.mmio;
  const GuestGprs gprs = Gprs();
  const size_t bytes = BytesStored(store);
  if (bytes < mmio.len) return false;
  uint64_t address = 0;
  Segment segment = store.segment;
  if (IsPush(store)) {
    address = LowBytes(gprs[kRsp], Code() == CodeSize::k64 ? 8 : sregs().ss.db != 0 ? 4 : 2);
    segment = Segment::kSs;
  } else if (IsStringStore(store)) {
    constexpr uint64_t kDirection = 1U << 10;
    address = (regs().rflags & kDirection) != 0 ? gprs[kRdi] + bytes : gprs[kRdi] - bytes;
    address = LowBytes(address, store.address_size);
    segment = Segment::kEs;
  } else {
    address = OperandAddress(store, gprs, regs().rip);
  }
  const uint64_t linear = LowBytes(BaseOf(segment) + address, Code() == CodeSize::k64 ? 8 : 4);
  if (data_page_.Find(Paging(), linear, memory) && data_page_.address() + linear % kPageBytes == mmio.phys_addr) {
    const bool comes_so = bytes == mmio.len || bytes > sizeof(mmio.data) || linear % kPageBytes + bytes > kPageBytes;
    return comes_so && StoresThis(store, 0);
  }
  // Of a store over the end of a page only the second piece may be in the trap.
  const uint64_t next_page = (linear / kPageBytes + 1) * kPageBytes;
  return linear + bytes > next_page && TranslateLinear(Paging(), next_page, memory) == mmio.phys_addr &&
         StoresThis(store, next_page - linear);
}

// With a prefix less it may be another register.
bool GuestCpu::StoresThis(const GuestInstruction& store, uint64_t first) const {
  const auto source = RegisterStored(store);
  if (!source || first >= sizeof(uint64_t)) return true;
  uint64_t value = Gprs()[source->reg];
  if (IsPush(store) && source->reg == kRsp) value += BytesStored(store);
  value >>= 8 * (first + (source->high_byte ? 1 : 0));
  const auto& mmio = page_.mmio;
  return std::memcmp(&value, mmio.data, std::min<size_t>(mmio.len, sizeof(value) - first)) == 0;
}

// KVM finishes the piece that it has told, and runs nothing behind it.
bool GuestCpu::StoreGoesOn() {
  __atomic_store_n(&page_.immediate_exit, uint8_t{1}, __ATOMIC_SEQ_CST);
  return kvm_.Run() == 0 && page_.exit_reason == KVM_EXIT_MMIO && page_.mmio.is_write != 0;
}

// The part that is in another page may be missing.
size_t GuestCpu::ReadBefore(GuestBytes& memory, CodeBytes* bytes) {
  const uint64_t end = BaseOf(Segment::kCs) + regs().rip;
  const auto fill = [&](size_t count) { return ReadCode(end - count, std::span(*bytes).last(count), memory) == count; };
  const size_t in_page = std::min<uint64_t>((end - 1) % kPageBytes + 1, bytes->size());
  return fill(bytes->size()) ? bytes->size() : fill(in_page) ? in_page : 0;
}

std::optional<GuestInstruction> GuestCpu::FindStore(GuestBytes& memory, CodeBytes* bytes) {
  CodeBytes before = {};
  const size_t there = ReadBefore(memory, &before);
  StoresBefore& stores = stores_[PlaceOf(before) % stores_.size()];
  stores.Look(before, there, Code());
  const auto find = [&](size_t length) -> const GuestInstruction* {
    const GuestInstruction* store = stores.OfLength(length);
    return store != nullptr && HasStored(*store, memory) ? store : nullptr;
  };
  // Nothing says how long it was: the shortest that has done what was done. One more prefix, which would change nothing, could
  // as well be the end of the instruction before it.
  for (size_t length = 1; length <= there; ++length) {
    const GuestInstruction* found = find(length);
    if (found == nullptr) continue;
    // What is told of a store over the end of a page fits several widths: the prefix of another one is more than chance.
    // A store that would be whole may be the first piece of such a one; then KVM has more to tell.
    const bool is_whole = BytesStored(*found) == page_.mmio.len;
    const GuestInstruction* wider = find(length + 1);
    for (size_t more = length + 2; wider != nullptr && BytesStored(*wider) == BytesStored(*found); ++more)
      wider = find(more);
    if (wider != nullptr && (!is_whole || StoreGoesOn())) found = wider;
    const auto last = std::span(before).last(found->length);
    std::copy(last.begin(), last.end(), bytes->begin());
    return *found;
  }
  return std::nullopt;
}

zx_status_t GuestCpu::FillMemoryPacket(GuestBytes& memory, zx_packet_guest_mem_t* out) {
  const auto mmio = kvm_.page().mmio;
  CodeBytes bytes = {};
  std::optional<GuestInstruction> instruction;
  if (mmio.is_write != 0) {
    instruction = FindStore(memory, &bytes);
    const bool may_go_on = mmio.len == sizeof(mmio.data) || (mmio.phys_addr + mmio.len) % kPageBytes == 0;
    const bool goes_on = instruction ? BytesStored(*instruction) > mmio.len : may_go_on;
    pending_.kind = goes_on ? Pending::Kind::kRest : Pending::Kind::kNothing;
  } else {
    instruction = DecodeAt(regs().rip, memory, &bytes);
    const auto load = instruction ? AsLoad(*instruction) : std::nullopt;
    const bool whole = load && load->bytes == mmio.len;
    pending_ = {.kind = whole ? Pending::Kind::kLoad : Pending::Kind::kOther, .load = load.value_or(Load{})};
  }
  *out = {.addr = mmio.phys_addr};
  out->inst_len = instruction ? instruction->length : 0;
  std::copy(bytes.begin(), bytes.end(), out->inst_buf);
  out->default_operand_size = Code() == CodeSize::k16 ? 2 : 4;
  return ZX_OK;
}

// INS and OUTS move data through memory. KVM says only with INS how many there are.
bool GuestCpu::IsString(GuestBytes& memory) {
  if (page_.io.count != 1) return true;
  // The last bytes before the pc as well: an OUT may be behind already. They may be in another page, which may be missing.
  constexpr size_t kBefore = 2;
  std::array<uint8_t, kBefore + kMaxInstructionBytes> bytes = {};
  const uint64_t at = BaseOf(Segment::kCs) + regs().rip;
  size_t got = ReadCode(at - kBefore, bytes, memory);
  got = got > kBefore ? got - kBefore : ReadCode(at, std::span(bytes).subspan(kBefore), memory);
  const auto code = std::span(bytes).subspan(kBefore, got);
  const bool stands_there = IsStringIoAt(code, Code());
  if (page_.io.direction == KVM_EXIT_IO_IN) return stands_there;
  const bool stood_there = (bytes[1] & 0xfe) == 0x6e;
  if (!stands_there && !stood_there) return false;
  const char* data = reinterpret_cast<const char*>(&page_) + page_.io.data_offset;
  if (std::memcmp(data, &regs().rax, page_.io.size) != 0) return true;
  const bool names_port = (bytes[0] & 0xfe) == 0xe6 && bytes[1] == page_.io.port;
  const auto here = DecodeInstruction(code, Code());
  return !(here && IsOut(*here)) && !names_port;
}

zx_status_t GuestCpu::FillIoPacket(GuestBytes& memory, zx_packet_guest_io_t* out) {
  kvm_run& page = kvm_.page();
  if (IsString(memory)) return ZX_ERR_NOT_SUPPORTED;
  *out = {.port = page.io.port, .access_size = page.io.size, .input = page.io.direction == KVM_EXIT_IO_IN};
  if (!out->input) {
    std::memcpy(out->data, reinterpret_cast<const char*>(&page) + page.io.data_offset, page.io.size);
    return ZX_OK;
  }
  pending_.kind = Pending::Kind::kIn;
  if (page.io.size == sizeof(uint32_t)) regs().rax = 0;
  return ZX_OK;
}

}  // namespace zxctl::arch
