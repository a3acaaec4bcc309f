# Guests without KVM. Only x86-64 has them so far.
if(ZX_ARCH STREQUAL x86_64)
  find_path(ZYDIS_INCLUDE Zydis/Zydis.h REQUIRED)
  find_library(ZYDIS_LIBRARY Zydis REQUIRED)
  zx_test(vcpu_unit_test LABEL unit
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/x86_64/guest_instruction_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/x86_64/guest_paging_test.cc
    LIBS zx_vcpu ${ZYDIS_LIBRARY})
endif()
