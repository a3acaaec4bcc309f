zx_test(zx_object_stress_test LABEL stress TIMEOUT 60 SERIAL
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/object_stress_test.cc
  LIBS zx_syscalls)
