# The fake kernel of the component tests.
zx_library(zx_fake_ptrace
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/fake_ptrace_ops.cc ${CMAKE_CURRENT_LIST_DIR}/task_world.cc
  LIBS zx_supervisor)
target_include_directories(zx_fake_ptrace PUBLIC ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/tests/support/machine/${ZX_ARCH})
