# KVM of the component tests, with registers of x86-64. That of arm64 is beside its tests.
if(ZX_ARCH STREQUAL x86_64)
  zx_library(zx_fake_kvm
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/fake_kvm.cc
    LIBS zx_vcpu GTest::gtest)
  target_include_directories(zx_fake_kvm PUBLIC ${CMAKE_SOURCE_DIR}/tests)
endif()
