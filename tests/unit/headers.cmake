# Needs the compiler where the tests run.
if(NOT CMAKE_CROSSCOMPILING)
  zx_script_test(headers.compile_alone_as_c11_and_cxx17 LABEL unit
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/compile_headers.sh ${CMAKE_SOURCE_DIR} ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER})
endif()
# Sanitizers add names of their own.
if(NOT ZX_SANITIZE)
  zx_script_test(headers.library_has_the_declared_functions_and_no_others LABEL unit
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/exported_names.sh $<TARGET_FILE:zxtask> ${CMAKE_SOURCE_DIR}/include)
endif()
