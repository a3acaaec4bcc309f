# The pure part of each machine. x86-64's header is one of that machine's C library; the others are tested everywhere, each
# with its own folder of src/arch.
set(machine_tests "")
if(ZX_ARCH STREQUAL x86_64)
  set(machine_tests ${CMAKE_CURRENT_LIST_DIR}/x86_64/restart_test.cc ${CMAKE_CURRENT_LIST_DIR}/x86_64/states_test.cc)
endif()
foreach(machine aarch64 riscv64)
  set(folder ${CMAKE_SOURCE_DIR}/src/arch)
  zx_test(arch_${machine}_test LABEL unit
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/${machine}/arch_test.cc ${CMAKE_CURRENT_LIST_DIR}/${machine}/states_test.cc
      ${folder}/generic/calls.cc
      ${folder}/${machine}/registers.cc ${folder}/${machine}/restart.cc ${folder}/${machine}/start_registers.cc
      ${folder}/${machine}/zircon.cc ${folder}/${machine}/states.cc ${folder}/${machine}/fields.cc ${folder}/start_regs.cc ${folder}/${machine}/start_regs.cc
    LIBS zx_base)
  if(machine STREQUAL riscv64)
    target_sources(arch_riscv64_test PRIVATE ${folder}/riscv64/vector_regs.cc)
  endif()
  target_include_directories(arch_${machine}_test BEFORE PRIVATE ${folder}/${machine} ${folder})
endforeach()
zx_test(zx_supervisor_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/thread_state_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/wait_status_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/signal_record_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/call_watch_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/errand_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/register_layout_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/sleep_clock_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/spin_policy_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/start_regs_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/vector_regs_test.cc
    ${machine_tests}
    ${CMAKE_CURRENT_LIST_DIR}/task_tree_test.cc
  LIBS zx_supervisor)

zx_test(zx_base_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/base_test.cc
  LIBS zx_base)

zx_test(zx_exceptions_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/classify_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/chain_test.cc
  LIBS zx_exceptions)

zx_test(zx_ring_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/outbox_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/ring_test.cc
  LIBS zx_ring)
