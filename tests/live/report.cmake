# Reports of real crashes, taken with plain ptrace.
set(report_targets target_fault target_fault_static target_fault_static_pie target_fault_nopie target_fault_stripped
  target_fault_frame_pointer target_fault_no_frames target_fault_debug_frame ${fault_32} target_fault_cxx target_fault_scribble
  target_fault_local target_fault_relative_dwarf4 target_fault_relative_dwarf5)
# Faults that only this machine has, or that it raises in a way of its own.
set(own_kinds_of_kinds ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/report_machine_test.cc)
foreach(name kinds builds hostile worker)
  zx_test(report_${name}_test LABEL live TIMEOUT 300
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/report_${name}_test.cc ${own_kinds_of_${name}}
    LIBS zx_crash_capture)
  target_compile_definitions(report_${name}_test PRIVATE ZX_TIMEOUT_FACTOR=${ZX_TIMEOUT_FACTOR}
    ZX_TEST_TARGETS_DIR="${CMAKE_BINARY_DIR}/targets"
    ZX_TEST_CRASH_SOURCE="${CMAKE_SOURCE_DIR}/tests/targets/target_fault.c"
    ZX_TEST_CRASH_CXX_SOURCE="${CMAKE_SOURCE_DIR}/tests/targets/target_fault_cxx.cc"
    ZX_TEST_CRASH_LOCAL_SOURCE="${CMAKE_SOURCE_DIR}/tests/targets/target_fault_local.cc")
  add_dependencies(report_${name}_test ${report_targets})
endforeach()
