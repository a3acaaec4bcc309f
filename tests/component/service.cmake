# What a tracer does for a client, without processes.
zx_test(zx_service_component_test LABEL component
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/service_test.cc
  LIBS zx_service zx_fake_ptrace)
