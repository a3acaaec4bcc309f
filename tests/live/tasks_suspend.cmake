# Suspends, attaches and detaches of real processes through the C calls.
foreach(name suspend_calls suspend attach)
  zx_test(tasks_${name}_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_${name}_test.cc
    LIBS zxtask fmt::fmt)
  add_dependencies(tasks_${name}_test target_blocking target_held target_task_client)
endforeach()
# Two things at once; what it costs to have very many tasks.
foreach(name races scale)
  zx_test(tasks_${name}_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_${name}_test.cc LIBS zxtask zx_base)
  add_dependencies(tasks_${name}_test target_races target_crowd)
endforeach()
