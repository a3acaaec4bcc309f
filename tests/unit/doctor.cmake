zx_test(diagnose_test LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/diagnose_test.cc
  LIBS zx_supervisor)
