zx_test(zx_supervisor_unit_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/thread_state_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/wait_status_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/signal_record_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/call_watch_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/errand_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/sleep_clock_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/spin_policy_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/restart_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/start_regs_test.cc
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
