# Tasks as handles, with real processes.
find_package(rapidcheck REQUIRED)
zx_test(tasks_model_test LABEL live TIMEOUT 400
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/tasks_model_test.cc ${CMAKE_SOURCE_DIR}/tests/support/task_model.cc
  LIBS zxtask_static rapidcheck fmt::fmt zx_base)
