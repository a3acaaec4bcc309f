#include "report/frames.h"

#include <fmt/format.h>

#include "report/demangle.h"

namespace zxctl::report {
namespace {

// Memory without a file or a name: a just-in-time compiler's, most often.
bool IsAnonymous(const Mapping& mapping) { return mapping.path.empty(); }

void SetModule(ModuleTable& modules, Frame& frame) {
  const Mapping* mapping = FindMapping(modules.maps(), frame.pc);
  if (mapping == nullptr) return;
  frame.module = IsAnonymous(*mapping) ? fmt::format("[anonymous {}]", mapping->Rights()) : mapping->path;
  frame.module_offset = frame.pc - mapping->start + mapping->offset;
  if (const LoadedModule* module = modules.Find(frame.pc); module != nullptr && module->image) {
    frame.build_id = module->image->build_id;
  }
}

void SetSymbol(const Symbol& symbol, Frame& frame) {
  frame.function = Demangle(symbol.function);
  frame.file = symbol.file;
  frame.line = symbol.line;
  frame.column = symbol.column;
  frame.inlined = symbol.inlined;
  if (symbol.inlined) frame.trust = Trust::kInlined;
  if (symbol.start) frame.function_offset = frame.pc - *symbol.start;
}

}  // namespace

Frame BareFrame(const UnwoundFrame& unwound, ModuleTable& modules) {
  Frame frame;
  frame.pc = unwound.pc;
  frame.sp = unwound.sp;
  frame.trust = unwound.trust;
  SetModule(modules, frame);
  return frame;
}

void AppendNamedFrames(const UnwoundFrame& unwound, ModuleTable& modules, Symbolizer& symbolizer,
                       std::vector<Frame>& out) {
  const Frame bare = BareFrame(unwound, modules);
  const Mapping* mapping = FindMapping(modules.maps(), unwound.pc);
  const bool anonymous = mapping != nullptr && IsAnonymous(*mapping);
  for (const Symbol& symbol : symbolizer.Symbolize(unwound.LookupPc())) {
    Frame& frame = out.emplace_back(bare);
    SetSymbol(symbol, frame);
    // Only a perf map names functions there.
    if (anonymous && !frame.function.empty()) frame.module = "[jit]";
  }
}

}  // namespace zxctl::report
