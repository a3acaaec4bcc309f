zx_test(zx_supervisor_component_test LABEL component
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/tracer_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/tracer_calls_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/tracer_tasks_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/stop_finder_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/router_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/attach_test.cc
  LIBS zx_fake_ptrace zx_exceptions)
