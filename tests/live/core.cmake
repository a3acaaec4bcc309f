# Cores of real crashes, opened by gdb and elfutils.
zx_test(core_test LABEL live
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/core_subject.cc
    ${CMAKE_CURRENT_LIST_DIR}/core_test.cc
  LIBS zx_report)
add_dependencies(core_test target_core ${fault_32})
