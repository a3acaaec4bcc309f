# The task calls on real processes: their errors in order, and the lives of spawned, attached and detached processes.
foreach(name edges errors lives)
  zx_test(tasks_${name}_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_${name}_test.cc LIBS zx_syscalls)
endforeach()
add_dependencies(tasks_lives_test target_fault_32)
add_dependencies(tasks_edges_test target_take target_crash)
