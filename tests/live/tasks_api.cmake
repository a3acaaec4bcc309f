# The task calls on real processes: their errors in order, the lives of processes, and the rules of what is done to them.
foreach(name edges errors lives rules chain)
  zx_test(tasks_${name}_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_${name}_test.cc LIBS zx_syscalls)
endforeach()
if(ZX_PROGRAMS32)
  add_dependencies(tasks_lives_test target_fault_32)
endif()
add_dependencies(tasks_edges_test target_take target_crash)
add_dependencies(tasks_rules_test target_crash target_held)
add_dependencies(tasks_chain_test target_fault target_held target_task_client)
zx_test(threads_start_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_start_test.cc
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_start_test target_start)
zx_test(threads_lending_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_lending_test.cc
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_lending_test target_start)
set(own_refusals "")
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_refused_test.cc)
  set(own_refusals ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_refused_test.cc)
endif()
zx_test(threads_values_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_values_test.cc ${own_refusals}
  LIBS zx_syscalls zx_supervisor)
add_dependencies(threads_values_test target_start)
# The registers of a thread, kind by kind: each machine has its own.
if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_registers_test.cc)
  zx_test(threads_registers_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/threads_registers_test.cc
    LIBS zx_syscalls zx_supervisor)
  add_dependencies(threads_registers_test target_registers)
endif()
# Clients that turn on their tracer.
zx_test(tasks_hostile_test LABEL live TIMEOUT 300 SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_hostile_test.cc
  LIBS zx_syscalls zx_supervisor)
add_dependencies(tasks_hostile_test target_fault target_held target_hostile_client)
