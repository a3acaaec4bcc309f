zx_test(doctor_live_test LABEL live
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/doctor_test.cc
  LIBS zx_supervisor)
if(TARGET zxctl)
  add_dependencies(doctor_live_test zxctl)
endif()
if(TARGET zxtask-tracer)
  add_dependencies(doctor_live_test zxtask-tracer)
endif()
