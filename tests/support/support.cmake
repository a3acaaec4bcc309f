# What all tests share: running programs and looking at them from outside.
zx_library(zx_test_support
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/child_process.cc
    ${CMAKE_CURRENT_LIST_DIR}/faults.cc
    ${CMAKE_CURRENT_LIST_DIR}/proc_view.cc
    ${CMAKE_CURRENT_LIST_DIR}/supervised.cc
    ${CMAKE_CURRENT_LIST_DIR}/temp_dir.cc
    ${CMAKE_CURRENT_LIST_DIR}/twin_dirs.cc
  LIBS zx_base GTest::gtest)
target_include_directories(zx_test_support PUBLIC ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/tests/support/machine/${ZX_ARCH})
target_compile_definitions(zx_test_support PUBLIC ZX_TEST_PROGRAMS32=$<BOOL:${ZX_PROGRAMS32}>)
target_compile_definitions(zx_test_support PRIVATE
  ZX_TEST_BIN_DIR="${CMAKE_BINARY_DIR}/bin"
  ZX_TEST_TARGETS_DIR="${CMAKE_BINARY_DIR}/targets"
  ZX_TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
