# Suspends, attaches and detaches of real processes through the C calls.
foreach(name suspend_calls suspend attach)
  zx_test(tasks_${name}_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_${name}_test.cc
    LIBS zxtask fmt::fmt)
  add_dependencies(tasks_${name}_test target_blocking target_held target_task_client)
endforeach()
# Two things at once; very many tasks, and what they cost.
zx_test(tasks_races_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_races_test.cc LIBS zxtask zx_base)
zx_test(threads_races_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/threads_races_test.cc LIBS zxtask zx_base)
zx_test(tasks_scale_test LABEL live TIMEOUT 400 SERIAL SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_scale_test.cc
  LIBS zxtask zx_base)
add_dependencies(tasks_races_test target_races)
add_dependencies(threads_races_test target_races)
add_dependencies(tasks_scale_test target_crowd)
