# The crash report's text, JSON and ways out, on made-up reports.
find_package(rapidcheck REQUIRED)
zx_test(render_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/core_layout_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/core_notes_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/core_regions_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/fd_writer_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/output_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/render_json_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/render_roundtrip_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/render_text_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/report_sample.cc
    ${CMAKE_CURRENT_LIST_DIR}/text_safety_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/thread_groups_test.cc
  LIBS zx_report rapidcheck rapidcheck_gtest)
