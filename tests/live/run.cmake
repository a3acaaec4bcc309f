# `zxctl run` with real processes.
foreach(name eintr transparency)
  zx_test(run_${name}_test LABEL live SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_${name}_test.cc)
endforeach()
