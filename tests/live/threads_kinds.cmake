# Which kinds of registers can be read and written in which of a thread's states, and with which values.
set(own_kinds "")
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_kinds_test.cc)
  set(own_kinds ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_kinds_test.cc)
endif()
zx_test(threads_kinds_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_kinds_test.cc ${own_kinds}
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_kinds_test target_start)
if(own_kinds)
  add_dependencies(threads_kinds_test target_registers)
endif()
