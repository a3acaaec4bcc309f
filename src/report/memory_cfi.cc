#include <libunwind.h>

#include <algorithm>
#include <unordered_set>

#include "report/cfi.h"

// Not in libunwind's header, but exported by it for this use; perf calls it too.
extern "C" int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t*, unw_proc_info_t*, int,
                                                  void*);

namespace zxctl::report {
namespace {

constexpr uint8_t kHdrVersion = 1;
constexpr uint8_t kPcrelSdata4 = 0x1b;
constexpr uint8_t kUdata4 = 0x03;
constexpr uint8_t kDatarelSdata4 = 0x3b;

struct EhFrameHdr {
  uint8_t version;
  uint8_t frame_encoding;
  uint8_t count_encoding;
  uint8_t table_encoding;
  int32_t frame;
  uint32_t count;
};

// What the accessors work on; one for each step.
struct StepContext {
  MemorySource* memory = nullptr;
  ModuleTable* modules = nullptr;
  const UnwindRegisters* registers = nullptr;
  const UnwindLayout* layout = nullptr;
  uint64_t lookup_pc = 0;
  bool missing = false;  // no information was found for the pc that was asked for
};

StepContext& ContextOf(void* arg) { return *static_cast<StepContext*>(arg); }

bool FillTable(StepContext& context, const LoadedModule& module, unw_dyn_info_t& info) {
  const AddressRange& range = *module.image->eh_frame_hdr;
  const auto header = context.memory->ReadValue<EhFrameHdr>(range.address);
  if (!header || header->version != kHdrVersion || header->frame_encoding != kPcrelSdata4) return false;
  if (header->count_encoding != kUdata4 || header->table_encoding != kDatarelSdata4) return false;
  const uint64_t room = range.bytes < sizeof(EhFrameHdr) ? 0 : (range.bytes - sizeof(EhFrameHdr)) / 8;
  const uint64_t count = std::min<uint64_t>(header->count, room);
  if (count == 0) return false;
  info.format = UNW_INFO_FORMAT_REMOTE_TABLE;
  info.start_ip = module.start;
  info.end_ip = module.end;
  info.u.rti.segbase = range.address;
  info.u.rti.table_data = range.address + sizeof(EhFrameHdr);
  info.u.rti.table_len = count * 8 / sizeof(unw_word_t);
  return true;
}

int FindProcInfo(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t* info, int need_info, void* arg) {
  StepContext& context = ContextOf(arg);
  LoadedModule* module = context.modules->Find(ip);
  unw_dyn_info_t table{};
  const bool has_table =
      module != nullptr && module->image && module->image->eh_frame_hdr && FillTable(context, *module, table);
  const int result =
      has_table ? UNW_OBJ(dwarf_search_unwind_table)(space, ip, &table, info, need_info, arg) : -UNW_ENOINFO;
  // A table that ends before ip answers with its last entry.
  const bool covers = result >= 0 && ip >= info->start_ip && ip < info->end_ip;
  if (!covers) context.missing = true;
  return covers ? 0 : -UNW_ENOINFO;
}

void PutUnwindInfo(unw_addr_space_t, unw_proc_info_t*, void*) {}

int NoDynInfo(unw_addr_space_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

int AccessMem(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* arg) {
  if (write != 0) return -UNW_EINVAL;
  const auto word = ContextOf(arg).memory->ReadValue<uint64_t>(address);
  if (!word) return -UNW_EINVAL;
  *value = *word;
  return 0;
}

int AccessReg(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write, void* arg) {
  const StepContext& context = ContextOf(arg);
  const auto index = static_cast<size_t>(number);
  if (write != 0 || number < 0) return -UNW_EBADREG;
  if (number == context.layout->libunwind_pc) {
    *value = context.lookup_pc;
    return 0;
  }
  // Behind the general registers come those that nobody needs here.
  if (index >= context.layout->pc || !context.registers->Has(index)) return -UNW_EBADREG;
  *value = context.registers->value[index];
  return 0;
}

int NoFpReg(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) { return -UNW_EINVAL; }
int NoResume(unw_addr_space_t, unw_cursor_t*, void*) { return -UNW_EINVAL; }
int NoProcName(unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

UnwindRegisters RegistersAt(unw_cursor_t& cursor, const UnwindLayout& layout) {
  UnwindRegisters registers;
  for (size_t number = 0; number < layout.count; ++number) {
    unw_word_t value = 0;
    // After a step the number for "ip" is that of where the return address was found; on arm64 pc's own is the old one.
    const int asked = number == layout.pc ? int{UNW_REG_IP} : static_cast<int>(number);
    if (unw_get_reg(&cursor, asked, &value) == 0) registers.Set(number, value);
  }
  return registers;
}

}  // namespace

struct MemoryCfi::State {
  StepContext context;
  unw_accessors_t accessors{};
  unw_addr_space_t space = nullptr;
  std::unordered_set<uint64_t> missing;  // pcs that libunwind would have to ask for again and again
};

MemoryCfi::MemoryCfi(MemorySource& memory, ModuleTable& modules, arch::Bits bits) : state_(std::make_unique<State>()) {
  if (bits != arch::Bits::k64) return;
  state_->context.memory = &memory;
  state_->context.modules = &modules;
  state_->context.layout = &LayoutOf(bits);
  state_->accessors = {.find_proc_info = &FindProcInfo,
                       .put_unwind_info = &PutUnwindInfo,
                       .get_dyn_info_list_addr = &NoDynInfo,
                       .access_mem = &AccessMem,
                       .access_reg = &AccessReg,
                       .access_fpreg = &NoFpReg,
                       .resume = &NoResume,
                       .get_proc_name = &NoProcName};
  state_->space = unw_create_addr_space(&state_->accessors, 0);
  if (state_->space != nullptr) unw_set_caching_policy(state_->space, UNW_CACHE_GLOBAL);
}

MemoryCfi::~MemoryCfi() {
  if (state_->space != nullptr) unw_destroy_addr_space(state_->space);
}

CfiStep MemoryCfi::Step(UnwindRegisters& registers, uint64_t lookup_pc) {
  if (state_->space == nullptr || state_->missing.contains(lookup_pc)) return CfiStep::kNoInfo;
  StepContext& context = state_->context;
  context.registers = &registers;
  context.lookup_pc = lookup_pc;
  context.missing = false;
  unw_cursor_t cursor;
  if (unw_init_remote(&cursor, state_->space, &context) < 0) return CfiStep::kNoInfo;
  const int result = unw_step(&cursor);
  // Without information libunwind guesses by the frame pointer; our own guess is checked, and marked as one.
  if (context.missing) {
    state_->missing.insert(lookup_pc);
    return CfiStep::kNoInfo;
  }
  if (result < 0) return CfiStep::kNoInfo;
  if (result == 0) return CfiStep::kEndOfStack;
  registers = RegistersAt(cursor, *context.layout);
  return CfiStep::kStepped;
}

}  // namespace zxctl::report
