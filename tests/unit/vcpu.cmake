# Guests without KVM.
set(machine_tests "")
set(machine_libs "")
if(ZX_ARCH STREQUAL x86_64)
  find_path(ZYDIS_INCLUDE Zydis/Zydis.h REQUIRED)
  find_library(ZYDIS_LIBRARY Zydis REQUIRED)
  set(machine_tests ${CMAKE_CURRENT_LIST_DIR}/x86_64/guest_instruction_test.cc ${CMAKE_CURRENT_LIST_DIR}/x86_64/guest_paging_test.cc)
  set(machine_libs ${ZYDIS_LIBRARY})
endif()
if(NOT ZX_ARCH STREQUAL riscv64)
  zx_test(vcpu_unit_test LABEL unit
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/vcpu_test.cc ${machine_tests}
    LIBS zx_vcpu ${machine_libs})
endif()
# The pure part of arm64's is tested everywhere.
set(folder ${CMAKE_SOURCE_DIR}/src/arch/aarch64)
zx_test(guest_aarch64_test LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/aarch64/guest_instruction_test.cc ${CMAKE_CURRENT_LIST_DIR}/aarch64/guest_paging_test.cc
    ${folder}/guest_instruction.cc ${folder}/guest_paging.cc
    ${CMAKE_SOURCE_DIR}/src/arch/guest_bytes.cc
  LIBS capstone)
target_include_directories(guest_aarch64_test BEFORE PRIVATE ${folder})
