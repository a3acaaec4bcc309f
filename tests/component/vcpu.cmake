# Guests over a fake KVM.
if(ZX_ARCH STREQUAL x86_64)
  zx_test(zx_vcpu_component_test LABEL component
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/guest_machine_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_answers_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_bells_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_loop_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_open_test.cc
      ${CMAKE_CURRENT_LIST_DIR}/vcpu_stores_test.cc
    LIBS zx_fake_kvm)
endif()
if(ZX_ARCH STREQUAL aarch64)
  zx_test(arm64_guest_component_test LABEL component
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/aarch64/guest_test.cc
    LIBS zx_vcpu)
endif()
