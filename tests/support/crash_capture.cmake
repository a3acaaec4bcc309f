# Crashes without the tracer, for the tests of the report.
zx_library(zx_crash_capture SOURCES ${CMAKE_CURRENT_LIST_DIR}/crash_capture.cc ${CMAKE_CURRENT_LIST_DIR}/crash_expect.cc
  LIBS zx_report zx_test_support)
target_compile_definitions(zx_crash_capture PRIVATE ZX_TEST_REPORTER="$<TARGET_FILE:zxtask-report>")
add_dependencies(zx_crash_capture zxtask-report)
