# `zxctl run` with real processes.
foreach(name eintr transparency shapes signals deaths)
  zx_test(run_${name}_test LABEL live TIMEOUT 400 SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_${name}_test.cc
    LIBS zx_ring)
endforeach()
