# Handles, ports and the calls that lead to them, on one thread.
find_package(rapidcheck REQUIRED)
zx_test(zx_object_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/handle_table_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/job_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/object_model_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/port_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/signals_test.cc
  LIBS zx_object rapidcheck rapidcheck_gtest)
zx_test(zx_syscalls_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/calls_handle_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/calls_object_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/calls_pointers_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/calls_port_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/calls_time_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/zx_test.cc
  LIBS zx_syscalls)
