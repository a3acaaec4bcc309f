# The child programs of the tests of `zxctl run`.
set(zx_run_targets "")

# One program from target_NAME.c, with what it links.
function(zx_run_target name)
  zx_target_program(${name} SOURCES ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${name}.c LINK ${ARGN})
  target_compile_options(${name} PRIVATE -std=gnu11)
  set(zx_run_targets ${zx_run_targets} ${name} PARENT_SCOPE)
endfunction()

# The same program for the machine's 32-bit mode.
function(zx_run_target32 name)
  if(NOT ZX_PROGRAMS32)
    return()
  endif()
  zx_target_program(${name}32 SOURCES ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${name}.c FLAGS -m32 LINK -m32)
  target_compile_options(${name}32 PRIVATE -std=gnu11)
  set(zx_run_targets ${zx_run_targets} ${name}32 PARENT_SCOPE)
endfunction()

zx_run_target(target_blocking uring)
zx_run_target32(target_blocking)
zx_run_target(target_identity)
zx_run_target32(target_identity)
zx_run_target(target_end)
zx_run_target32(target_end)
zx_run_target(target_family)
zx_run_target(target_crash)
zx_run_target(target_shapes)
zx_run_target32(target_shapes)
zx_run_target(target_jobs)
zx_run_target32(target_jobs)
zx_run_target(target_signals rt)
zx_run_target32(target_signals)
zx_run_target(target_seccomp)
zx_run_target32(target_seccomp)
zx_run_target(target_uring uring)
zx_run_target(target_ptrace)
zx_run_target(target_tasks)

# A program that needs nothing of the system it runs on.
zx_target_program(target_end_static SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_end.c LINK -static)
target_compile_options(target_end_static PRIVATE -std=gnu11)
list(APPEND zx_run_targets target_end_static)

# Whoever builds a test also gets the programs that it starts.
foreach(name IN LISTS zx_run_targets ITEMS zxctl zxtask-guest zxtask-tracer zxtask-report)
  if(TARGET ${name})
    add_dependencies(zx_test_support ${name})
  endif()
endforeach()
