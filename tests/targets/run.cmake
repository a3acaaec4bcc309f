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

# Whoever builds a test also gets the programs that it starts.
foreach(name IN LISTS zx_run_targets ITEMS zxctl zxtask-tracer zxtask-report)
  if(TARGET ${name})
    add_dependencies(zx_test_support ${name})
  endif()
endforeach()
