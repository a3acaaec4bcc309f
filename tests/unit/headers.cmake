zx_script_test(headers.compile_alone_as_c11_and_cxx17 LABEL unit
  COMMAND ${CMAKE_CURRENT_LIST_DIR}/compile_headers.sh ${CMAKE_SOURCE_DIR} ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER})
