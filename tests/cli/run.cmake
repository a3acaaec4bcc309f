# `zxctl run` from the command line: bad input, reports, and the programs of others.
find_package(nlohmann_json REQUIRED)
foreach(name bad_input reports shells tools servers)
  zx_test(run_${name}_test LABEL cli TIMEOUT 400
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/run_${name}_test.cc
    LIBS nlohmann_json::nlohmann_json)
endforeach()
