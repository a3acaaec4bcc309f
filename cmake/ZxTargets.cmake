# Helpers that give every target of the project the same warnings, sanitizers and include root.

function(zx_target_defaults name)
  # Members that a designated initializer leaves out have their defaults; that is what they are for.
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wswitch-enum -Werror -Wno-missing-field-initializers)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  if(ZX_SANITIZE)
    # A finding ends the program: a test that goes on after one would pass.
    target_compile_options(${name} PRIVATE -fsanitize=${ZX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${name} PUBLIC -fsanitize=${ZX_SANITIZE})
  endif()
  if(ZX_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Fences decide only whether a sleeper is woken; what it then reads is ordered by atomics, which are checked.
    target_compile_options(${name} PRIVATE -Wno-tsan)
  endif()
  if(ZX_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# zx_library(NAME SOURCES a.cc … LIBS x y …): the one library of a folder.
function(zx_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  zx_target_defaults(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LIBS})
endfunction()

# zx_executable(NAME SOURCES … LIBS …): a program that people run; its C++ runtime is linked in, so that it starts fast.
function(zx_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  zx_target_defaults(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  target_link_options(${name} PRIVATE -Wl,--as-needed)
  # In every preset, so that the static checks of one see it; without a sanitizer nobody asks for it.
  target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tools/sanitizer_defaults.cc)
  if(NOT ZX_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()

# zx_time_limit(VARIABLE SECONDS): a test's time limit in this preset; 120 s where none is given.
function(zx_time_limit variable seconds)
  if(NOT seconds)
    set(seconds 120)
  endif()
  math(EXPR seconds "${seconds} * ${ZX_TIMEOUT_FACTOR}")
  set(${variable} ${seconds} PARENT_SCOPE)
endfunction()

# Programs of another machine say which tests they have only where they run.
if(CMAKE_CROSSCOMPILING)
  set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
endif()

# zx_test(NAME LABEL unit SOURCES … LIBS … [TIMEOUT s] [SERIAL]): a GoogleTest program, one CTest entry a test case.
# SERIAL marks tests that measure or load the machine and must not share it.
function(zx_test name)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  zx_target_defaults(${name})
  # Half of the time to build everything was spent on optimising tests.
  target_compile_options(${name} PRIVATE -O0)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} zx_test_support GTest::gtest GTest::gmock GTest::gtest_main)
  zx_time_limit(limit "${ARG_TIMEOUT}")
  set(properties LABELS ${ARG_LABEL} TIMEOUT ${limit})
  if(ARG_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

# zx_target_program(NAME SOURCES … [FLAGS …] [LINK …]): a child program of the tests. Never sanitized.
function(zx_target_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;FLAGS;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/targets)
  target_compile_options(${name} PRIVATE -Wall -Wextra -O1 -g ${ARG_FLAGS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  find_package(Threads REQUIRED)
  target_link_libraries(${name} PRIVATE Threads::Threads)
endfunction()

# Only x86-64's compiler makes programs of the other word length as well, with -m32.
set(ZX_PROGRAMS32 OFF)
if(ZX_ARCH STREQUAL x86_64)
  set(ZX_PROGRAMS32 ON)
endif()

# zx_script_test(NAME LABEL cli COMMAND word … [TIMEOUT s] [SERIAL]): a test that is a script. It finds the programs in
# $ZX_BIN and the child programs in $ZX_TARGETS; exit status 77 means that the machine lacks something it needs.
function(zx_script_test name)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT" "COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${ARG_COMMAND})
  zx_time_limit(limit "${ARG_TIMEOUT}")
  set_tests_properties(${name} PROPERTIES
    LABELS ${ARG_LABEL} TIMEOUT ${limit} SKIP_RETURN_CODE 77
    ENVIRONMENT "ZX_BIN=${CMAKE_BINARY_DIR}/bin;ZX_TARGETS=${CMAKE_BINARY_DIR}/targets;ZX_PYTHON=${ZX_PYTHON}")
  if(ARG_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()
