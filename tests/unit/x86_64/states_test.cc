// x86-64's registers as Zircon has them, from made-up registers and XSAVE images.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "arch/arch.h"

namespace zxctl::arch {
namespace {

using FpRegs = zx_x86_64_thread_state_fp_regs_t;
using VectorRegs = zx_x86_64_thread_state_vector_regs_t;
using DebugRegs = zx_x86_64_thread_state_debug_regs_t;

// ---- general ---------------------------------------------------------------------------------------------------------

constexpr auto kFields = std::to_array<std::pair<uint64_t GeneralRegs::*, unsigned long long user_regs_struct::*>>({
    {&GeneralRegs::rax, &user_regs_struct::rax},         {&GeneralRegs::rbx, &user_regs_struct::rbx},
    {&GeneralRegs::rcx, &user_regs_struct::rcx},         {&GeneralRegs::rdx, &user_regs_struct::rdx},
    {&GeneralRegs::rsi, &user_regs_struct::rsi},         {&GeneralRegs::rdi, &user_regs_struct::rdi},
    {&GeneralRegs::rbp, &user_regs_struct::rbp},         {&GeneralRegs::rsp, &user_regs_struct::rsp},
    {&GeneralRegs::r8, &user_regs_struct::r8},           {&GeneralRegs::r9, &user_regs_struct::r9},
    {&GeneralRegs::r10, &user_regs_struct::r10},         {&GeneralRegs::r11, &user_regs_struct::r11},
    {&GeneralRegs::r12, &user_regs_struct::r12},         {&GeneralRegs::r13, &user_regs_struct::r13},
    {&GeneralRegs::r14, &user_regs_struct::r14},         {&GeneralRegs::r15, &user_regs_struct::r15},
    {&GeneralRegs::rip, &user_regs_struct::rip},         {&GeneralRegs::rflags, &user_regs_struct::eflags},
    {&GeneralRegs::fs_base, &user_regs_struct::fs_base}, {&GeneralRegs::gs_base, &user_regs_struct::gs_base},
});
static_assert(kFields.size() * sizeof(uint64_t) == sizeof(GeneralRegs));

// Each another number, from `first` on.
template <typename T>
T Numbered(uint64_t first) {
  std::array<uint64_t, sizeof(T) / sizeof(uint64_t)> words;
  static_assert(sizeof(words) == sizeof(T));
  for (uint64_t& word : words) word = first++;
  T out;
  std::memcpy(&out, &words, sizeof(out));
  return out;
}

TEST(X86Zircon, ShowsEachRegisterAtItsOwnPlace) {
  const auto registers = Numbered<Registers>(1000);
  const GeneralRegs general = ToZircon(registers);
  for (size_t i = 0; i < kFields.size(); ++i) {
    EXPECT_EQ(general.*kFields[i].first, registers.*kFields[i].second) << i;
  }
}

TEST(X86Zircon, TakesEachRegisterToItsOwnPlace) {
  auto general = Numbered<GeneralRegs>(2000);
  // All that a program can set.
  general.rflags = 0x244dd5;
  const auto before = Numbered<Registers>(1000);
  Registers registers = before;
  registers.eflags = 0x202;
  ASSERT_EQ(FromZircon(general, registers), std::nullopt);
  EXPECT_EQ(registers.eflags, 0x244dd5U | 0x202);
  registers.eflags = general.rflags;
  for (size_t i = 0; i < kFields.size(); ++i) {
    EXPECT_EQ(registers.*kFields[i].second, general.*kFields[i].first) << i;
  }
  for (const auto own : {&user_regs_struct::cs, &user_regs_struct::ss, &user_regs_struct::ds, &user_regs_struct::es,
                         &user_regs_struct::fs, &user_regs_struct::gs}) {
    EXPECT_EQ(registers.*own, before.*own) << "a selector is not the program's to set";
  }
}

TEST(X86Zircon, OfTheFlagsTheKernelsStay) {
  constexpr uint64_t kPrograms = 0x244dd5;
  Registers registers{};
  registers.eflags = 0x12a202 & ~kPrograms;
  ASSERT_EQ(FromZircon({.rflags = ~uint64_t{0}}, registers), std::nullopt);
  EXPECT_EQ(registers.eflags, (0x12a202 & ~kPrograms) | kPrograms);
  registers.eflags = ~0ULL;
  ASSERT_EQ(FromZircon({.rflags = 0}, registers), std::nullopt);
  EXPECT_EQ(registers.eflags, ~kPrograms);
}

TEST(X86Zircon, AnInterruptedCallIsGivenUpByAnotherRipOrRaxOnly) {
  for (size_t i = 0; i < kFields.size(); ++i) {
    const auto field = kFields[i].first;
    Registers registers{};
    registers.orig_rax = 7;
    GeneralRegs general = ToZircon(registers);
    general.*field = 1;
    ASSERT_EQ(FromZircon(general, registers), std::nullopt);
    const bool given_up = field == &GeneralRegs::rip || field == &GeneralRegs::rax;
    EXPECT_EQ(registers.orig_rax, given_up ? ~0ULL : 7ULL) << i;
  }
}

TEST(X86Zircon, WhatCannotBeIsNamedAndNothingIsTaken) {
  const uint64_t half = uint64_t{1} << (AddressBits() - 1);
  const std::vector<uint64_t> not_canonical = {half, uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0} - half,
                                               (~uint64_t{0} << AddressBits())};
  std::vector<uint64_t> not_users = not_canonical;
  for (const uint64_t kernels :
       {~uint64_t{0} << (AddressBits() - 1), ~uint64_t{0} << (AddressBits() - 2), ~uint64_t{0}}) {
    not_users.push_back(kernels);
  }
  struct Refusal {
    const char* name;
    uint64_t GeneralRegs::*field;
    std::vector<uint64_t> values;
  };
  for (const Refusal& refusal :
       {Refusal{"rip 0x", &GeneralRegs::rip, not_users}, Refusal{"fs_base 0x", &GeneralRegs::fs_base, not_canonical},
        Refusal{"gs_base 0x", &GeneralRegs::gs_base, not_canonical}}) {
    for (const uint64_t value : refusal.values) {
      const auto before = Numbered<Registers>(1000);
      Registers registers = before;
      auto general = Numbered<GeneralRegs>(2000);
      general.*refusal.field = value;
      const auto refused = FromZircon(general, registers);
      ASSERT_TRUE(refused) << refusal.name << std::hex << value;
      EXPECT_TRUE(refused->starts_with(refusal.name)) << *refused;
      EXPECT_EQ(std::memcmp(&registers, &before, sizeof(before)), 0) << refusal.name << std::hex << value;
    }
  }
}

TEST(X86Zircon, WhatIsAtTheEdgesIsTaken) {
  const uint64_t half = uint64_t{1} << (AddressBits() - 1);
  for (const uint64_t rip : {uint64_t{0}, uint64_t{1}, half - 1}) {
    Registers registers{};
    EXPECT_EQ(FromZircon({.rip = rip}, registers), std::nullopt) << rip;
    EXPECT_EQ(registers.rip, rip);
  }
  for (const uint64_t base : {uint64_t{0}, uint64_t{1}, half - 1, ~uint64_t{0} << (AddressBits() - 1), ~uint64_t{0}}) {
    Registers registers{};
    EXPECT_EQ(FromZircon({.fs_base = base, .gs_base = ~base}, registers), std::nullopt) << base;
    EXPECT_EQ(registers.fs_base, base);
    EXPECT_EQ(registers.gs_base, ~base);
  }
}

// ---- XSAVE images ----------------------------------------------------------------------------------------------------

// In the standard format, as ptrace has them: where the parts begin.
constexpr size_t kMxcsrAt = 24;
constexpr size_t kMxcsrMaskAt = 28;
constexpr size_t kXmmAt = 160;
constexpr size_t kXmmEnd = 416;
constexpr size_t kFeaturesAt = 464;
constexpr size_t kPresentAt = 512;
constexpr size_t kLegacyEnd = 512;
constexpr size_t kAvxAt = 576;
constexpr size_t kAvxEnd = 832;
// opmask, the upper halves of zmm0 to zmm15, zmm16 to zmm31.
constexpr size_t kAvx512End = 2688;
constexpr uint64_t kX87 = 1;
constexpr uint64_t kSse = 2;
constexpr uint64_t kAvx = 4;
constexpr uint64_t kAvx512 = 0xe0;

using Image = std::vector<std::byte>;

template <typename T>
T At(const Image& image, size_t offset) {
  T value;
  std::memcpy(&value, image.data() + offset, sizeof(value));
  return value;
}

template <typename T>
void SetAt(Image& image, size_t offset, T value) {
  std::memcpy(image.data() + offset, &value, sizeof(value));
}

// No two neighbours alike, none of them 0; nothing but x87 is present yet.
Image MakeImage(uint64_t features, size_t size = kAvx512End) {
  Image image(size);
  for (size_t i = 0; i < size; ++i) image[i] = static_cast<std::byte>(i % 255 + 1);
  SetAt<uint32_t>(image, kMxcsrAt, 0x1f80);
  SetAt<uint32_t>(image, kMxcsrMaskAt, 0xffff);
  SetAt<uint64_t>(image, kFeaturesAt, features);
  if (size > kPresentAt) SetAt<uint64_t>(image, kPresentAt, kX87);
  return image;
}

template <typename T>
T Shown(uint32_t kind, Image image) {
  T out{};
  EXPECT_EQ(ShowState(*FindState(kind), {image}, std::as_writable_bytes(std::span(&out, 1))), std::nullopt);
  return out;
}
VectorRegs ShownVectors(const Image& image) { return Shown<VectorRegs>(ZX_THREAD_STATE_VECTOR_REGS, image); }

template <typename T>
std::optional<std::string> Take(uint32_t kind, const T& in, Image& image) {
  return TakeState(*FindState(kind), std::as_bytes(std::span(&in, 1)), {image});
}
std::optional<std::string> TakeVectors(const VectorRegs& in, Image& image) {
  return Take(ZX_THREAD_STATE_VECTOR_REGS, in, image);
}

bool HasAvx() { return __builtin_cpu_supports("avx") != 0; }

TEST(X86Vectors, WhatAvx512AddsReadsAsZero) {
  if (!HasAvx()) GTEST_SKIP() << "the processor says nothing of where AVX's part is";
  const Image image = MakeImage(kX87 | kSse | kAvx | kAvx512);
  const VectorRegs regs = ShownVectors(image);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(std::memcmp(&regs.zmm[i].v[0], image.data() + kXmmAt + i * 16, 16), 0) << i;
    EXPECT_EQ(std::memcmp(&regs.zmm[i].v[2], image.data() + kAvxAt + i * 16, 16), 0) << i;
    for (size_t j = 4; j < 8; ++j) EXPECT_EQ(regs.zmm[i].v[j], 0U) << i << " " << j;
  }
  for (size_t i = 16; i < 32; ++i) {
    for (const uint64_t word : regs.zmm[i].v) EXPECT_EQ(word, 0U) << i;
  }
  for (const uint64_t mask : regs.opmask) EXPECT_EQ(mask, 0U);
  EXPECT_EQ(regs.mxcsr, 0x1f80U);
  EXPECT_EQ(regs.reserved, 0U);
}

VectorRegs DistinctVectors() {
  auto regs = Numbered<VectorRegs>(uint64_t{1} << 40);
  regs.mxcsr = 0x7fc0;
  return regs;
}

TEST(X86Vectors, WhatAvx512AddsStaysOnWriting) {
  if (!HasAvx()) GTEST_SKIP() << "the processor says nothing of where AVX's part is";
  Image image = MakeImage(kX87 | kSse | kAvx | kAvx512);
  Image expected = image;
  const VectorRegs regs = DistinctVectors();
  for (size_t i = 0; i < 16; ++i) {
    std::memcpy(expected.data() + kXmmAt + i * 16, &regs.zmm[i].v[0], 16);
    std::memcpy(expected.data() + kAvxAt + i * 16, &regs.zmm[i].v[2], 16);
  }
  SetAt(expected, kMxcsrAt, regs.mxcsr);
  SetAt(expected, kPresentAt, kX87 | kSse | kAvx);
  EXPECT_EQ(TakeVectors(regs, image), std::nullopt);
  EXPECT_EQ(image, expected);
}

// The same bytes are there, and are not AVX's; so it is where the image is too short.
TEST(X86Vectors, WithoutAvxOnlyXmmIsReadAndWritten) {
  for (const auto& [features, size] : {std::pair{kX87 | kSse, kAvx512End}, {kX87 | kSse | kAvx, kAvxEnd - 1}}) {
    Image image = MakeImage(features, size);
    for (const auto& zmm : ShownVectors(image).zmm) EXPECT_EQ(zmm.v[2] | zmm.v[3], 0U);
    Image expected = image;
    const VectorRegs regs = DistinctVectors();
    for (size_t i = 0; i < 16; ++i) std::memcpy(expected.data() + kXmmAt + i * 16, &regs.zmm[i].v[0], 16);
    SetAt(expected, kMxcsrAt, regs.mxcsr);
    SetAt(expected, kPresentAt, kX87 | kSse);
    EXPECT_EQ(TakeVectors(regs, image), std::nullopt);
    EXPECT_EQ(image, expected) << size;
  }
}

TEST(X86Vectors, AnImageOfFxsaveHasNoHeader) {
  Image image = MakeImage(kX87 | kSse, kLegacyEnd);
  const Image before = image;
  EXPECT_EQ(TakeVectors(DistinctVectors(), image), std::nullopt);
  ASSERT_EQ(image.size(), before.size());
  EXPECT_TRUE(std::equal(image.begin() + kXmmEnd, image.end(), before.begin() + kXmmEnd));
  EXPECT_EQ(ShownVectors(image).zmm[15].v[1], DistinctVectors().zmm[15].v[1]);
}

// By its mask, each bit for itself.
void ExpectMxcsrOf(uint32_t mask, uint32_t taken) {
  for (int bit = 0; bit < 32; ++bit) {
    Image image = MakeImage(kX87 | kSse);
    SetAt(image, kMxcsrMaskAt, mask);
    const Image before = image;
    VectorRegs regs = DistinctVectors();
    regs.mxcsr = uint32_t{1} << bit;
    const auto refused = TakeVectors(regs, image);
    EXPECT_EQ(!refused, (taken >> bit & 1) != 0) << "bit " << bit << " of mask " << std::hex << mask;
    if (!refused) {
      EXPECT_EQ(At<uint32_t>(image, kMxcsrAt), regs.mxcsr);
      EXPECT_EQ(At<uint32_t>(image, kMxcsrMaskAt), mask);
      continue;
    }
    EXPECT_TRUE(refused->starts_with("mxcsr 0x")) << *refused;
    EXPECT_EQ(image, before) << "nothing is taken";
  }
}

TEST(X86Vectors, AnMxcsrMaskOfZeroMeansTheUsualOne) { ExpectMxcsrOf(0, 0xffbf); }

TEST(X86Vectors, MxcsrIsWhatTheProcessorsMaskLets) {
  ExpectMxcsrOf(0xffff, 0xffff);
  ExpectMxcsrOf(0x2ffff, 0x2ffff);
}

TEST(X86FloatingPoint, IsTheFirstPartWithoutMxcsr) {
  Image image = MakeImage(kX87 | kSse | kAvx);
  const auto regs = Shown<FpRegs>(ZX_THREAD_STATE_FP_REGS, image);
  EXPECT_EQ(regs.fcw, At<uint16_t>(image, 0));
  EXPECT_EQ(regs.fsw, At<uint16_t>(image, 2));
  EXPECT_EQ(regs.ftw, At<uint8_t>(image, 4));
  EXPECT_EQ(regs.reserved, 0);
  EXPECT_EQ(regs.fop, At<uint16_t>(image, 6));
  EXPECT_EQ(regs.fip, At<uint64_t>(image, 8));
  EXPECT_EQ(regs.fdp, At<uint64_t>(image, 16));
  EXPECT_EQ(regs.padding, 0U) << "mxcsr is a vector register";
  EXPECT_EQ(std::memcmp(regs.st, image.data() + 32, sizeof(regs.st)), 0);
}

TEST(X86FloatingPoint, WritingLeavesTheVectors) {
  Image image = MakeImage(kX87 | kSse | kAvx);
  SetAt(image, kPresentAt, kAvx);
  Image expected = image;
  const auto regs = Numbered<FpRegs>(0x7766554433221100);
  std::memcpy(expected.data(), &regs, sizeof(regs));
  expected[5] = std::byte{0};
  SetAt<uint32_t>(expected, kMxcsrAt, 0x1f80);
  SetAt<uint32_t>(expected, kMxcsrMaskAt, 0xffff);
  SetAt(expected, kPresentAt, kAvx | kX87);
  EXPECT_EQ(Take(ZX_THREAD_STATE_FP_REGS, regs, image), std::nullopt);
  EXPECT_EQ(image, expected);
}

// ---- debug registers -------------------------------------------------------------------------------------------------

TEST(X86Debug, BitsThatAreNotAProgramsAreDroppedAndTheFixedOnesShown) {
  Image words(sizeof(DebugRegs));
  EXPECT_EQ(Take(ZX_THREAD_STATE_DEBUG_REGS, DebugRegs{.dr = {1, 2, 3, 4}, .dr6 = ~0ULL, .dr7 = ~0ULL}, words),
            std::nullopt);
  auto regs = Shown<DebugRegs>(ZX_THREAD_STATE_DEBUG_REGS, words);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(regs.dr[i], i + 1);
  EXPECT_EQ(regs.dr6, 0xffffefffU);
  EXPECT_EQ(regs.dr7, 0xffff07ffU);
  EXPECT_EQ(Take(ZX_THREAD_STATE_DEBUG_REGS, DebugRegs{}, words), std::nullopt);
  regs = Shown<DebugRegs>(ZX_THREAD_STATE_DEBUG_REGS, words);
  EXPECT_EQ(regs.dr6, 0xffff0ff0U);
  EXPECT_EQ(regs.dr7, 0x700U);
  EXPECT_FALSE(IsArmed({words}));
}

TEST(X86Debug, AnyEnableArms) {
  for (int bit = 0; bit < 64; ++bit) {
    Image words(sizeof(DebugRegs));
    ASSERT_EQ(Take(ZX_THREAD_STATE_DEBUG_REGS, DebugRegs{.dr = {}, .dr6 = ~0ULL, .dr7 = 1ULL << bit}, words),
              std::nullopt);
    EXPECT_EQ(IsArmed({words}), bit < 8) << bit;
  }
}

}  // namespace
}  // namespace zxctl::arch
