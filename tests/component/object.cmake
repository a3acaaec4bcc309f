# Handles, waits and ports between threads.
zx_test(zx_object_threads_test LABEL component
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/object_threads_test.cc
  LIBS zx_object)
