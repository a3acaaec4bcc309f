# Reports of real crashes, taken with plain ptrace.
set(report_targets target_crash target_crash_static target_crash_static_pie target_crash_nopie target_crash_stripped
  target_crash_frame_pointer target_crash_no_frames target_crash_debug_frame target_crash_32 target_crash_cxx target_crash_scribble)
foreach(name kinds builds hostile)
  zx_test(report_${name}_test LABEL live TIMEOUT 300
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/report_${name}_test.cc
    LIBS zx_crash_capture)
  target_compile_definitions(report_${name}_test PRIVATE
    ZX_TEST_TARGETS_DIR="${CMAKE_BINARY_DIR}/targets"
    ZX_TEST_CRASH_SOURCE="${CMAKE_SOURCE_DIR}/tests/targets/target_crash.c"
    ZX_TEST_CRASH_CXX_SOURCE="${CMAKE_SOURCE_DIR}/tests/targets/target_crash_cxx.cc")
  add_dependencies(report_${name}_test ${report_targets})
endforeach()
