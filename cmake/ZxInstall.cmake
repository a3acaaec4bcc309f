# What `cmake --install` puts where. zxctl looks for its helpers beside itself and in ../libexec/zxctl.
install(TARGETS zxctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS zxtask-guest zxtask-tracer zxtask-report RUNTIME DESTINATION libexec/zxctl)

# The library: headers, libzxtask.so and libzxtask.a, and what CMake and pkg-config find them by. Neither file names a place:
# each begins at its own.
include(CMakePackageConfigHelpers)
set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/zxtask)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS zxtask zxtask_static EXPORT zxtask
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT zxtask DESTINATION ${cmake_dir} NAMESPACE zxtask:: FILE zxtask-targets.cmake)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/zxtask-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES packaging/zxtask-config.cmake ${CMAKE_BINARY_DIR}/zxtask-config-version.cmake DESTINATION ${cmake_dir})
string(REGEX REPLACE "[^/]+" ".." pkgconfig_to_prefix ${pkgconfig_dir})
configure_file(packaging/zxtask.pc.in ${CMAKE_BINARY_DIR}/zxtask.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/zxtask.pc DESTINATION ${pkgconfig_dir})

install(FILES ${CMAKE_SOURCE_DIR}/packaging/completion/zxctl.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME zxctl)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs
  PATTERN man EXCLUDE)
# What they link to. The tests of the examples stay behind.
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples USE_SOURCE_PERMISSIONS
  REGEX "/examples/CMakeLists\\.txt$" EXCLUDE)
install(FILES tests/bench/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/tests/bench)

# Man pages are written in scdoc; without it everything else is installed all the same.
find_program(ZX_SCDOC scdoc)
file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.1.scd)
if(ZX_SCDOC)
  set(man_pages "")
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
  foreach(page ${pages})
    get_filename_component(name ${page} NAME_WLE)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/man/${name} DEPENDS ${page}
      COMMAND sh -c "'${ZX_SCDOC}' <'${page}' >'man/${name}'"
      WORKING_DIRECTORY ${CMAKE_BINARY_DIR} COMMENT "Man page ${name}" VERBATIM)
    list(APPEND man_pages ${CMAKE_BINARY_DIR}/man/${name})
  endforeach()
  add_custom_target(man ALL DEPENDS ${man_pages})
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
else()
  message(WARNING "no scdoc: the man pages are neither built nor installed")
endif()
