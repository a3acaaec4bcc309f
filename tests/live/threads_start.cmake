# Threads that are started: in which states, with which rights, and with what they begin.
zx_test(threads_start_states_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_start_states_test.cc
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_start_states_test target_start)
set(own_beginnings "")
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_begin_test.cc)
  set(own_beginnings ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_begin_test.cc)
endif()
zx_test(threads_begin_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_begin_test.cc ${own_beginnings}
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_begin_test target_start)
