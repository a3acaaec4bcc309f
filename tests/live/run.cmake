# `zxctl run` with real processes.
set(here ${CMAKE_CURRENT_LIST_DIR})
zx_test(run_eintr_test LABEL live SOURCES ${here}/run_eintr_test.cc)
